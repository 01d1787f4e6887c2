//! `Dict<K, V>`: keys and values that many share.

use std::borrow::Borrow;
use std::collections::VecDeque;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::proxy;
use crate::batch::{Batch, Later};
use crate::client::Argument;
use crate::error::Error;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::dict as methods;

proxy! {
    /// A dict in a manager, in the order in which its keys came.
    ///
    /// Each method is one step for all: nobody sees a part of it, and nothing is lost between two.
    ///
    /// The manager keeps keys and values as bytes and does not know their types. Two keys are the same if
    /// they are encoded alike: a `HashMap` makes no good key, since its order differs from time to time;
    /// `0.0` and `-0.0` are two keys, and a NaN is one. Keys contain no proxies. Values may: a dict in a
    /// dict is there for all, and what one changes in it the others see.
    ///
    /// # Process death
    ///
    /// Who dies while it calls has changed the dict as it wanted, or not at all. The commit point is the
    /// manager's; what is in the dict is the manager's, and ends with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{Dict, Manager};
    ///
    /// let manager = Manager::start()?;
    /// let ages: Dict<String, u32> = manager.dict()?;
    /// ages.insert("Ann", &40)?;
    /// // One step: no other change comes between.
    /// ages.update("Ann", |(age, years)| age.map(|age: u32| age + years), &2)?;
    /// assert_eq!(ages.get("Ann")?, Some(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Dict<K, V>, "dict"
}

