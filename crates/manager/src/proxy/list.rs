//! `List<T>`: values in a row that many share.

use std::collections::VecDeque;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::proxy;
use crate::batch::{Batch, Later};
use crate::client::Argument;
use crate::error::Error;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::list as methods;

proxy! {
    /// A list in a manager.
    ///
    /// Each method is one step for all. The manager keeps the items as bytes, and two are the same if they
    /// are encoded alike. Items may have proxies in them: a list in a list is there for all.
    ///
    /// # Process death
    ///
    /// Who dies while it calls has changed the list as it wanted, or not at all.
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{List, Manager};
    ///
    /// let manager = Manager::start()?;
    /// let words: List<String> = manager.list()?;
    /// words.push(&"one".into())?;
    /// words.extend(&["two".into(), "three".into()])?;
    /// assert_eq!(words.pop()?.as_deref(), Some("three"));
    /// assert_eq!(words.to_vec()?, ["one", "two"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    List<T>, "list"
}

impl<T: Serialize + DeserializeOwned> List<T> {
    /// The item at an index.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer; so it does for all methods.
    pub fn get(&self, index: usize) -> Result<Option<T>, Error> {
        self.handle.call(methods::GET, at(index))?.decode()
    }

    /// Sets the item at an index; returns the old one.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] if there is none.
    pub fn set(&self, index: usize, item: &T) -> Result<T, Error> {
        let argument = at(index).value(self.handle.server(), item)?;
        self.handle.call(methods::SET, argument)?.decode()
    }

    /// Appends an item.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    #[doc(alias = "append")]
    pub fn push(&self, item: &T) -> Result<(), Error> {
        self.handle.call(methods::PUSH, self.item(item)?).map(drop)
    }

    /// Takes the last item.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn pop(&self) -> Result<Option<T>, Error> {
        self.handle.call(methods::POP, Argument::new().flag(false))?.decode()
    }

    /// Takes the first item.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn pop_front(&self) -> Result<Option<T>, Error> {
        self.handle.call(methods::POP, Argument::new().flag(true))?.decode()
    }

    /// Puts an item in before an index, or at the end.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] if the index is greater than the length.
    pub fn insert(&self, index: usize, item: &T) -> Result<(), Error> {
        let argument = at(index).value(self.handle.server(), item)?;
        self.handle.call(methods::INSERT, argument).map(drop)
    }

    /// Takes the item at an index.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] if there is none.
    pub fn remove(&self, index: usize) -> Result<T, Error> {
        self.handle.call(methods::REMOVE, at(index))?.decode()
    }

    /// How many items there are.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn len(&self) -> Result<usize, Error> {
        self.handle.call(methods::LEN, Argument::new())?.decode()
    }

    /// Whether there are no items.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len()? == 0)
    }

    /// Takes all items out.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn clear(&self) -> Result<(), Error> {
        self.handle.call(methods::CLEAR, Argument::new()).map(drop)
    }

    /// Takes out all but the first items.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn truncate(&self, len: usize) -> Result<(), Error> {
        self.handle.call(methods::TRUNCATE, at(len)).map(drop)
    }

    /// Turns the order round.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn reverse(&self) -> Result<(), Error> {
        self.handle.call(methods::REVERSE, Argument::new()).map(drop)
    }

    /// Appends many items in one step.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`Error::Refused`] if there is a proxy in an item.
    pub fn extend<'a>(&self, items: impl IntoIterator<Item = &'a T>) -> Result<(), Error>
    where
        T: 'a,
    {
        let mut argument = Argument::new();
        for item in items {
            argument = argument.value_block(self.handle.server(), item)?;
        }
        argument.without_proxies()?;
        self.handle.call(methods::EXTEND, argument).map(drop)
    }

    /// Where the first item is that is encoded like this one.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    #[doc(alias = "index")]
    pub fn position(&self, item: &T) -> Result<Option<usize>, Error> {
        self.handle.call(methods::FIND, Argument::new().key(item)?)?.decode()
    }

    /// Sets the item at an index if it is the expected one; whether it was. Neither may have proxies in it.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] if there is none.
    pub fn compare_and_set(&self, index: usize, expected: &T, new: &T) -> Result<bool, Error> {
        let argument = at(index).key_block(expected)?.key(new)?;
        self.handle.call(methods::COMPARE_AND_SET, argument)?.decode()
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
        let call = Argument::new().function(function)?.number(index as u64).key(argument)?;
        self.handle.call(methods::UPDATE, call)?.decode()
    }

    /// The items from an index on, so many at most, in one step.
    ///
    /// There may be fewer if they are long; see [`iter`](Self::iter) for all.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn slice(&self, from: usize, most: usize) -> Result<Vec<T>, Error> {
        self.page(from, most).map(|(items, _)| items)
    }

    /// All items.
    ///
    /// They come in pages of 64 KiB, by their indices, between which the list may change: if items are put in or
    /// taken out before the next page, as many come twice or not at all there. A list that fits into a page, or
    /// to which others only append, comes as it is. Where that is not enough, a [`Lock`](crate::Lock) keeps
    /// others from it.
    #[must_use]
    pub fn iter(&self) -> ListIter<T> {
        ListIter { list: self.clone(), page: VecDeque::new(), next: Some(0) }
    }

    /// A copy of the whole list.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn to_vec(&self) -> Result<Vec<T>, Error> {
        self.iter().collect()
    }

    /// [`push`](Self::push), as a part of a batch.
    ///
    /// # Errors
    ///
    /// If the item cannot be encoded.
    pub fn push_in(&self, batch: &mut Batch, item: &T) -> Result<Later<()>, Error> {
        batch.add(&self.handle, methods::PUSH, self.item(item)?)
    }

    /// [`get`](Self::get), as a part of a batch.
    ///
    /// # Errors
    ///
    /// If the manager cannot be reached.
    pub fn get_in(&self, batch: &mut Batch, index: usize) -> Result<Later<Option<T>>, Error> {
        batch.add(&self.handle, methods::GET, at(index))
    }

    fn item(&self, item: &T) -> Result<Argument, Error> {
        Argument::new().value(self.handle.server(), item)
    }

    /// Items from an index on, and whether there are more behind them.
    fn page(&self, from: usize, most: usize) -> Result<(Vec<T>, bool), Error> {
        let argument = at(from).number(most as u64);
        let got = self.handle.call(methods::PAGE, argument)?;
        let mut reader = Reader::new(got.bytes());
        let len = reader.count()?;
        let at = got.bytes().len() - reader.rest().len();
        let items: Vec<T> = got.decode_from(at)?;
        let is_more = from.saturating_add(items.len()) < len && !items.is_empty();
        Ok((items, is_more))
    }
}

fn at(index: usize) -> Argument {
    Argument::new().number(index as u64)
}

/// All items of a [`List`].
#[derive(Debug)]
pub struct ListIter<T> {
    list: List<T>,
    page: VecDeque<T>,
    /// Where the next page begins.
    next: Option<usize>,
}

impl<T: Serialize + DeserializeOwned> Iterator for ListIter<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.page.pop_front() {
                return Some(Ok(item));
            }
            let from = self.next.take()?;
            match self.list.page(from, usize::MAX) {
                Ok((items, is_more)) => {
                    self.next = is_more.then_some(from + items.len());
                    self.page = items.into();
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
