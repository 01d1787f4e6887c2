//! `ShmDict<K, V>`: plain keys and values in shared memory.

use std::collections::VecDeque;

use shm_value::ShmMap;
use shm_value::bytemuck::{CheckedBitPattern, NoUninit, bytes_of};

use super::{Page, all, ask, is_same, option, value};
use crate::client::{Argument, Mapped};
use crate::error::Error;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::dict as methods;
use crate::proxy::proxy;

proxy! {
    /// A dict of plain data in shared memory, with room for so many keys.
    ///
    /// It has the methods of a [`Dict`](crate::Dict), so that a program can take one for the other, and does
    /// them in the memory, which a process of the manager's machine gets when it first uses the dict: then
    /// the manager is not asked again. Who cannot have the memory, on another machine or with too many
    /// descriptors, calls the manager, which does the same there; both are seen by both.
    ///
    /// Keys and values are [plain data](shm_value::bytemuck), and the same if their bytes are. They have no order;
    /// so there is no `pop`. There are no batches, since what a batch saves is not there.
    ///
    /// Whoever has the memory may write there whatever it likes. What can come of that are values that nobody has
    /// put in, keys that are lost, [`Error::Corrupt`], and a turn that is not given back, for which those wait who
    /// have the memory, too. The manager and its other objects go on.
    ///
    /// # Process death
    ///
    /// Who dies while it changes a key has changed it as it wanted, or not at all, and the next has its turn at
    /// once; nobody is told. When the manager ends, those who have the memory go on in it, and it ends with
    /// the last of them; the others get [`Error::Disconnected`].
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{Manager, ShmDict};
    ///
    /// let manager = Manager::start()?;
    /// let visits: ShmDict<u64, u32> = manager.shm_dict(1000)?;
    /// visits.insert(&7, &40)?;
    /// // One step: no other change comes between.
    /// visits.update(&7, |(visits, more)| visits.map(|visits| visits + more), &2)?;
    /// assert_eq!(visits.get(&7)?, Some(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ShmDict<K, V>, "shm_dict", map: Mapped<ShmMap<K, V>>
}

