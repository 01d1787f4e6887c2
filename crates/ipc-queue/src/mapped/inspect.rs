//! What can be said of a queue in another process's segment.
//!
//! Only the words before the slots are looked at, and the sums of the heap behind them; no message is.

use ipc_core::SegmentError;
use ipc_core::inspect::{Description, Snapshot, View};
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{Alive, Life};

use super::KIND;
use super::places::{Places, Shape, ShapeWords};
use crate::heap::HeapWords;
use crate::ring::bells::Bells;
use crate::ring::position::PositionWord;

/// Describes a queue; `None` if something else lies in the segment.
///
/// # Errors
///
/// [`SegmentError::NotASegment`] if its shape is none, [`SegmentError::OutOfBounds`] if the segment is too
/// short for it, and as [`View::copy`].
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use ipc_core::inspect::View;
/// use ipc_queue::{Queue, inspect};
///
/// let jobs = Queue::<u32>::bounded(8)?;
/// jobs.put(7)?;
/// let view = View::open(jobs.segment().as_fd().try_clone_to_owned()?)?;
/// let seen = inspect::describe(&view)?.unwrap();
/// assert_eq!((seen.what, seen.depth, seen.capacity), ("Queue", Some(1), Some(8)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn describe(view: &View) -> Result<Option<Description>, SegmentError> {
    if view.kind() != KIND {
        return Ok(None);
    }
    let first = view.copy(0, size_of::<ShapeWords>())?;
    let shape = first.at::<ShapeWords>(0)?.read().check();
    let shape = shape.map_err(|_| SegmentError::NotASegment)?;
    let places = Places::of(shape);
    let words = view.copy(0, places.slots)?;
    let heap = view.copy(places.heap, size_of::<HeapWords>())?;
    let heap: &HeapWords = heap.at(places.heap)?;
    let lives: &[Life] = words.slice_at(places.lives, usize::from(shape.n_seats))?;
    let bells: &Bells = words.at(places.bells)?;
    let retired = words.at::<AtomicU64>(places.retired)?.load(Relaxed);
    let waiting = [&bells.items, &bells.space, &bells.memory, &bells.joins];
    let seen = Description {
        depth: Some(depth(&words, shape, &places)?),
        capacity: Some(shape.capacity().into()),
        holders: lives.iter().filter_map(living).collect(),
        has_waiters: Some(waiting.iter().any(|bell| bell.is_waiting())),
        deaths: Some(retired.saturating_add(heap.recovered.load(Relaxed))),
        ..Description::of(if shape.is_joinable { "JoinableQueue" } else { "Queue" })
    };
    let has_dead = lives.iter().any(|life| life.alive() == Alive::Died);
    Ok(Some(
        seen.remark(bells.alarm.is_closed(), "closed")
            .remark(bells.items.is_waiting(), "getters wait")
            .remark(bells.space.is_waiting() || bells.memory.is_waiting(), "putters wait")
            .remark(has_dead, "user died"),
    ))
}

/// How many messages lie between head and tail, which may be anything.
fn depth(words: &Snapshot, shape: Shape, places: &Places) -> Result<u64, SegmentError> {
    let [tail, head] = [places.tail, places.head].map(|at| words.at::<PositionWord>(at));
    let between = tail?.look().messages_since(head?.look());
    // A tail that lags behind the head counts as the head.
    Ok(u64::try_from(between).unwrap_or(0).min(shape.n_slots.into()))
}

fn living(life: &Life) -> Option<u32> {
    if let Alive::Yes(tid) = life.alive() { Some(tid) } else { None }
}
