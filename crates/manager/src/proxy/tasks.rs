//! Methods whose replies are waited for in a task.
//!
//! They are those of the same name without `_async`, and do the same. They need no runtime of a certain kind. Each
//! call is sent when its future is first polled, so those that are polled together are on their way together.
//! A future that is dropped later leaves the call as it is: it is done, or will be, and nobody hears of it; an
//! item that it takes from a queue is lost.

use std::borrow::Borrow;

use ipc_core::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Dict, Event, Inner as _, List, Queue, Remote, Value};
use crate::client::Argument;
use crate::error::Error;
use crate::object::user::Object;
use crate::protocol::methods;

impl<K, V> Dict<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// [`get`](Self::get), waiting in a task.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{Dict, Manager};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let manager = Manager::start()?;
    /// let dict: Dict<String, u32> = manager.dict()?;
    /// dict.set_async("one", &1).await?;
    /// // Both are on their way at the same time.
    /// let (one, two) = tokio::join!(dict.get_async("one"), dict.get_async("two"));
    /// assert_eq!((one?, two?), (Some(1), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn get_async<Q>(&self, key: &Q) -> Result<Option<V>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let argument = Argument::new().key(key)?;
        self.handle().call_async(methods::dict::GET, argument).await?.decode()
    }

    /// [`insert`](Self::insert), waiting in a task.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub async fn insert_async<Q>(&self, key: &Q, value: &V) -> Result<Option<V>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let argument = Argument::new().key_block(key)?.value(self.handle().server(), value)?;
        self.handle().call_async(methods::dict::INSERT, argument).await?.decode()
    }

    /// [`set`](Self::set), waiting in a task.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub async fn set_async<Q>(&self, key: &Q, value: &V) -> Result<(), Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let argument = Argument::new().key_block(key)?.value(self.handle().server(), value)?;
        self.handle().call_async(methods::dict::SET, argument).await.map(drop)
    }

    /// [`remove`](Self::remove), waiting in a task.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    pub async fn remove_async<Q>(&self, key: &Q) -> Result<Option<V>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let argument = Argument::new().key(key)?;
        self.handle().call_async(methods::dict::REMOVE, argument).await?.decode()
    }
}

impl<T: Serialize + DeserializeOwned> List<T> {
    /// [`push`](Self::push), waiting in a task.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub async fn push_async(&self, value: &T) -> Result<(), Error> {
        let argument = Argument::new().value(self.handle().server(), value)?;
        self.handle().call_async(methods::list::PUSH, argument).await.map(drop)
    }

    /// [`len`](Self::len), waiting in a task.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub async fn len_async(&self) -> Result<usize, Error> {
        self.handle().call_async(methods::list::LEN, Argument::new()).await?.decode()
    }
}

impl<T: Serialize + DeserializeOwned> Value<T> {
    /// [`get`](Self::get), waiting in a task.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn get_async(&self) -> Result<T, Error> {
        self.handle().call_async(methods::value::GET, Argument::new()).await?.decode()
    }

    /// [`set`](Self::set), waiting in a task.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub async fn set_async(&self, value: &T) -> Result<(), Error> {
        let argument = Argument::new().value(self.handle().server(), value)?;
        self.handle().call_async(methods::value::SET, argument).await.map(drop)
    }
}

impl<T: Serialize + DeserializeOwned> Queue<T> {
    /// [`put`](Self::put), waiting for room in a task.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub async fn put_async(&self, value: &T) -> Result<(), Error> {
        let argument = Argument::new().patience(Deadline::NEVER);
        let argument = argument.value(self.handle().server(), value)?;
        self.handle().call_async(methods::queue::PUT, argument).await.map(drop)
    }

    /// [`get`](Self::get), waiting for a value in a task.
    ///
    /// If the future is dropped after it was polled, a value that comes for it is lost.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn get_async(&self) -> Result<T, Error> {
        let argument = Argument::new().patience(Deadline::NEVER);
        self.handle().call_async(methods::queue::GET, argument).await?.decode()
    }
}

impl Event {
    /// [`wait`](Self::wait), in a task.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub async fn wait_async(&self) -> Result<(), Error> {
        let argument = Argument::new().patience(Deadline::NEVER);
        self.handle().call_async(methods::event::WAIT, argument).await.map(drop)
    }
}

impl<T: Object> Remote<T> {
    /// [`call`](Self::call), waiting in a task.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub async fn call_async<A, R>(&self, method: &str, argument: &A) -> Result<R, Error>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let call = Argument::new().block(method.as_bytes());
        let call = call.value(self.handle().server(), argument)?;
        self.handle().call_async(methods::user::BY_NAME, call).await?.decode()
    }
}
