//! What a queue looks like, and where its words lie in the body of its segment.
//!
//! ```text
//! shape     what was asked for: written once, copied into private memory at the open
//! tail      on lines of its own
//! head      on lines of its own
//! bells     items, space, alarm, memory
//! counters  messages lost in the hands of the dead (8), slots that have memory if the ring grows (4)
//! seats     n_seats life words
//! notes     n_seats lines: what the threads in the seats have noted
//! slots     n_slots times slot_bytes: state (8), record (8), payload; if the ring grows, in the room
//! heap      its lock and sums, on lines of their own; then a line for each class of blocks
//! leases    what is counted of items that are kept until they are finished, on lines of its own
//! ```
//!
//! The words and bytes of blocks lie in the segment's room (`heap/geometry.rs`); behind them lie the
//! slots of a ring that grows.

#![expect(unsafe_code, reason = "says which structs may lie in shared memory")]

use ipc_core::primitive::{AtomicU32, AtomicU64, Ordering::Relaxed};
use ipc_core::robust::Life;
use ipc_core::{Extent, Layout, PAGE, Shared};

use crate::error::QueueError;
use crate::heap::block::Block;
use crate::heap::geometry::{Geometry, MOST_CLASSES};
use crate::heap::{ClassWords, HeapWords};
use crate::lease::LeaseWords;
use crate::participant::Notes;
use crate::ring::bells::Bells;
use crate::ring::position::{MAX_SLOTS, PositionWord};
use crate::ring::slot::{MOST_CHUNKS, Owner, SlotWord};

/// Lines that are fetched in pairs lie together, so words that are apart are two lines apart.
pub(super) const APART: usize = 128;

/// A slot begins with its word and its record.
pub(crate) const SLOT_HEADER: usize = 16;

/// A slot is a multiple of this long: not a line, so that a line that comes over brings several small
/// messages.
pub(crate) const SLOT_UNIT: usize = 16;

/// What was asked for of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// How many slots there are, or, if the ring grows, can be.
    pub(crate) n_slots: u32,
    /// How many slots make a chunk: all, or less if the ring grows.
    pub(crate) chunk: u32,
    pub(crate) slot_bytes: u32,
    pub(crate) n_seats: u16,
    /// How many bytes large messages may take together.
    pub(crate) max_bytes: u64,
    /// How many bytes keep their memory when nobody uses them.
    pub(crate) retain: u64,
    /// Whether what is put is kept until it is finished.
    pub(crate) is_joinable: bool,
}

impl Shape {
    /// Checks numbers that a caller gave, or that were read from shared memory.
    pub(crate) fn check(self) -> Result<Self, QueueError> {
        if self.n_slots == 0 || self.n_slots > MAX_SLOTS {
            return Err(QueueError::BadCapacity { most: MAX_SLOTS as usize });
        }
        let n_chunks = self.n_slots.checked_div(self.chunk).unwrap_or(0);
        if !(1..=MOST_CHUNKS).contains(&n_chunks) || n_chunks * self.chunk != self.n_slots {
            return Err(QueueError::BadCapacity { most: MAX_SLOTS as usize });
        }
        // A joinable queue has a block for each item, and so a bound.
        if self.is_joinable && self.grows() {
            return Err(QueueError::BadCapacity { most: MAX_SLOTS as usize });
        }
        let slot_bytes = self.slot_bytes as usize;
        if !slot_bytes.is_multiple_of(SLOT_UNIT) || slot_bytes == 0 || slot_bytes > 1 << 24 {
            return Err(QueueError::BadSlotSize);
        }
        if self.n_seats == 0 || self.n_seats > Owner::MOST {
            return Err(QueueError::BadSeats { most: usize::from(Owner::MOST) });
        }
        if self.max_bytes > Geometry::MOST_BYTES {
            return Err(QueueError::BadMaxBytes { most: Geometry::MOST_BYTES });
        }
        Ok(self)
    }

    /// How many bytes of a message fit into its slot.
    #[inline]
    pub(crate) fn payload(self) -> usize {
        self.slot_bytes as usize - SLOT_HEADER
    }

    /// Whether the ring grows: then it has two chunks or more.
    #[inline]
    pub(crate) fn grows(self) -> bool {
        self.chunk < self.n_slots
    }

    /// How many messages there is always room for: the last slot of the tail's chunk is of use only as
    /// soon as another chunk is free.
    pub(crate) fn capacity(self) -> u32 {
        if self.grows() { self.n_slots - self.chunk } else { self.n_slots }
    }

    pub(super) fn geometry(self) -> Geometry {
        Geometry::new(self.max_bytes, self.n_slots)
    }

    /// How long all slots are that there are or can be.
    pub(super) fn slots_len(self) -> usize {
        self.n_slots as usize * self.slot_bytes as usize
    }

