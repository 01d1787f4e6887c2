//! `ShmList<T>`: plain values in a row in shared memory.

use std::collections::VecDeque;

use shm_value::ShmVec;
use shm_value::bytemuck::{CheckedBitPattern, NoUninit, bytes_of};

use super::{Page, all, ask, is_same, option, value};
use crate::client::{Argument, Mapped};
use crate::error::Error;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::list as methods;
use crate::proxy::proxy;

proxy! {
    /// A list of plain data in shared memory, with room for so many items.
    ///
    /// It has methods of a [`List`](crate::List), and what is said of a [`ShmDict`](crate::ShmDict) is so here,
    /// too. What moves items (`pop_front`, `insert`, `remove`, `reverse`) is not there, since it would be no
    /// single step.
    ///
    /// # Process death
    ///
    /// Who dies while it changes the list has done so as it wanted, or not at all; else as a
    /// [`ShmDict`](crate::ShmDict).
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{Manager, ShmList};
    ///
    /// let manager = Manager::start()?;
    /// let track: ShmList<[f64; 2]> = manager.shm_list(100)?;
    /// track.push(&[1.0, 2.0])?;
    /// track.extend(&[[3.0, 4.0], [5.0, 6.0]])?;
    /// track.update(0, |([x, y], by)| [x + by, y + by], &0.5)?;
    /// assert_eq!(track.to_vec()?, [[1.5, 2.5], [3.0, 4.0], [5.0, 6.0]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ShmList<T>, "shm_list", items: Mapped<ShmVec<T>>
}

impl<T: NoUninit + CheckedBitPattern> ShmList<T> {
    /// The vector itself, if this process has its memory.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if it is one of another type.
    #[inline]
    pub fn as_vec(&self) -> Result<Option<&ShmVec<T>>, Error> {
        self.items.get(&self.handle)
    }

    /// The item at an index.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if somebody has written there what is no item. If the manager has to be called,
    /// [`Error`] says why there is no answer. So it is for all methods.
    #[inline]
    pub fn get(&self, index: usize) -> Result<Option<T>, Error> {
        match self.as_vec()? {
            Some(items) => Ok(items.get(index)?),
            None => option(ask(&self.handle, methods::GET, || at(index))?.bytes()),
        }
    }

    /// Sets the item at an index; returns the old one.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] if there is none. [`Error::WouldDeadlock`] in the function of an
    /// [`update`](Self::update) of the same list.
    pub fn set(&self, index: usize, item: &T) -> Result<T, Error> {
        let Some(items) = self.as_vec()? else {
            let argument = || at(index).raw(bytes_of(item));
            return value(ask(&self.handle, methods::SET, argument)?.bytes());
        };
        let mut replaced = *item;
        items.update(index, |old| std::mem::replace(&mut replaced, old))?;
        Ok(replaced)
    }

    /// Appends an item.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`]; and as [`set`](Self::set).
    #[doc(alias = "append")]
    pub fn push(&self, item: &T) -> Result<(), Error> {
        match self.as_vec()? {
            Some(items) => Ok(items.push(*item)?),
            None => {
                let argument = || Argument::new().raw(bytes_of(item));
                ask(&self.handle, methods::PUSH, argument).map(drop)
            }
        }
    }

