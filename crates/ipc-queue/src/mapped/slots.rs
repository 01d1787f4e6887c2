//! The slots of a ring: in the body of the segment, or, if the ring grows, in its room.
//!
//! In the room there are addresses for all slots that there can be, and they are mapped at the open.
//! Memory is behind those that were *begun*; how many that are stands in one word.
//!
//! # Growing
//!
//! | step | if a process dies behind it |
//! |------|-----------------------------|
//! | asks the kernel for memory behind the slots that come next | nothing but that they have memory: who grows next asks for the same, which costs nothing |
//! | exchanges the number of begun slots for a greater one: the commit point | the ring has grown |
//!
//! Several may do it at once: the exchange of one of them succeeds. Nobody waits, and nobody needs to be
//! told: who finds a position reads the number after it. Slots are zeros at first, and free. A ring never
//! shrinks: what a slot's word holds must stay, for those who saw it and were outrun.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `grow` | `n_slots` | that so many slots have memory |
//!
//! # Safety
//!
//! Pointers are made here for slots of the private number of those that there can be, all of which
//! were mapped at the open.
#![expect(unsafe_code, reason = "a pointer into the slots, by an index that was checked")]

use std::ptr::NonNull;

use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::{Segment, SegmentError, Window};

use super::places::{Places, Shape};
use crate::ring::planted;

/// So many bytes of slots are begun at a time, or a chunk if that is more: a fraction of a
/// millisecond's work.
const BEGUN_AT_ONCE: usize = 1 << 20;

/// So many bytes the kernel is asked for in one call.
const BACKED_AT_ONCE: u64 = 16 << 20;

/// The slots, as this process has them mapped.
#[derive(Debug)]
pub(super) struct Slots {
    shape: Shape,
    start: NonNull<u8>,
    /// How many were begun, if the ring grows.
    begun: NonNull<AtomicU32>,
    /// Keeps the slots mapped that lie in the room.
    window: Option<Window>,
}

// SAFETY: the pointers lead to slots and to a word, which any thread may use as their owner does.
unsafe impl Send for Slots {}
// SAFETY: as above.
unsafe impl Sync for Slots {}

impl Slots {
    /// Gives the first slots of a ring that grows their memory.
    pub(super) fn begin(segment: &Segment, shape: Shape) -> Result<(), SegmentError> {
        if shape.grows() { back(segment, shape, 0, least(shape)) } else { Ok(()) }
    }

    /// Maps the slots. The caller keeps the segment.
    pub(super) fn open(
        segment: &Segment,
        shape: Shape,
        places: &Places,
    ) -> Result<Self, SegmentError> {
        let begun = NonNull::from_ref(segment.at(places.begun)?);
        if shape.grows() {
            let window = segment.window(shape.slots_in_room(), shape.slots_len())?;
            return Ok(Self { shape, start: window.bytes().cast(), begun, window: Some(window) });
        }
        let start = segment.bytes_at(places.slots, shape.slots_len())?.cast();
        Ok(Self { shape, start, begun, window: None })
    }

    /// How many slots have memory.
    #[inline]
    pub(super) fn n_slots(&self) -> u32 {
        if self.window.is_none() {
            return self.shape.n_slots;
        }
        // E1 acquire.
        self.known(self.begun().load(Acquire))
    }

    /// Begins more slots than `n_slots`, as long as there may be more: whether there are now.
    #[cold]
    pub(super) fn grow(&self, segment: &Segment, n_slots: u32) -> bool {
        let word = self.begun().load(Relaxed);
        let begun = self.known(word);
        if begun > n_slots {
            return true;
        }
        let at_once = BEGUN_AT_ONCE / (self.shape.slot_bytes as usize * self.shape.chunk as usize);
        let more = u32::try_from(at_once).unwrap_or(1).max(1) * self.shape.chunk;
        let next = begun.saturating_add(more).min(self.shape.n_slots);
        if planted::GROWS_EARLY {
            // E1 release.
            self.begun().compare_exchange(word, next, Release, Relaxed).ok();
        }
        if next == begun || back(segment, self.shape, begun, next).is_err() {
            return false;
        }
        // E1 release. If it fails, somebody else was at the same.
        self.begun().compare_exchange(word, next, Release, Relaxed).ok();
        true
    }

    /// Where a slot lies.
    #[inline]
    pub(super) fn at(&self, index: u32) -> NonNull<u8> {
        debug_assert!(index < self.shape.n_slots, "positions are checked when they are read");
        let offset = index as usize * self.shape.slot_bytes as usize;
        // SAFETY: the index is below the number of slots, all of which were mapped at the open.
        unsafe { self.start.add(offset) }
    }

    /// What the word means, whatever it says.
    fn known(&self, begun: u32) -> u32 {
        begun.clamp(least(self.shape), self.shape.n_slots)
    }

    #[inline]
    fn begun(&self) -> &AtomicU32 {
        // SAFETY: checked at the open, and mapped as long as the segment is kept, by our owner.
        unsafe { self.begun.as_ref() }
    }
}

/// With how many slots a ring begins that grows: two chunks.
fn least(shape: Shape) -> u32 {
    2 * shape.chunk
}

/// Puts memory behind the slots from one to another.
///
/// It is asked for bit by bit: for much at once the segment would read a file first, and an allocator
/// may use libc's robust mutexes, which clear what is pending.
fn back(segment: &Segment, shape: Shape, from: u32, to: u32) -> Result<(), SegmentError> {
    let start = shape.slots_in_room();
    let at = |slots: u32| start + u64::from(slots) * u64::from(shape.slot_bytes);
    let mut part = at(from)..at(to);
    while !part.is_empty() {
        let end = part.end.min(part.start + BACKED_AT_ONCE);
        segment.back_room(part.start..end)?;
        part.start = end;
    }
    Ok(())
}
