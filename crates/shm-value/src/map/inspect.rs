//! What can be said of a map in another process's segment.

use ipc_core::SegmentError;
use ipc_core::inspect::{Description, View};
use ipc_sync::inspect::describe_lock;

use super::{FIRST, MOST_SHARDS, SHARDS, SLOTS};
use crate::inspect::word;
use crate::place::Place;
use crate::plain::WORD;

/// So many shards are looked at: of more, the number of keys is not told.
const MOST_LOOKS: usize = 1024;

/// Adds up what the shards say; each is read by itself, and nothing of the tables.
pub(crate) fn describe(view: &View) -> Result<Description, SegmentError> {
    let words = view.copy(0, FIRST)?;
    let [shards, slots] = [SHARDS, SLOTS].map(|idx| word(&words, idx * WORD));
    let (shards, slots) = (shards?, slots?);
    let n_shards = usize::try_from(shards).ok().filter(|n| (1..=MOST_SHARDS).contains(n));
    let n_shards = n_shards.ok_or(SegmentError::NotASegment)?;
    let capacity = Some(shards.saturating_mul(slots));
    let whole = Description { capacity, ..Description::of("ShmMap") };
    if n_shards > MOST_LOOKS {
        return Ok(whole);
    }
    let stride = view.extent().body.saturating_sub(FIRST) / n_shards;
    let (mut depth, mut holders, mut has_waiters) = (0_u64, Vec::new(), false);
    for shard in 0..n_shards {
        let at = FIRST + shard * stride;
        let copy = view.copy(at, Place::size(1))?;
        let lock = describe_lock("ShmMap", &copy, at)?;
        depth = depth.saturating_add(word(&copy, at + Place::size(0))?);
        holders.extend(lock.holders);
        has_waiters |= lock.has_waiters == Some(true);
    }
    Ok(Description { depth: Some(depth), holders, has_waiters: Some(has_waiters), ..whole })
}
