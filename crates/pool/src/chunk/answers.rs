//! What comes back of a chunk: a list of what came of each item that was done, in their order.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use ipc_core::wire::{self, Bytes, Handle};
use proc_core::{PanicInfo, Refusal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::list::{List, Value};
use super::pieces::Kind;
use super::words::{Found, Row};
use crate::error::TaskError;
use crate::planted::chunk::TOLD_TWICE;

/// What a worker sends for a chunk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sent {
    row: Row,
    list: Bytes<'static>,
    /// Those of the last item, if its result has some.
    handles: Vec<Handle>,
}

/// What was answered for items that follow one another.
#[derive(Debug)]
pub(crate) struct Answers {
    /// How many items that are.
    n_items: usize,
    row: Row,
    list: Vec<u8>,
    /// So many bytes were taken off the list.
    at: usize,
    handles: Vec<OwnedFd>,
}

/// The results of items that follow one another, as they are decoded.
#[derive(Debug)]
pub(crate) struct Results<R> {
    answers: Answers,
    result: PhantomData<fn() -> R>,
}

impl Sent {
    pub(crate) fn new(row: Row, list: Vec<u8>, handles: Vec<OwnedFd>) -> Self {
        let handles = handles.into_iter().map(Handle::from).collect();
        Self { row, list: Bytes(Cow::Owned(list)), handles }
    }

    /// Of so many items.
    pub(crate) fn into_answers(self, n_items: usize) -> Answers {
        let handles = self.handles.into_iter().map(OwnedFd::from).collect();
        Answers { n_items, row: self.row, list: self.list.0.into_owned(), at: 0, handles }
    }
}

impl Answers {
    /// What lay on the tray of a worker that died.
    pub(crate) fn of_tray(n_items: usize, found: Found) -> Self {
        Self { n_items, row: found.row, list: found.bytes, at: 0, handles: Vec::new() }
    }

    pub(crate) fn n_items(&self) -> usize {
        self.n_items
    }

    /// Without the first ones, which were told before.
    pub(crate) fn skip(mut self, n_told: usize) -> Self {
        let n_told = if TOLD_TWICE { 0 } else { n_told };
        let mut rest = self.rest();
        rest.skip(n_told);
        self.go_to(rest.row(), rest.bytes().len());
        self.n_items = self.n_items.saturating_sub(n_told);
        self
    }

    pub(crate) fn into_results<R: DeserializeOwned>(self) -> Results<R> {
        Results { answers: self, result: PhantomData }
    }

    /// What was not taken yet.
    #[inline]
    fn rest(&self) -> List<'_> {
        List::new(self.row, self.list.get(self.at..).unwrap_or_default())
    }

    /// All is taken but so much.
    #[inline]
    fn go_to(&mut self, row: Row, n_bytes: usize) {
        (self.row, self.at) = (row, self.list.len() - n_bytes);
    }
}

impl<R: DeserializeOwned> Results<R> {
    /// Appends results to a list, as far as one item after the other has one.
    ///
    /// That is what most do. It is quicker than to take them one by one: the error that an item may have is
    /// much larger than most results, and is not carried along here.
    pub(crate) fn append_to(&mut self, list: &mut Vec<R>) {
        if !self.answers.handles.is_empty() {
            return;
        }
        let mut n_left = self.answers.n_items;
        let mut rest = self.answers.rest();
        list.reserve(n_left.min(rest.row().n_words.into()));
        n_left -= rest.take_words(n_left, |sort, word| {
            wire::decode_word(sort, word).map(|value| list.push(value)).is_ok()
        });
        while n_left > 0 {
            let mut next = rest;
            let Some(Value::Piece(Kind::Value, bytes)) = next.take() else { break };
            let Ok(value) = wire::decode_plain(bytes) else { break };
            list.push(value);
            rest = next;
            n_left -= 1;
        }
        let (row, n_bytes) = (rest.row(), rest.bytes().len());
        self.answers.go_to(row, n_bytes);
        self.answers.n_items = n_left;
    }
}

impl<R: DeserializeOwned> Iterator for Results<R> {
    type Item = Result<R, TaskError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Answers { n_items, row, list, at, handles } = &mut self.answers;
        *n_items = n_items.checked_sub(1)?;
        let mut rest = List::new(*row, list.get(*at..).unwrap_or_default());
        let value = rest.take();
        (*row, *at) = (rest.row(), list.len() - rest.bytes().len());
        Some(match value {
            Some(Value::Word(sort, word)) => {
                wire::decode_word(sort, word).map_err(TaskError::Decode)
            }
            Some(Value::Piece(Kind::Value, bytes)) if handles.is_empty() => {
                wire::decode_plain(bytes).map_err(TaskError::Decode)
            }
            Some(Value::Piece(kind, bytes)) => {
                special(kind, bytes, handles, rest.bytes().is_empty())
            }
            None => Err(TaskError::Lost("the answer is shorter than it says".to_owned())),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.answers.n_items, Some(self.answers.n_items))
    }
}

/// What is told of an item that is not as most are.
#[cold]
fn special<R: DeserializeOwned>(
    kind: Kind,
    bytes: &[u8],
    handles: &mut Vec<OwnedFd>,
    is_last: bool,
) -> Result<R, TaskError> {
    match kind {
        Kind::Value if is_last => {
            wire::decode_parts(bytes, std::mem::take(handles)).map_err(TaskError::Decode)
        }
        Kind::Value => wire::decode_plain(bytes).map_err(TaskError::Decode),
        Kind::Panicked => {
            let panic = wire::decode_plain::<PanicInfo>(bytes).map_err(TaskError::Decode)?;
            Err(TaskError::Panicked(panic))
        }
        Kind::Unsendable => {
            let reason = wire::decode_plain::<String>(bytes).map_err(TaskError::Decode)?;
            Err(TaskError::Unsendable(reason))
        }
        Kind::Refused => {
            let refusal = wire::decode_plain::<Refusal>(bytes).map_err(TaskError::Decode)?;
            Err(TaskError::Refused(refusal))
        }
    }
}