    /// Takes the last item.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn pop(&self) -> Result<Option<T>, Error> {
        match self.as_vec()? {
            Some(items) => Ok(items.pop()?),
            None => option(ask(&self.handle, methods::POP, Argument::new)?.bytes()),
        }
    }

    /// How many items there are.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn len(&self) -> Result<usize, Error> {
        match self.as_vec()? {
            Some(items) => Ok(items.len()),
            None => ask(&self.handle, methods::LEN, Argument::new)?.decode(),
        }
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
    /// As [`set`](Self::set).
    pub fn clear(&self) -> Result<(), Error> {
        self.truncate(0)
    }

    /// Takes out all but the first items.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn truncate(&self, len: usize) -> Result<(), Error> {
        match self.as_vec()? {
            Some(items) => Ok(items.truncate(len)?),
            None => ask(&self.handle, methods::TRUNCATE, || at(len)).map(drop),
        }
    }

    /// Appends many items in one step.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] if there is not room for all of them; and as [`set`](Self::set).
    pub fn extend<'a>(&self, items: impl IntoIterator<Item = &'a T>) -> Result<(), Error>
    where
        T: 'a,
    {
        let more: Vec<T> = items.into_iter().copied().collect();
        match self.as_vec()? {
            Some(items) => Ok(items.extend_from_slice(&more)?),
            None => {
                let block = |argument: Argument, item: &T| argument.block(bytes_of(item));
                let argument = || more.iter().fold(Argument::new(), block);
                ask(&self.handle, methods::EXTEND, argument).map(drop)
            }
        }
    }

    /// Where the first item is whose bytes are those of this one.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    #[doc(alias = "index")]
    pub fn position(&self, item: &T) -> Result<Option<usize>, Error> {
        for (index, found) in self.iter().enumerate() {
            if is_same(&found?, item) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Sets the item at an index if it is the expected one; whether it was.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn compare_and_set(&self, index: usize, expected: &T, new: &T) -> Result<bool, Error> {
        let Some(items) = self.as_vec()? else {
            let argument = || at(index).block(bytes_of(expected)).raw(bytes_of(new));
            return ask(&self.handle, methods::COMPARE_AND_SET, argument)?.decode();
        };
        let mut is_as_expected = false;
        items.update(index, |old| {
            is_as_expected = is_same(&old, expected);
            if is_as_expected { *new } else { old }
        })?;
        Ok(is_as_expected)
    }

    /// Changes the item at an index by a function; returns the new one.
    ///
    /// As [`ShmDict::update`](crate::ShmDict::update).
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn update<A: Clone>(
        &self,
        index: usize,
        function: impl Fn((T, A)) -> T,
        argument: &A,
    ) -> Result<T, Error> {
        let change = |old| function((old, argument.clone()));
        if let Some(items) = self.as_vec()? {
            return Ok(items.update(index, change)?);
        }
        loop {
            let found = self.get(index)?;
            let Some(old) = found else {
                return Err(Error::OutOfRange { len: self.len()? as u64 });
            };
            let new = change(old);
            if self.compare_and_set(index, &old, &new)? {
                return Ok(new);
            }
        }
    }

    /// The items from an index on, so many at most.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn slice(&self, from: usize, most: usize) -> Result<Vec<T>, Error> {
        self.iter_from(from).take(most).collect()
    }

    /// All items, one after the other, each as it is when its turn comes.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, Error>> {
        self.iter_from(0)
    }

    /// A copy of the whole list: as it was at one moment, if this process has its memory.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn to_vec(&self) -> Result<Vec<T>, Error> {
        match self.as_vec()? {
            Some(items) => Ok(items.to_vec()?),
            None => self.iter().collect(),
        }
    }

    fn iter_from(&self, first: usize) -> impl Iterator<Item = Result<T, Error>> {
        let page = move |from: u64| self.page(from.max(first as u64));
        let items = self.as_vec();
        all(
            items,
            move |items| {
                (first..items.capacity()).map_while(move |index| items.get(index).transpose())
            },
            page,
        )
    }

    /// The items from an index on.
    fn page(&self, from: u64) -> Result<Page<T>, Error> {
        let argument = || Argument::new().number(from);
        let got = ask(&self.handle, methods::PAGE, argument)?;
        let mut reader = Reader::new(got.bytes());
        let len = reader.number()?;
        let mut items = VecDeque::new();
        while !reader.is_empty() {
            items.push_back(value(reader.take(size_of::<T>())?)?);
        }
        let next = from.saturating_add(items.len() as u64);
        Ok(Page { next: (from < next && next < len).then_some(next), items })
    }
}

impl<'l, T: NoUninit + CheckedBitPattern> IntoIterator for &'l ShmList<T> {
    type Item = Result<T, Error>;
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 'l>;

    /// [`ShmList::iter`].
    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

fn at(index: usize) -> Argument {
    Argument::new().number(index as u64)
}
