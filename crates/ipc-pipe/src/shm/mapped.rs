//! A shared-memory pipe's words and bytes in a segment.
//!
//! # Safety
//!
//! All pointers were checked against the segment when it was opened, and the segment is kept as long as
//! they are. Bytes are reached by pointers only, never by references.
#![expect(unsafe_code, reason = "words and bytes in a mapping, by pointers checked at the open")]

use std::ptr::NonNull;

use ipc_core::primitive::{AtomicU64, copy_in, copy_out, join_heavy_fences};
use ipc_core::{Kind, Placed, Segment, SegmentError, Shared};

use super::owner::Owner;
use super::ring::{HEADER, Side, UNIT, Way};

pub(super) const KIND: Kind = Kind::new(*b"shm-pipe", 2);

/// The units of each way: 64 KiB.
pub(super) const N_UNITS: u64 = 1024;
pub(super) const RING_LEN: usize = 1024 * UNIT;
const _: () = assert!(N_UNITS.is_power_of_two());

/// What both ways have but their units.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Words {
    /// Who has the halves of the first end, and who those of the second.
    owners: [Owners; 2],
    /// From the first end to the second, and back.
    ways: [WayWords; 2],
}

/// Which process has each half of an end. They are written when it comes and when it leaves, so one line is
/// enough.
#[repr(C, align(128))]
#[derive(Debug)]
struct Owners {
    writer: AtomicU64,
    reader: AtomicU64,
}

/// A word on a line of its own.
#[repr(C, align(128))]
#[derive(Debug)]
struct Padded(AtomicU64);

#[repr(C)]
#[derive(Debug)]
struct WayWords {
    head: Padded,
    reader: Side,
    writer: Side,
}

// SAFETY: it is `repr(C)` and consists of words and of padding that nobody reads.
unsafe impl Shared for Words {}

/// A pipe in a segment.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    words: Placed<Words>,
    /// The units of both ways, one after the other.
    units: [NonNull<u8>; 2],
}

// SAFETY: the pointers lead to words, which any thread may use, and to bytes that only the holder of a
// half touches.
unsafe impl Send for Mapped {}
// SAFETY: as above; through a shared reference only words are reached, and by `way` bytes as its users
// agree on.
unsafe impl Sync for Mapped {}

impl Mapped {
    pub(super) fn create() -> Result<Self, SegmentError> {
        let (_, _, size) = places();
        Self::open(Segment::create(KIND, 0, size)?)
    }

    /// Opens the pipe in a segment from elsewhere; trusts nothing that it finds there.
    pub(super) fn open(segment: Segment) -> Result<Self, SegmentError> {
        segment.check(KIND, 0)?;
        // Who brings a message then looks for sleepers without a full fence.
        join_heavy_fences();
        let (first, second, _) = places();
        let first = segment.bytes_at(first, RING_LEN)?.cast();
        let second = segment.bytes_at(second, RING_LEN)?.cast();
        Ok(Self { words: segment.place(0)?, units: [first, second] })
    }

    pub(super) fn segment(&self) -> &Segment {
        Placed::segment(&self.words)
    }

    /// The way from that side to the other.
    pub(super) fn way_from(&self, side: usize) -> MappedWay<'_> {
        let ([first, second], [first_units, second_units]) = (&self.words.ways, self.units);
        let [first_end, second_end] = &self.words.owners;
        if side == 0 {
            let ends = [first_end, second_end];
            MappedWay { words: first, ends, units: first_units }
        } else {
            let ends = [second_end, first_end];
            MappedWay { words: second, ends, units: second_units }
        }
    }
}

/// Where the units of the two ways are, and how long all is.
fn places() -> (usize, usize, usize) {
    let first = size_of::<Words>().next_multiple_of(128);
    (first, first + RING_LEN, first + 2 * RING_LEN)
}

/// What a half does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Writer,
    Reader,
}

/// One way of a pipe.
#[derive(Clone, Copy, Debug)]
pub(super) struct MappedWay<'m> {
    words: &'m WayWords,
    /// From which end it leads, and to which.
    ends: [&'m Owners; 2],
    units: NonNull<u8>,
}

