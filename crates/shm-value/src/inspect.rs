//! What can be said of shared values in other processes' segments, from outside.
//!
//! The words are copied ([`ipc_core::inspect`]), and looked at by the code that looks at them in place.
//! The values themselves are not told: only who made them knows their types.

use ipc_core::SegmentError;
use ipc_core::inspect::{Description, Snapshot, View};
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_sync::inspect::describe_lock;

use crate::place::Place;
use crate::{array, list, map, memory, value, vec};

/// Describes a value, list, map or array that lies alone in its segment; `None` if something else does.
///
/// # Errors
///
/// [`SegmentError::OutOfBounds`] if the segment is too short for it, and as [`View::copy`].
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use ipc_core::inspect::View;
/// use shm_value::{ShmVec, inspect};
///
/// let track = ShmVec::with_capacity(8)?;
/// track.push([1.0, 2.0])?;
/// let view = View::open(track.segment().as_fd().try_clone_to_owned()?)?;
/// let seen = inspect::describe(&view)?.unwrap();
/// assert_eq!((seen.what, seen.depth, seen.capacity), ("ShmVec", Some(1), Some(8)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn describe(view: &View) -> Result<Option<Description>, SegmentError> {
    let kind = view.kind();
    let description = if kind == value::KIND {
        turns("Value", &view.copy(0, Place::size(0))?)?
    } else if kind == list::KIND {
        let words = view.copy(0, Place::size(1))?;
        let items = word(&words, Place::size(0))?;
        Description { depth: Some(items), capacity: Some(items), ..turns("ShareableList", &words)? }
    } else if kind == vec::KIND {
        let words = view.copy(0, Place::size(vec::ITEMS))?;
        let [len, capacity] = [vec::LEN, vec::CAPACITY].map(|idx| word(&words, Place::size(idx)));
        Description { depth: Some(len?), capacity: Some(capacity?), ..turns("ShmVec", &words)? }
    } else if kind == map::KIND {
        map::describe(view)?
    } else if kind == array::KIND {
        let words = view.copy(0, size_of::<u64>())?;
        Description { capacity: Some(word(&words, 0)?), ..Description::of("Array") }
    } else if kind == array::RAW_KIND {
        Description::of("RawArray")
    } else if kind == value::RAW_KIND {
        Description::of("RawValue")
    } else if kind == memory::KIND {
        Description::of("SharedMemory")
    } else {
        return Ok(None);
    };
    Ok(Some(description))
}

/// Describes what is changed in turns, by the line of its lock.
fn turns(what: &'static str, words: &Snapshot) -> Result<Description, SegmentError> {
    let seen = describe_lock(what, words, 0)?;
    // That the lock can be held once by one is no news here.
    Ok(Description { depth: None, capacity: None, ..seen })
}

/// A word of a snapshot.
pub(crate) fn word(words: &Snapshot, offset: usize) -> Result<u64, SegmentError> {
    Ok(words.at::<AtomicU64>(offset)?.load(Relaxed))
}