    /// Where in the room the slots begin, if the ring grows.
    pub(super) fn slots_in_room(self) -> u64 {
        self.geometry().room().next_multiple_of(PAGE as u64)
    }

    /// How long the parts of its segment are.
    pub(crate) fn extent(self) -> Extent {
        Extent { body: Places::of(self).size, room: self.room() }
    }

    /// How long the room is.
    pub(super) fn room(self) -> u64 {
        if self.grows() {
            self.slots_in_room() + self.slots_len() as u64
        } else {
            self.geometry().room()
        }
    }
}

/// The shape as it lies in the segment.
#[repr(C)]
pub(super) struct ShapeWords {
    n_slots: AtomicU32,
    slot_bytes: AtomicU32,
    n_seats: AtomicU32,
    chunk: AtomicU32,
    is_joinable: AtomicU32,
    spare: AtomicU32,
    max_bytes: AtomicU64,
    retain: AtomicU64,
}

impl ShapeWords {
    pub(super) fn write(&self, shape: Shape) {
        self.n_slots.store(shape.n_slots, Relaxed);
        self.slot_bytes.store(shape.slot_bytes, Relaxed);
        self.n_seats.store(u32::from(shape.n_seats), Relaxed);
        self.chunk.store(shape.chunk, Relaxed);
        self.max_bytes.store(shape.max_bytes, Relaxed);
        self.retain.store(shape.retain, Relaxed);
        self.is_joinable.store(shape.is_joinable.into(), Relaxed);
    }

    /// The shape, once; it is yet to be checked.
    pub(super) fn read(&self) -> Shape {
        Shape {
            n_slots: self.n_slots.load(Relaxed),
            chunk: self.chunk.load(Relaxed),
            slot_bytes: self.slot_bytes.load(Relaxed),
            n_seats: u16::try_from(self.n_seats.load(Relaxed)).unwrap_or(u16::MAX),
            max_bytes: self.max_bytes.load(Relaxed),
            retain: self.retain.load(Relaxed),
            is_joinable: self.is_joinable.load(Relaxed) != 0,
        }
    }
}

/// The first bytes of a slot.
#[repr(C)]
pub(super) struct SlotHeader {
    pub(super) state: SlotWord,
    pub(super) record: AtomicU64,
}

const _: () = assert!(size_of::<SlotHeader>() == SLOT_HEADER);

// SAFETY: `repr(C)`, and made of words.
unsafe impl Shared for ShapeWords {}
// SAFETY: `repr(C)`, and made of words.
unsafe impl Shared for SlotHeader {}
// SAFETY: a transparent word.
unsafe impl Shared for PositionWord {}
// SAFETY: `repr(C)`, and made of words.
unsafe impl Shared for Bells {}
// SAFETY: `repr(C)`, and made of words and of a robust word.
unsafe impl Shared for HeapWords {}
// SAFETY: `repr(C)`, and made of words.
unsafe impl Shared for Notes {}
// SAFETY: `repr(C)`, and made of words.
unsafe impl Shared for ClassWords {}
// SAFETY: `repr(C)`, and made of words.
unsafe impl Shared for Block {}
// SAFETY: `repr(C)`, and made of words.
unsafe impl Shared for LeaseWords {}

/// Offsets in the body of the segment.
pub(super) struct Places {
    pub(super) shape: usize,
    pub(super) tail: usize,
    pub(super) head: usize,
    pub(super) bells: usize,
    pub(super) retired: usize,
    pub(super) begun: usize,
    pub(super) lives: usize,
    pub(super) notes: usize,
    pub(super) slots: usize,
    pub(super) heap: usize,
    pub(super) classes: usize,
    pub(super) leases: usize,
    pub(super) size: usize,
}

impl Places {
    pub(super) fn of(shape: Shape) -> Self {
        let mut layout = Layout::new();
        let lines = |layout: &mut Layout| layout.bytes(APART, APART);
        let (words, tail, head, bells, retired) = (
            lines(&mut layout),
            lines(&mut layout),
            lines(&mut layout),
            lines(&mut layout),
            lines(&mut layout),
        );
        let lives = layout.array::<Life>(usize::from(shape.n_seats));
        let notes = layout.array::<Notes>(usize::from(shape.n_seats));
        let slots = layout.bytes(if shape.grows() { 0 } else { shape.slots_len() }, APART);
        layout.align_to(APART);
        let heap = layout.one::<HeapWords>();
        layout.align_to(APART);
        let classes = layout.array::<ClassWords>(MOST_CLASSES);
        let leases = lines(&mut layout);
        Self {
            shape: words,
            tail,
            head,
            bells,
            retired,
            begun: retired + size_of::<AtomicU64>(),
            lives,
            notes,
            slots,
            heap,
            classes,
            leases,
            size: layout.size(),
        }
    }
}
