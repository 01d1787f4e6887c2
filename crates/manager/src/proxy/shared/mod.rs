//! Dicts and lists in shared memory, as programs have them: in the memory where it can be had, and by calls where
//! not.

mod dict;
mod list;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{Deadline, Segment, SegmentError};
use shm_value::bytemuck::checked::try_pod_read_unaligned;
use shm_value::bytemuck::{CheckedBitPattern, NoUninit, bytes_of};
use shm_value::{AccessError, ChangeError, ShmMap, ShmVec};

use crate::client::{Argument, Got, Handle, InMemory};
use crate::error::Error;
use crate::protocol::Fault;
use crate::remote::poll_until;

pub use dict::ShmDict;
pub use list::ShmList;

impl<K, V> InMemory for ShmMap<K, V>
where
    K: NoUninit + CheckedBitPattern,
    V: NoUninit + CheckedBitPattern,
{
    fn open(memory: &Segment) -> Result<Self, SegmentError> {
        Self::open(memory)
    }
}

impl<T: NoUninit + CheckedBitPattern> InMemory for ShmVec<T> {
    fn open(memory: &Segment) -> Result<Self, SegmentError> {
        Self::open(memory)
    }
}

/// Somebody who changes something has done so after so long, mostly.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Calls a method of the server, which does not wait for its turn in the memory: again, until it has it.
fn ask(handle: &Arc<Handle>, method: u64, argument: impl Fn() -> Argument) -> Result<Got, Error> {
    let mut pause = FIRST_PAUSE;
    loop {
        match handle.call(method, argument()) {
            Err(Error::WouldBlock) => {}
            answer => return answer,
        }
        // Nothing is waited for but the time.
        poll_until(&mut [], Deadline::after(pause))?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The value in some bytes.
fn value<T: CheckedBitPattern>(bytes: &[u8]) -> Result<T, Error> {
    if bytes.len() == size_of::<T>() {
        try_pod_read_unaligned(bytes).map_err(|_| Error::Corrupt)
    } else {
        Err(Error::Malformed)
    }
}

/// The value in some bytes, if there is one.
fn option<T: CheckedBitPattern>(bytes: &[u8]) -> Result<Option<T>, Error> {
    match bytes.split_first().ok_or(Error::Malformed)? {
        (0, []) => Ok(None),
        (_, bytes) => value(bytes).map(Some),
    }
}

/// Some of what there is.
struct Page<T> {
    items: VecDeque<T>,
    /// Where the next page begins, if there is one.
    next: Option<u64>,
}

/// All that there is: here, or page by page from the server.
fn all<'m, M, T, I>(
    found: Result<Option<&'m M>, Error>,
    here: impl FnOnce(&'m M) -> I,
    mut page: impl FnMut(u64) -> Result<Page<T>, Error>,
) -> impl Iterator<Item = Result<T, Error>>
where
    I: Iterator<Item = Result<T, AccessError>>,
{
    let (here, first, error) = match found {
        Ok(Some(memory)) => (Some(here(memory)), None, None),
        Ok(None) => (None, Some(0), None),
        Err(error) => (None, None, Some(Err(error))),
    };
    let mut now = Page { items: VecDeque::new(), next: first };
    let elsewhere = std::iter::from_fn(move || {
        loop {
            if let Some(item) = now.items.pop_front() {
                return Some(Ok(item));
            }
            match page(now.next.take()?) {
                Ok(next) => now = next,
                Err(error) => return Some(Err(error)),
            }
        }
    });
    let here = here.into_iter().flatten().map(|item| Ok(item?));
    here.chain(elsewhere).chain(error)
}

/// Whether two are the same: if their bytes are.
fn is_same<T: NoUninit>(one: &T, other: &T) -> bool {
    bytes_of(one) == bytes_of(other)
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Self {
        Fault::from(error).into()
    }
}

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Self {
        Fault::from(error).into()
    }
}
