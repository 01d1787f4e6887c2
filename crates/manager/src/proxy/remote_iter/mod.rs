//! `RemoteIter<T>`: what an iterator in a manager yields.

#[cfg(feature = "tokio")]
mod tasks;

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::client::{Argument, Got, Handle};
use crate::error::Error;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::iterator as methods;

/// The items of an iterator that a method of an object has returned, and that stays in the manager.
///
/// It has items sent as it needs them: first one, and then ever more at a time, up to 256 of them or 64 KiB, or as
/// many as come within a millisecond. So the iterator in the manager may be that far ahead of what was taken here,
/// and may be endless; and an item may wait for the next of its batch, if that takes its time. Where
/// it should not, there is [`in_batches_of`](Self::in_batches_of).
///
/// The iterator is the caller's own: others that call the method have others, and the object is called by
/// everybody meanwhile. When this is dropped, so is the iterator.
///
/// If `next` panics in the manager, what came before is yielded, then [`Error::Panicked`], and then nothing. After
/// every other error, too, there is nothing more.
///
/// # Process death
///
/// When this process ends, its iterators are dropped in the manager. A child that it forks takes its
/// items out of the same iterator; what was sent here already, both have.
///
/// # Examples
///
/// ```
/// use manager::Manager;
///
/// /// Numbers that were drawn.
/// pub struct Draw(Vec<u32>);
///
/// #[manager::object]
/// impl Draw {
///     pub fn new(numbers: Vec<u32>) -> Self {
///         Self(numbers)
///     }
///
///     pub fn above(&self, least: u32) -> impl Iterator<Item = u32> + 'static {
///         self.0.clone().into_iter().filter(move |number| *number > least)
///     }
/// }
///
/// let manager = Manager::builder().register::<Draw>().start()?;
/// let draw = DrawProxy::new_in(&manager, vec![7, 49, 3, 21])?;
/// let found = draw.above(5)?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(found, [7, 49, 21]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the iterator in the manager is dropped with this one"]
pub struct RemoteIter<T> {
    /// None when it is over.
    handle: Option<Arc<Handle>>,
    /// What has come and was not taken.
    batch: VecDeque<T>,
    /// How many items are asked for next, and how many at most.
    next: u64,
    most: u64,
    /// A batch that a task has asked for and not waited for to the end.
    #[cfg(feature = "tokio")]
    pending: tasks::Pending,
}

/// More items are not asked for at a time, if nothing else is said.
const MOST: u64 = 256;

impl<T> RemoteIter<T> {
    pub(super) fn over(handle: Arc<Handle>) -> Self {
        Self {
            handle: Some(handle),
            batch: VecDeque::new(),
            next: 1,
            most: MOST,
            #[cfg(feature = "tokio")]
            pending: tasks::Pending::default(),
        }
    }

    /// Has so many items sent at a time at most, and one at least: with one, an item is sent when it is there, and
    /// the iterator in the manager is not ahead.
    pub fn in_batches_of(self, most: usize) -> Self {
        Self { most: (most as u64).max(1), ..self }
    }

    /// How many items are asked for now, as an argument.
    fn argument(&self) -> Argument {
        Argument::new().number(self.next.min(self.most))
    }

    /// The next batch, as it comes; none if it is over.
    fn fetch(&mut self) -> Option<Result<Got, Error>> {
        #[cfg(feature = "tokio")]
        if let Some(got) = self.pending.wait() {
            return Some(got);
        }
        let handle = self.handle.as_ref()?;
        Some(handle.call(methods::NEXT, self.argument()))
    }

    /// Puts a batch where it is taken from; it is over after the last, and after an error.
    fn take_in(&mut self, got: Result<Got, Error>) -> Result<(), Error>
    where
        T: DeserializeOwned,
    {
        let read = |got: Got| {
            let is_last = Reader::new(got.bytes()).byte()? != 0;
            Ok::<_, Error>((got.decode_from::<VecDeque<T>>(1)?, is_last))
        };
        let (batch, is_last) = got.and_then(read).inspect_err(|_| self.handle = None)?;
        self.batch = batch;
        self.next = self.next.saturating_mul(2);
        if is_last {
            self.handle = None;
        }
        Ok(())
    }
}

impl<T: DeserializeOwned> Iterator for RemoteIter<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.batch.pop_front() {
                return Some(Ok(item));
            }
            let got = self.fetch()?;
            if let Err(error) = self.take_in(got) {
                return Some(Err(error));
            }
        }
    }
}

impl<T: DeserializeOwned> FusedIterator for RemoteIter<T> {}

impl<T> fmt::Debug for RemoteIter<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("RemoteIter");
        let object = self.handle.as_ref().map(|handle| handle.object());
        debug.field("object", &object).field("n_here", &self.batch.len()).finish_non_exhaustive()
    }
}