impl<K, V> ShmDict<K, V>
where
    K: NoUninit + CheckedBitPattern,
    V: NoUninit + CheckedBitPattern,
{
    /// The map itself, if this process has its memory.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if it is one of other types.
    #[inline]
    pub fn as_map(&self) -> Result<Option<&ShmMap<K, V>>, Error> {
        self.map.get(&self.handle)
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if somebody has written there what is no value. If the manager has to be called,
    /// [`Error`] says why there is no answer. So it is for all methods.
    #[inline]
    pub fn get(&self, key: &K) -> Result<Option<V>, Error> {
        match self.as_map()? {
            Some(map) => Ok(map.get(*key)?),
            None => option(ask(&self.handle, methods::GET, || of_key(key))?.bytes()),
        }
    }

    /// Sets the value of a key; returns the old one.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] if there is no room for another key. [`Error::WouldDeadlock`] in the function of
    /// an [`update`](Self::update) of the same dict.
    #[inline]
    pub fn insert(&self, key: &K, value: &V) -> Result<Option<V>, Error> {
        match self.as_map()? {
            Some(map) => Ok(map.insert(*key, *value)?),
            None => option(ask(&self.handle, methods::INSERT, || of_entry(key, value))?.bytes()),
        }
    }

    /// Sets the value of a key, without asking for the old one.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    #[inline]
    pub fn set(&self, key: &K, value: &V) -> Result<(), Error> {
        match self.as_map()? {
            Some(map) => Ok(map.insert(*key, *value).map(drop)?),
            None => ask(&self.handle, methods::SET, || of_entry(key, value)).map(drop),
        }
    }

    /// Takes a key out; returns its value.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert), but that there is room.
    #[inline]
    pub fn remove(&self, key: &K) -> Result<Option<V>, Error> {
        match self.as_map()? {
            Some(map) => Ok(map.remove(*key)?),
            None => option(ask(&self.handle, methods::REMOVE, || of_key(key))?.bytes()),
        }
    }

    /// Whether there is such a key.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn contains_key(&self, key: &K) -> Result<bool, Error> {
        match self.as_map()? {
            Some(map) => Ok(map.contains_key(*key)?),
            None => ask(&self.handle, methods::CONTAINS, || of_key(key))?.decode(),
        }
    }

    /// How many keys there are.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn len(&self) -> Result<usize, Error> {
        match self.as_map()? {
            Some(map) => Ok(map.len()?),
            None => ask(&self.handle, methods::LEN, Argument::new)?.decode(),
        }
    }

    /// Whether there are no keys.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len()? == 0)
    }

    /// Takes all keys out, some after the others.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn clear(&self) -> Result<(), Error> {
        match self.as_map()? {
            Some(map) => Ok(map.clear()?),
            None => ask(&self.handle, methods::CLEAR, Argument::new).map(drop),
        }
    }

    /// The value of a key, which is set to this one if there was none.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    #[doc(alias = "setdefault")]
    pub fn get_or_insert(&self, key: &K, new: &V) -> Result<V, Error> {
        match self.as_map()? {
            Some(map) => Ok(map.alter(*key, |old| old.or(Some(*new)))?.unwrap_or(*new)),
            None => {
                value(ask(&self.handle, methods::GET_OR_INSERT, || of_entry(key, new))?.bytes())
            }
        }
    }

    /// Sets the value of a key, or takes it out, if it has the expected one, or none; whether it had.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn compare_and_set(
        &self,
        key: &K,
        expected: Option<&V>,
        new: Option<&V>,
    ) -> Result<bool, Error> {
        let Some(map) = self.as_map()? else {
            let argument = || {
                let argument = of_option(Argument::new().block(bytes_of(key)), expected, true);
                of_option(argument, new, false)
            };
            return ask(&self.handle, methods::COMPARE_AND_SET, argument)?.decode();
        };
        let mut is_as_expected = false;
        map.alter(*key, |old| {
            is_as_expected = match (&old, expected) {
                (Some(old), Some(expected)) => is_same(old, expected),
                (old, expected) => old.is_none() && expected.is_none(),
            };
            if is_as_expected { new.copied() } else { old }
        })?;
        Ok(is_as_expected)
    }

    /// Changes the value of a key by a function; returns what that returned.
    ///
    /// The function gets the value, if there is one, and the argument; what it returns is the new value, or that
    /// there is none. It runs in this process, and so may be any closure. Others that change a key near to
    /// this one wait for it, so it should be short; if it panics, nothing has changed. Who has no memory
    /// has it run again if another was faster.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn update<A: Clone>(
        &self,
        key: &K,
        function: impl Fn((Option<V>, A)) -> Option<V>,
        argument: &A,
    ) -> Result<Option<V>, Error> {
        let change = |old| function((old, argument.clone()));
        if let Some(map) = self.as_map()? {
            let mut new = None;
            map.alter(*key, |old| {
                new = change(old);
                new
            })?;
            return Ok(new);
        }
        loop {
            let old = self.get(key)?;
            let new = change(old);
            if self.compare_and_set(key, old.as_ref(), new.as_ref())? {
                return Ok(new);
            }
        }
    }

    /// Sets the values of many keys, one after the other.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert); what comes before it is set.
    pub fn extend<'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a K, &'a V)>,
    ) -> Result<(), Error> {
        if let Some(map) = self.as_map()? {
            let mut entries = entries.into_iter();
            return Ok(entries.try_for_each(|(key, value)| map.insert(*key, *value).map(drop))?);
        }
        let block = |argument: Argument, (key, value): (&K, &V)| {
            argument.block(bytes_of(key)).block(bytes_of(value))
        };
        let entries: Vec<(&K, &V)> = entries.into_iter().collect();
        let argument = || entries.iter().copied().fold(Argument::new(), block);
        ask(&self.handle, methods::EXTEND, argument).map(drop)
    }

    /// All keys with their values, in no order, each as it is when its turn comes: what is there all the time
    /// comes once.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V), Error>> {
        all(self.as_map(), ShmMap::iter, |from| self.page(from))
    }

    /// All keys, in no order.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn keys(&self) -> Result<Vec<K>, Error> {
        self.iter().map(|entry| Ok(entry?.0)).collect()
    }

    /// A copy of the whole dict.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    #[doc(alias = "_getvalue")]
    pub fn to_vec(&self) -> Result<Vec<(K, V)>, Error> {
        self.iter().collect()
    }

    /// The entries in the slots from one on.
    fn page(&self, from: u64) -> Result<Page<(K, V)>, Error> {
        let got = ask(&self.handle, methods::PAGE, || Argument::new().flag(true).number(from))?;
        let mut reader = Reader::new(got.bytes());
        let next = reader.number()?;
        let mut items = VecDeque::new();
        while !reader.is_empty() {
            let (key, rest) = (reader.take(size_of::<K>())?, reader.take(size_of::<V>())?);
            items.push_back((value(key)?, value(rest)?));
        }
        Ok(Page { items, next: (next > from).then_some(next) })
    }
}

impl<'d, K, V> IntoIterator for &'d ShmDict<K, V>
where
    K: NoUninit + CheckedBitPattern,
    V: NoUninit + CheckedBitPattern,
{
    type Item = Result<(K, V), Error>;
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 'd>;

    /// [`ShmDict::iter`].
    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

fn of_key<K: NoUninit>(key: &K) -> Argument {
    Argument::new().raw(bytes_of(key))
}

fn of_entry<K: NoUninit, V: NoUninit>(key: &K, value: &V) -> Argument {
    Argument::new().block(bytes_of(key)).raw(bytes_of(value))
}

/// Appends a value that may be there, as a flag and a block, or, up to the end, its bytes.
fn of_option<V: NoUninit>(argument: Argument, value: Option<&V>, as_block: bool) -> Argument {
    let argument = argument.flag(value.is_some());
    match value.map(bytes_of) {
        Some(bytes) if as_block => argument.block(bytes),
        Some(bytes) => argument.raw(bytes),
        None => argument,
    }
}