impl<K, V> Dict<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// The value of a key.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer; so it does for all methods.
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.handle.call(methods::GET, Argument::new().key(key)?)?.decode()
    }

    /// Sets the value of a key; returns the old one.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn insert<Q>(&self, key: &Q, value: &V) -> Result<Option<V>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.handle.call(methods::INSERT, self.entry(key, value)?)?.decode()
    }

    /// Sets the value of a key, without asking for the old one.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn set<Q>(&self, key: &Q, value: &V) -> Result<(), Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.handle.call(methods::SET, self.entry(key, value)?).map(drop)
    }

    /// Takes a key out; returns its value.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn remove<Q>(&self, key: &Q) -> Result<Option<V>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.handle.call(methods::REMOVE, Argument::new().key(key)?)?.decode()
    }

    /// Whether there is such a key.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn contains_key<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.handle.call(methods::CONTAINS, Argument::new().key(key)?)?.decode()
    }

    /// How many keys there are.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn len(&self) -> Result<usize, Error> {
        self.handle.call(methods::LEN, Argument::new())?.decode()
    }

    /// Whether there are no keys.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len()? == 0)
    }

    /// Takes all keys out.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn clear(&self) -> Result<(), Error> {
        self.handle.call(methods::CLEAR, Argument::new()).map(drop)
    }

    /// The value of a key, which is set to this one if there was none.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    #[doc(alias = "setdefault")]
    pub fn get_or_insert<Q>(&self, key: &Q, value: &V) -> Result<V, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.handle.call(methods::GET_OR_INSERT, self.entry(key, value)?)?.decode()
    }

    /// Sets the value of a key, or takes it out, if it has the expected one, or none; whether it had.
    ///
    /// Values are the same if they are encoded alike. Neither may have proxies in it.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn compare_and_set<Q>(
        &self,
        key: &Q,
        expected: Option<&V>,
        new: Option<&V>,
    ) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let mut argument = Argument::new().key_block(key)?.flag(expected.is_some());
        if let Some(expected) = expected {
            argument = argument.key_block(expected)?;
        }
        argument = argument.flag(new.is_some());
        if let Some(new) = new {
            argument = argument.key(new)?;
        }
        self.handle.call(methods::COMPARE_AND_SET, argument)?.decode()
    }

    /// Changes the value of a key by a function, which runs in the manager; returns what it returned.
    ///
    /// The function gets the value, if there is one, and the argument, in which there are no proxies; what it returns is the new value,
    /// or that there is none. It is a function of this program, or a closure that captures nothing.
    /// Others that use the dict wait for it, so it should be short; if it panics, nothing has changed.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`Error::Panicked`]; [`Error::Refused`] if the manager runs another program, or
    /// there are proxies in the value.
    pub fn update<Q, A>(
        &self,
        key: &Q,
        function: fn((Option<V>, A)) -> Option<V>,
        argument: &A,
    ) -> Result<Option<V>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        A: Serialize + DeserializeOwned,
    {
        let call = Argument::new().function(function)?.key_block(key)?.key(argument)?;
        self.handle.call(methods::UPDATE, call)?.decode()
    }

    /// Takes out the key that came last, with its value.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    #[doc(alias = "popitem")]
    pub fn pop(&self) -> Result<Option<(K, V)>, Error> {
        self.handle.call(methods::POP, Argument::new())?.decode()
    }

    /// Sets the values of many keys in one step, later ones over earlier ones.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`Error::Refused`] if there is a proxy in a value.
    pub fn extend<'a, Q>(
        &self,
        entries: impl IntoIterator<Item = (&'a Q, &'a V)>,
    ) -> Result<(), Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'a,
        V: 'a,
    {
        let mut argument = Argument::new();
        for (key, value) in entries {
            argument = argument.key_block(key)?.value_block(self.handle.server(), value)?;
        }
        argument.without_proxies()?;
        self.handle.call(methods::EXTEND, argument).map(drop)
    }

    /// All keys with their values, in the order in which the keys came.
    ///
    /// They come in pages, between which the dict may change: what is there all the time comes once, with the
    /// value that it has when its page is fetched. What is put in meanwhile comes at the end, and what is taken
    /// out before its page is fetched does not come.
    #[must_use]
    pub fn iter(&self) -> DictIter<K, V> {
        let page = VecDeque::new();
        DictIter { dict: self.clone(), page, next: Some(0) }
    }

    /// All keys, in the order in which they came, in one step for each page.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn keys(&self) -> Result<Vec<K>, Error> {
        let (mut keys, mut after) = (Vec::new(), Some(0));
        while let Some(place) = after {
            let page: Vec<K>;
            (page, after) = self.page(place, false)?;
            keys.extend(page);
        }
        Ok(keys)
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

    /// [`get`](Self::get), as a part of a batch.
    ///
    /// # Errors
    ///
    /// If the key cannot be encoded.
    pub fn get_in<Q>(&self, batch: &mut Batch, key: &Q) -> Result<Later<Option<V>>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        batch.add(&self.handle, methods::GET, Argument::new().key(key)?)
    }

    /// [`set`](Self::set), as a part of a batch.
    ///
    /// # Errors
    ///
    /// If the key or the value cannot be encoded.
    pub fn set_in<Q>(&self, batch: &mut Batch, key: &Q, value: &V) -> Result<Later<()>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        batch.add(&self.handle, methods::SET, self.entry(key, value)?)
    }

    /// [`remove`](Self::remove), as a part of a batch.
    ///
    /// # Errors
    ///
    /// If the key cannot be encoded.
    pub fn remove_in<Q>(&self, batch: &mut Batch, key: &Q) -> Result<Later<Option<V>>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        batch.add(&self.handle, methods::REMOVE, Argument::new().key(key)?)
    }

    fn entry<Q>(&self, key: &Q, value: &V) -> Result<Argument, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Argument::new().key_block(key)?.value(self.handle.server(), value)
    }

    /// The entries behind a place, and where the next page begins, if there is one.
    fn page<T: DeserializeOwned>(
        &self,
        after: u64,
        with_values: bool,
    ) -> Result<(Vec<T>, Option<u64>), Error> {
        let argument = Argument::new().flag(with_values).number(after);
        let got = self.handle.call(methods::PAGE, argument)?;
        let mut reader = Reader::new(got.bytes());
        let next = reader.number()?;
        let at = got.bytes().len() - reader.rest().len();
        Ok((got.decode_from(at)?, (next > 0).then_some(next)))
    }
}

/// All keys of a [`Dict`] with their values.
#[derive(Debug)]
pub struct DictIter<K, V> {
    dict: Dict<K, V>,
    page: VecDeque<(K, V)>,
    /// Behind which place the next page begins.
    next: Option<u64>,
}

impl<K, V> Iterator for DictIter<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    type Item = Result<(K, V), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.page.pop_front() {
                return Some(Ok(entry));
            }
            match self.dict.page(self.next.take()?, true) {
                Ok((page, next)) => {
                    self.next = next;
                    self.page = page.into();
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
