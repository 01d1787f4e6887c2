//! `RemoteIter` in tasks.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::{Inner as _, Remote};
use super::RemoteIter;
use crate::client::{Argument, Got};
use crate::error::Error;
use crate::object::user::Object;
use crate::protocol::methods;

/// A call under way. It is kept when the future is dropped that waits for it, since its items would be lost.
#[derive(Default)]
pub(super) struct Pending(
    // Never locked: so it can be shared, as all that it is in.
    Mutex<Option<Call>>,
);

type Call = Pin<Box<dyn Future<Output = Result<Got, Error>> + Send>>;

impl Pending {
    fn call(&mut self) -> &mut Option<Call> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for it on this thread, if there is one.
    pub(super) fn wait(&mut self) -> Option<Result<Got, Error>> {
        let mut call = self.call().take()?;
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            if let Poll::Ready(got) = call.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(got);
            }
            thread::park();
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pending").finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned> RemoteIter<T> {
    /// The next item, waited for in a task.
    ///
    /// If the future is dropped, no item is lost: the next that asks gets it.
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{Manager, Methods, Object, RemoteIter};
    ///
    /// struct Numbers;
    ///
    /// impl Object for Numbers {
    ///     const NAME: &'static str = "numbers";
    ///     type Init = ();
    ///
    ///     fn make((): ()) -> Self {
    ///         Self
    ///     }
    ///
    ///     fn methods(methods: &mut Methods<Self>) {
    ///         methods.add_iterator("from", |_: &mut Self, first: u64| first..);
    ///     }
    /// }
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let manager = Manager::builder().register::<Numbers>().start()?;
    /// let numbers = manager.create::<Numbers>(())?;
    /// let mut from: RemoteIter<u64> = numbers.iterate_async("from", &7_u64).await?;
    /// assert_eq!(from.next_async().await.transpose()?, Some(7));
    /// assert_eq!(from.next_async().await.transpose()?, Some(8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn next_async(&mut self) -> Option<Result<T, Error>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The next item, if it is there; otherwise the task is woken when it may be: what a stream is made of, as by
    /// `futures::stream::poll_fn`.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, Error>>> {
        loop {
            if let Some(item) = self.batch.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            if self.pending.call().is_none() {
                let Some(handle) = self.handle.clone() else { return Poll::Ready(None) };
                let argument = self.argument();
                let call =
                    async move { handle.call_async(methods::iterator::NEXT, argument).await };
                *self.pending.call() = Some(Box::pin(call));
            }
            let Some(call) = self.pending.call() else { return Poll::Ready(None) };
            let Poll::Ready(got) = call.as_mut().poll(context) else { return Poll::Pending };
            *self.pending.call() = None;
            if let Err(error) = self.take_in(got) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl<T: Object> Remote<T> {
    /// [`iterate`](Self::iterate), waiting in a task.
    ///
    /// # Errors
    ///
    /// As [`iterate`](Self::iterate).
    pub async fn iterate_async<A, I>(
        &self,
        method: &str,
        argument: &A,
    ) -> Result<RemoteIter<I>, Error>
    where
        A: Serialize + ?Sized,
        I: DeserializeOwned,
    {
        let call = Argument::new().block(method.as_bytes());
        let call = call.value(self.handle().server(), argument)?;
        let got = self.handle().call_async(methods::user::ITERATE, call).await?;
        Ok(RemoteIter::over(got.into_granted()?))
    }
}