impl<'m> MappedWay<'m> {
    /// Which process has that half of it.
    pub(super) const fn owner(&self, role: Role) -> &'m AtomicU64 {
        let [from, to] = self.ends;
        match role {
            Role::Writer => &from.writer,
            Role::Reader => &to.reader,
        }
    }

    /// Which process has the half that talks to that one.
    pub(super) const fn other(&self, role: Role) -> Owner<'m> {
        let [from, to] = self.ends;
        match role {
            Role::Writer => Owner { half: &to.reader, first: &to.writer },
            Role::Reader => Owner { half: &from.writer, first: &from.writer },
        }
    }

    /// Where a record's bytes at that distance behind its header are, and how many lie in one piece.
    fn piece(&self, unit: u64, distance: usize) -> (NonNull<u8>, usize) {
        let unit = usize::try_from(unit % N_UNITS).unwrap_or(0);
        let at = (unit * UNIT + HEADER + distance) % RING_LEN;
        // SAFETY: the place is less than the length of the ring, which was checked at the open.
        (unsafe { self.units.add(at) }, RING_LEN - at)
    }

    /// Copies so many bytes of a record out, of which there are at most as many as the ring is long.
    ///
    /// # Safety
    ///
    /// So many bytes are writable at `target`, and nobody else touches them.
    unsafe fn copy_to(&self, unit: u64, target: *mut u8, len: usize) {
        let (start, in_piece) = self.piece(unit, 0);
        let first = in_piece.min(len);
        // SAFETY: as many bytes are there, and at the target. The writer leaves them alone until the
        // reader has given them back; a hostile one may not, and what comes out is checked by whoever
        // decodes it.
        unsafe { copy_out(start.as_ptr(), target, first) };
        let rest = (len - first).min(RING_LEN);
        if rest > 0 {
            // SAFETY: the caller vouches for all `len` bytes.
            let target = unsafe { target.add(first) };
            // SAFETY: as above; the ring begins there.
            unsafe { copy_out(self.units.as_ptr(), target, rest) };
        }
    }
}

impl Way for MappedWay<'_> {
    fn n_units(&self) -> u64 {
        N_UNITS
    }

    fn header(&self, unit: u64) -> &AtomicU64 {
        let at = usize::try_from(unit % N_UNITS).unwrap_or(0) * UNIT;
        // SAFETY: the place is less than the length of the ring, which was checked at the open.
        let word = unsafe { self.units.add(at) }.cast::<AtomicU64>();
        // SAFETY: units begin at multiples of 64 of an aligned mapping, any bytes are a word, and
        // the mapping outlives `self`.
        unsafe { word.as_ref() }
    }

    fn head(&self) -> &AtomicU64 {
        &self.words.head.0
    }

    fn reader(&self) -> &Side {
        &self.words.reader
    }

    fn writer(&self) -> &Side {
        &self.words.writer
    }

    fn write(&self, unit: u64, bytes: &[u8]) {
        let (start, len) = self.piece(unit, 0);
        let (first, rest) = bytes.split_at(len.min(bytes.len()));
        // SAFETY: `len` bytes are there; the writer alone writes units, and no thread of this process
        // has the other half of this way at work on those that the reader has given back (I2).
        unsafe { copy_in(start.as_ptr(), first) };
        if !rest.is_empty() {
            // SAFETY: the ring begins there, and a record is shorter than the ring.
            unsafe { copy_in(self.units.as_ptr(), rest) };
        }
    }

    fn read(&self, unit: u64, len: usize, bytes: &mut Vec<u8>) {
        let before = bytes.len();
        bytes.reserve(len);
        let target = bytes.spare_capacity_mut().as_mut_ptr();
        // SAFETY: so many bytes have been reserved.
        unsafe { self.copy_to(unit, target.cast(), len) };
        // SAFETY: they were reserved, and written just now.
        unsafe { bytes.set_len(before + len) };
    }

    fn read_into(&self, unit: u64, bytes: &mut [u8]) {
        // SAFETY: it is a slice, and borrowed mutably.
        unsafe { self.copy_to(unit, bytes.as_mut_ptr(), bytes.len()) };
    }
}
