//! What comes back of a chunk: a piece for each item that was done, in their order.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use ipc_core::wire::{self, Bytes, Handle};
use proc_core::{PanicInfo, Refusal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::pieces::{self, Kind};
use crate::error::TaskError;
use crate::planted::chunk::TOLD_TWICE;

/// What a worker sends for a chunk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sent {
    pieces: Bytes<'static>,
    /// Those of the last item, if its result has some.
    handles: Vec<Handle>,
}

/// What was answered for items that follow one another.
#[derive(Debug)]
pub(crate) struct Answers {
    /// How many items that are.
    n_items: usize,
    pieces: Vec<u8>,
    handles: Vec<OwnedFd>,
}

/// The results of items that follow one another, as they are decoded.
#[derive(Debug)]
pub(crate) struct Results<R> {
    answers: Answers,
    /// So many bytes were taken.
    at: usize,
    result: PhantomData<fn() -> R>,
}

impl Sent {
    pub(super) fn new(pieces: Vec<u8>, handles: Vec<OwnedFd>) -> Self {
        let handles = handles.into_iter().map(Handle::from).collect();
        Self { pieces: Bytes(Cow::Owned(pieces)), handles }
    }

    /// Of so many items.
    pub(crate) fn into_answers(self, n_items: usize) -> Answers {
        let handles = self.handles.into_iter().map(OwnedFd::from).collect();
        Answers { n_items, pieces: self.pieces.0.into_owned(), handles }
    }
}

impl Answers {
    /// What lay on the tray of a worker that died.
    pub(crate) fn of_tray(n_items: usize, pieces: Vec<u8>) -> Self {
        Self { n_items, pieces, handles: Vec::new() }
    }

    pub(crate) fn n_items(&self) -> usize {
        self.n_items
    }

    /// Without the first ones, which were told before.
    pub(crate) fn skip(mut self, n_told: usize) -> Self {
        let n_told = if TOLD_TWICE { 0 } else { n_told };
        let mut rest = self.pieces.as_slice();
        for _ in 0..n_told {
            let _told = pieces::take(&mut rest);
        }
        let n_bytes = self.pieces.len() - rest.len();
        drop(self.pieces.drain(..n_bytes));
        self.n_items = self.n_items.saturating_sub(n_told);
        self
    }

    pub(crate) fn into_results<R: DeserializeOwned>(self) -> Results<R> {
        Results { answers: self, at: 0, result: PhantomData }
    }
}

impl<R: DeserializeOwned> Results<R> {
    /// Appends results to a list, as far as one item after the other has one.
    ///
    /// That is what most do. It is quicker than to take them one by one: the error that an item may have is
    /// much larger than most results, and is not carried along here.
    pub(crate) fn append_to(&mut self, list: &mut Vec<R>) {
        let Answers { n_items, pieces, handles } = &mut self.answers;
        if !handles.is_empty() {
            return;
        }
        let mut rest = pieces.get(self.at..).unwrap_or_default();
        while *n_items > 0 {
            let mut next = rest;
            let Some((Kind::Value, bytes)) = pieces::take(&mut next) else { break };
            let Ok(value) = wire::decode_plain(bytes) else { break };
            list.push(value);
            rest = next;
            *n_items -= 1;
        }
        self.at = pieces.len() - rest.len();
    }
}

impl<R: DeserializeOwned> Iterator for Results<R> {
    type Item = Result<R, TaskError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.answers.n_items = self.answers.n_items.checked_sub(1)?;
        let mut rest = self.answers.pieces.get(self.at..).unwrap_or_default();
        let before = rest.len();
        let piece = pieces::take(&mut rest);
        self.at += before - rest.len();
        Some(match piece {
            Some((Kind::Value, bytes)) if self.answers.handles.is_empty() => {
                wire::decode_plain(bytes).map_err(TaskError::Decode)
            }
            piece => special(piece, &mut self.answers.handles, rest.is_empty()),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.answers.n_items, Some(self.answers.n_items))
    }
}

/// What is told of an item that is not as most are.
#[cold]
fn special<R: DeserializeOwned>(
    piece: Option<(Kind, &[u8])>,
    handles: &mut Vec<OwnedFd>,
    is_last: bool,
) -> Result<R, TaskError> {
    let Some((kind, bytes)) = piece else {
        return Err(TaskError::Lost("the answer is shorter than it says".to_owned()));
    };
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
