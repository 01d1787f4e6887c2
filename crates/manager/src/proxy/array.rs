//! `Array<T>`: so many values that many share.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Inner as _, List, proxy};
use crate::error::Error;

proxy! {
    /// An array in a manager: a [`List`] whose length does not change.
    ///
    /// # Process death
    ///
    /// As with a [`List`].
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::Manager;
    ///
    /// let manager = Manager::start()?;
    /// let sums = manager.array(&[1, 2, 3])?;
    /// sums.update(1, |(sum, more)| sum + more, &40)?;
    /// assert_eq!(sums.to_vec()?, [1, 42, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Array<T>, "array"
}

impl<T: Serialize + DeserializeOwned> Array<T> {
    fn list(&self) -> List<T> {
        List::over(Arc::clone(&self.handle))
    }

    /// The item at an index.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer; so it does for all methods.
    pub fn get(&self, index: usize) -> Result<Option<T>, Error> {
        self.list().get(index)
    }

    /// Sets the item at an index; returns the old one.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] if there is none.
    pub fn set(&self, index: usize, item: &T) -> Result<T, Error> {
        self.list().set(index, item)
    }

    /// How many items there are.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    #[expect(clippy::len_without_is_empty, reason = "its length is the caller's choice")]
    pub fn len(&self) -> Result<usize, Error> {
        self.list().len()
    }

    /// Sets the item at an index if it is the expected one; whether it was.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] if there is none.
    pub fn compare_and_set(&self, index: usize, expected: &T, new: &T) -> Result<bool, Error> {
        self.list().compare_and_set(index, expected, new)
    }

    /// Changes the item at an index by a function, which runs in the manager; returns the new one.
    ///
    /// As [`Dict::update`](crate::Dict::update).
    ///
    /// # Errors
    ///
    /// As there; [`Error::OutOfRange`] if there is no such item.
    pub fn update<A>(
        &self,
        index: usize,
        function: fn((T, A)) -> T,
        argument: &A,
    ) -> Result<T, Error>
    where
        A: Serialize + DeserializeOwned,
    {
        self.list().update(index, function, argument)
    }

    /// The items from an index on, so many at most; fewer if they are long.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn slice(&self, from: usize, most: usize) -> Result<Vec<T>, Error> {
        self.list().slice(from, most)
    }

    /// A copy of the whole array, which may change meanwhile if it is long.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn to_vec(&self) -> Result<Vec<T>, Error> {
        self.list().to_vec()
    }
}
