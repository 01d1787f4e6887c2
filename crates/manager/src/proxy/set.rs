//! `Set<T>`: values, each once, that many share.

use std::borrow::Borrow;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Dict, Inner as _, SetIter, proxy};
use crate::error::Error;

proxy! {
    /// A set in a manager, in the order in which its items came.
    ///
    /// Two items are the same if they are encoded alike, as with the keys of a [`Dict`].
    ///
    /// # Process death
    ///
    /// As with a [`Dict`].
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{Manager, Set};
    ///
    /// let manager = Manager::start()?;
    /// let seen: Set<String> = manager.set()?;
    /// assert!(seen.insert("a")?);
    /// assert!(!seen.insert("a")?);
    /// assert_eq!(seen.to_vec()?, ["a"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Set<T>, "set"
}

impl<T: Serialize + DeserializeOwned> Set<T> {
    fn dict(&self) -> Dict<T, ()> {
        Dict::over(Arc::clone(&self.handle))
    }

    /// Puts an item in; whether it was not in it.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer; so it does for all methods.
    #[doc(alias = "add")]
    pub fn insert<Q>(&self, item: &Q) -> Result<bool, Error>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Ok(self.dict().insert(item, &())?.is_none())
    }

    /// Takes an item out; whether it was in it.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    #[doc(alias = "discard")]
    pub fn remove<Q>(&self, item: &Q) -> Result<bool, Error>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Ok(self.dict().remove(item)?.is_some())
    }

    /// Whether an item is in it.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn contains<Q>(&self, item: &Q) -> Result<bool, Error>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.dict().contains_key(item)
    }

    /// Takes the item that came last.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn pop(&self) -> Result<Option<T>, Error> {
        Ok(self.dict().pop()?.map(|(item, ())| item))
    }

    /// Puts many items in, in one step.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    #[doc(alias = "update")]
    pub fn extend<'a, Q>(&self, items: impl IntoIterator<Item = &'a Q>) -> Result<(), Error>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized + 'a,
    {
        self.dict().extend(items.into_iter().map(|item| (item, &())))
    }

    /// How many items there are.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn len(&self) -> Result<usize, Error> {
        self.dict().len()
    }

    /// Whether there are no items.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn is_empty(&self) -> Result<bool, Error> {
        self.dict().is_empty()
    }

    /// Takes all items out.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn clear(&self) -> Result<(), Error> {
        self.dict().clear()
    }

    /// All items, in the order in which they came.
    ///
    /// They come in pages, between which the set may change: what is there all the time comes once, what is put
    /// in meanwhile comes at the end, and what is taken out before its page is fetched does not come.
    #[must_use]
    pub fn iter(&self) -> SetIter<T> {
        SetIter(self.dict().iter())
    }

    /// All items, in the order in which they came, in one step for each page.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn to_vec(&self) -> Result<Vec<T>, Error> {
        self.dict().keys()
    }
}
