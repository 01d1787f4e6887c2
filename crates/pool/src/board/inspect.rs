//! What can be said of a pool from outside, by its board.

use std::time::Duration;

use ipc_core::SegmentError;
use ipc_core::inspect::{Description, View};
use ipc_core::primitive::Ordering::Relaxed;

use super::words::{LEAVING, NOBODY, READY};
use super::{KIND, LINE_BYTES, Line, Moment};

/// A worker, as far as it tells.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its place in the pool.
    pub place: usize,
    /// Its process, by its number.
    pub pid: u32,
    /// The task that it is at, by the number of its handing-out, and for how long.
    pub task: Option<(u64, Duration)>,
}

/// Describes a pool; `None` if something else lies in the segment.
///
/// # Errors
///
/// As [`View::copy`].
pub fn describe(view: &View) -> Result<Option<Description>, SegmentError> {
    if view.kind() != KIND {
        return Ok(None);
    }
    let workers = workers(view)?;
    Ok(Some(Description {
        depth: Some(workers.iter().filter(|worker| worker.task.is_some()).count() as u64),
        capacity: Some((view.extent().body / LINE_BYTES) as u64),
        holders: workers.iter().map(|worker| worker.pid).collect(),
        ..Description::of("Pool")
    }))
}

/// The workers of a pool that have come to work; none if something else lies in the segment.
///
/// What a worker says stays on the board when it is dead, until another takes its place.
///
/// # Errors
///
/// As [`View::copy`].
pub fn workers(view: &View) -> Result<Vec<Seen>, SegmentError> {
    if view.kind() != KIND {
        return Ok(Vec::new());
    }
    let n_places = view.extent().body / LINE_BYTES;
    let copy = view.copy(0, n_places * LINE_BYTES)?;
    let lines: &[Line] = copy.slice_at(0, n_places)?;
    Ok(lines.iter().enumerate().filter_map(|(place, line)| see(place, line)).collect())
}

fn see(place: usize, [word, since, process, answered, ..]: &Line) -> Option<Seen> {
    let pid = u32::try_from(process.load(Relaxed)).ok()?;
    let task = match word.load(Relaxed) {
        NOBODY => return None,
        READY | LEAVING => None,
        ticket if ticket == answered.load(Relaxed) => None,
        ticket => Some((ticket, Moment(since.load(Relaxed)).elapsed())),
    };
    Some(Seen { place, pid, task })
}
