//! The objects that a manager makes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use shm_value::bytemuck::{CheckedBitPattern, NoUninit};
use shm_value::{ShmMap, ShmVec};

use super::Manager;
use crate::client::Argument;
use crate::error::Error;
use crate::object::user::Object;
use crate::protocol::methods::desk;
use crate::proxy::{
    Array, Barrier, BoundedSemaphore, Condition, Dict, Event, Inner, JoinableQueue, List, Lock,
    Namespace, Queue, RLock, Remote, Semaphore, Set, ShmDict, ShmList, Value,
};
#[cfg(feature = "pool")]
use crate::proxy::{Pool, PoolBuilder};

impl Manager {
    /// Makes a dict.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn dict<K, V>(&self) -> Result<Dict<K, V>, Error> {
        self.make("dict", Argument::new())
    }

    /// Makes a list.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn list<T>(&self) -> Result<List<T>, Error> {
        self.make("list", Argument::new().flag(false))
    }

    /// Makes a dict of plain data in shared memory, with room for so many keys.
    ///
    /// Its memory is there at once, and counts as what the manager keeps for this client.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::Full`], [`Error::ShareFull`]; [`Error::Refused`] if there is no such
    /// memory.
    pub fn shm_dict<K, V>(&self, capacity: usize) -> Result<ShmDict<K, V>, Error>
    where
        K: NoUninit + CheckedBitPattern,
        V: NoUninit + CheckedBitPattern,
    {
        let lens = Argument::new().number(capacity as u64).len_of::<K>().len_of::<V>();
        let dict: ShmDict<K, V> =
            self.make("shm_dict", lens.number(ShmMap::<K, V>::type_hash()))?;
        dict.as_map()?;
        Ok(dict)
    }

    /// Makes a list of plain data in shared memory, with room for so many items.
    ///
    /// # Errors
    ///
    /// As [`shm_dict`](Self::shm_dict).
    pub fn shm_list<T>(&self, capacity: usize) -> Result<ShmList<T>, Error>
    where
        T: NoUninit + CheckedBitPattern,
    {
        let lens = Argument::new().number(capacity as u64).len_of::<T>();
        let list: ShmList<T> = self.make("shm_list", lens.number(ShmVec::<T>::type_hash()))?;
        list.as_vec()?;
        Ok(list)
    }

    /// Makes a set.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn set<T>(&self) -> Result<Set<T>, Error> {
        self.make("dict", Argument::new())
    }

    /// Makes a namespace.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn namespace(&self) -> Result<Namespace, Error> {
        self.make("dict", Argument::new())
    }

    /// Makes a value.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn value<T: Serialize>(&self, value: &T) -> Result<Value<T>, Error> {
        self.make("value", Argument::new().value(self.client.server(), value)?)
    }

    /// Makes an array.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::Refused`] if there is a proxy in an item.
    pub fn array<T: Serialize>(&self, items: &[T]) -> Result<Array<T>, Error> {
        let mut argument = Argument::new().flag(true);
        for item in items {
            argument = argument.value_block(self.client.server(), item)?;
        }
        argument.without_proxies()?;
        self.make("list", argument)
    }

    /// Makes a queue for so many values, or zero for any number.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn queue<T>(&self, max: u64) -> Result<Queue<T>, Error> {
        self.make("queue", Argument::new().number(max).flag(false))
    }

    /// Makes a joinable queue for so many values, or zero for any number.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn joinable_queue<T>(&self, max: u64) -> Result<JoinableQueue<T>, Error> {
        self.make("queue", Argument::new().number(max).flag(true))
    }

    /// Makes a lock.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn lock(&self) -> Result<Lock, Error> {
        self.make("lock", Argument::new())
    }

    /// Makes a lock that a thread may take again when it has it.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn rlock(&self) -> Result<RLock, Error> {
        self.make("lock", Argument::new())
    }

    /// Makes a semaphore of so many permits.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn semaphore(&self, permits: u64) -> Result<Semaphore, Error> {
        self.make("semaphore", Argument::new().number(permits).flag(false))
    }

    /// Makes a semaphore of so many permits, and never more.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn bounded_semaphore(&self, permits: u64) -> Result<BoundedSemaphore, Error> {
        self.make("semaphore", Argument::new().number(permits).flag(true))
    }

    /// Makes a condition, with a lock of its own.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn condition(&self) -> Result<Condition, Error> {
        self.make("lock", Argument::new())
    }

    /// Makes an event, which is not set.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn event(&self) -> Result<Event, Error> {
        self.make("event", Argument::new())
    }

    /// Makes a barrier for so many parties.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::Refused`] if there are none.
    pub fn barrier(&self, parties: u64) -> Result<Barrier, Error> {
        self.make("barrier", Argument::new().number(parties))
    }

    /// Makes a pool of so many workers.
    ///
    /// # Errors
    ///
    /// As [`PoolBuilder::build`].
    #[cfg(feature = "pool")]
    pub fn pool(&self, workers: usize) -> Result<Pool, Error> {
        self.pool_builder().workers(workers).build()
    }

    /// Begins to say how a pool shall be.
    #[cfg(feature = "pool")]
    pub fn pool_builder(&self) -> PoolBuilder<'_> {
        PoolBuilder::new(self)
    }

    #[cfg(feature = "pool")]
    pub(crate) fn make_pool(&self, plan: Argument) -> Result<Pool, Error> {
        self.make("pool", plan)
    }

    /// Makes an object of a type of the program's own, of which the manager [was
    /// told](crate::Builder::register).
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::NoSuchType`] if it was not; [`Error::Panicked`].
    pub fn create<T: Object>(&self, init: T::Init) -> Result<Remote<T>, Error> {
        self.make_by(desk::MAKE, T::NAME, Argument::new().value(self.client.server(), &init)?)
    }

    fn make<P: Inner>(&self, sort: &str, init: Argument) -> Result<P, Error> {
        self.make_by(desk::CREATE, sort, init)
    }

    fn make_by<P: Inner>(&self, method: u64, name: &str, init: Argument) -> Result<P, Error> {
        let argument = Argument::new().block(name.as_bytes()).block(P::label().as_bytes());
        let got = self.client()?.call_desk(method, argument.followed_by(init))?;
        Ok(P::over(got.into_handle()?))
    }
}

/// For the docs of the builder: what travels is what is encoded.
const _: fn() = || {
    fn travels<T: Serialize + DeserializeOwned>() {}
    travels::<Dict<String, List<u64>>>();
};
