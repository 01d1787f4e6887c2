//! The iterators over results: as they come, and in the order of the items.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::Batch;
use crate::error::TaskError;

/// The results of [`Pool::imap_unordered`](crate::Pool::imap_unordered), as they come.
///
/// # Process death
///
/// An item whose worker dies has [`TaskError::WorkerDied`] as its result, or is done again; all others have
/// theirs.
#[must_use = "nothing is done before a result is asked for"]
pub struct ImapUnordered<'p, A, R, I> {
    batch: Batch<'p, A, R, I>,
}

impl<'p, A, R, I> ImapUnordered<'p, A, R, I> {
    pub(crate) fn new(batch: Batch<'p, A, R, I>) -> Self {
        Self { batch }
    }
}

impl<A, R, I> Iterator for ImapUnordered<'_, A, R, I>
where
    A: Serialize,
    R: Serialize + DeserializeOwned,
    I: Iterator<Item = A>,
{
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch.next_result(usize::MAX).map(|(_, result)| result)
    }
}

impl<A, R, I> FusedIterator for ImapUnordered<'_, A, R, I>
where
    A: Serialize,
    R: Serialize + DeserializeOwned,
    I: Iterator<Item = A>,
{
}

impl<A, R, I> fmt::Debug for ImapUnordered<'_, A, R, I> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("ImapUnordered");
        fields.field("under_way", &self.batch.n_away()).finish_non_exhaustive()
    }
}

/// The results of [`Pool::imap`](crate::Pool::imap), in the order of the items.
///
/// # Process death
///
/// As for [`ImapUnordered`].
#[must_use = "nothing is done before a result is asked for"]
pub struct Imap<'p, A, R, I> {
    batch: Batch<'p, A, R, I>,
    /// Those that came before their turn; the first is the next one's.
    early: VecDeque<Option<Result<R, TaskError>>>,
    /// How many were handed out.
    n_given: usize,
}

impl<'p, A, R, I> Imap<'p, A, R, I> {
    pub(crate) fn new(batch: Batch<'p, A, R, I>) -> Self {
        Self { batch, early: VecDeque::new(), n_given: 0 }
    }
}

impl<A, R, I> Iterator for Imap<'_, A, R, I>
where
    A: Serialize,
    R: Serialize + DeserializeOwned,
    I: Iterator<Item = A>,
{
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(Some(_)) = self.early.front() {
                self.n_given += 1;
                return self.early.pop_front().flatten();
            }
            // What waits for the next one counts as under way, so that a slow one among many quick
            // ones does not have all of the input gathered here.
            let most = self.n_given + 2 * self.batch.window().most;
            let (index, result) = self.batch.next_result(most)?;
            let at = index.saturating_sub(self.n_given);
            if self.early.len() <= at {
                self.early.resize_with(at + 1, || None);
            }
            if let Some(place) = self.early.get_mut(at) {
                *place = Some(result);
            }
        }
    }
}

impl<A, R, I> FusedIterator for Imap<'_, A, R, I>
where
    A: Serialize,
    R: Serialize + DeserializeOwned,
    I: Iterator<Item = A>,
{
}

impl<A, R, I> fmt::Debug for Imap<'_, A, R, I> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Imap");
        fields.field("under_way", &self.batch.n_away()).finish_non_exhaustive()
    }
}
