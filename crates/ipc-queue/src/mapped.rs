//! Where the words and the bytes of a ring lie in a segment.
//!
//! ```text
//! shape     n_slots, slot_bytes, n_seats: written once, copied into private memory at the open
//! tail      on lines of its own
//! head      on lines of its own
//! bells     items, space, alarm
//! counters  messages lost in the hands of the dead
//! seats     n_seats life words
//! slots     n_slots times slot_bytes: state (8), length (4), spare (4), payload
//! ```
//!
//! # Safety
//!
//! All pointers of a [`Mapped`] were checked against the segment when it was opened, for its own
//! private numbers, and the segment is kept as long as they are. Payload bytes are reached by
//! pointers only, never by references.
#![expect(unsafe_code, reason = "words and bytes in a mapping, by pointers checked at the open")]

use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::Weak;
use std::time::Duration;

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{AtomicU32, AtomicU64, copy_in, copy_out};
use ipc_core::robust::{Life, Thread, TooManyHeld, support};
use ipc_core::{Kind, Layout, Segment, SegmentError, Shared};

use crate::ends::End;
use crate::error::QueueError;
use crate::ring::bells::Bells;
use crate::ring::position::{MAX_SLOTS, Position, PositionWord};
use crate::ring::slot::{MAX_SPAN, Owner, SlotWord};
use crate::ring::{Claim, Memory, Tuning};

pub(crate) const KIND: Kind = Kind::new(*b"ipc-ring", 1);

/// Lines that are fetched in pairs lie together, so words that are apart are two lines apart.
const APART: usize = 128;

/// A slot begins with its word and the length of the message.
const SLOT_HEADER: usize = 16;

/// How many slots of how many bytes, and how many seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) n_slots: u32,
    pub(crate) slot_bytes: u32,
    pub(crate) n_seats: u16,
}

impl Shape {
    /// Checks numbers that a caller gave, or that were read from shared memory.
    pub(crate) fn check(self) -> Result<Self, QueueError> {
        if self.n_slots == 0 || self.n_slots > MAX_SLOTS {
            return Err(QueueError::BadCapacity { most: MAX_SLOTS as usize });
        }
        let slot_bytes = self.slot_bytes as usize;
        if !slot_bytes.is_multiple_of(64) || slot_bytes == 0 || slot_bytes > 1 << 24 {
            return Err(QueueError::BadSlotSize);
        }
        if self.n_seats == 0 || self.n_seats > Owner::MOST {
            return Err(QueueError::BadSeats { most: usize::from(Owner::MOST) });
        }
        Ok(self)
    }

    /// How many bytes of a message fit into one slot.
    pub(crate) fn payload(self) -> usize {
        self.slot_bytes as usize - SLOT_HEADER
    }

    /// The longest message, in bytes: one that takes all slots, or as many as one can take.
    pub(crate) fn max_message(self) -> usize {
        let slots = self.n_slots.min(MAX_SPAN) as usize;
        (slots * self.payload()).min(u32::MAX as usize)
    }

    /// How many slots a message of `len` bytes takes; `len` is at most the longest.
    #[inline]
    pub(crate) fn span(self, len: usize) -> u32 {
        if len <= self.payload() {
            return 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most `MAX_SPAN` for the longest")]
        let span = len.div_ceil(self.payload()) as u32;
        span
    }
}

/// The shape as it lies in the segment.
#[repr(C)]
struct ShapeWords {
    n_slots: AtomicU32,
    slot_bytes: AtomicU32,
    n_seats: AtomicU32,
}

/// The first bytes of a slot.
#[repr(C)]
struct SlotHeader {
    state: SlotWord,
    len: AtomicU32,
    spare: AtomicU32,
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

/// Offsets in the body of the segment.
struct Places {
    shape: usize,
    tail: usize,
    head: usize,
    bells: usize,
    retired: usize,
    lives: usize,
    slots: usize,
    size: usize,
}

impl Places {
    fn of(shape: Shape) -> Self {
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
        let slots = layout.bytes(shape.n_slots as usize * shape.slot_bytes as usize, APART);
        Self { shape: words, tail, head, bells, retired, lives, slots, size: layout.size() }
    }
}

/// A ring in a segment.
#[derive(Debug)]
pub(crate) struct Mapped {
    shape: Shape,
    tuning: Tuning,
    /// What the handles of this process that lead here may do; gone with the last of them.
    end: Weak<End>,
    tail: NonNull<PositionWord>,
    head: NonNull<PositionWord>,
    bells: NonNull<Bells>,
    retired: NonNull<AtomicU64>,
    lives: NonNull<[Life]>,
    slots: NonNull<u8>,
    /// Keeps all of the above mapped.
    segment: Segment,
}

// SAFETY: the pointers lead to words, which any thread may use, and to payload bytes, which only
// the owner of a claim touches.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

// No code of others runs while a claim is held, so a panic cannot leave one behind.
impl UnwindSafe for Mapped {}
impl RefUnwindSafe for Mapped {}

/// Whether the kernel tells of deaths here.
fn is_supported() -> Result<(), SegmentError> {
    support().map_err(|why| SegmentError::Io(io::Error::new(io::ErrorKind::Unsupported, why)))
}

impl Mapped {
    /// Makes an empty ring in a segment of its own.
    pub(crate) fn create(shape: Shape, type_hash: u64) -> Result<Self, QueueError> {
        is_supported()?;
        let shape = shape.check()?;
        let segment = Segment::create(KIND, type_hash, Places::of(shape).size)?;
        Self::begin(&segment, shape)?;
        Self::open(segment, type_hash)
    }

    /// Makes an empty ring in a segment with a name.
    pub(crate) fn create_named(
        name: &str,
        shape: Shape,
        type_hash: u64,
    ) -> Result<Self, QueueError> {
        is_supported()?;
        let shape = shape.check()?;
        let mut begun = Ok(());
        let size = Places::of(shape).size;
        let begin = |segment: &Segment| begun = Self::begin(segment, shape);
        let segment = Segment::create_named(name, KIND, type_hash, size, begin)?;
        begun?;
        Self::open(segment, type_hash)
    }

    /// Opens the ring in a segment from elsewhere; trusts nothing that it finds there.
    pub(crate) fn open(segment: Segment, type_hash: u64) -> Result<Self, QueueError> {
        is_supported()?;
        segment.check(KIND, type_hash)?;
        let words: &ShapeWords = segment.at(0)?;
        let shape = Shape {
            n_slots: words.n_slots.load(Relaxed),
            slot_bytes: words.slot_bytes.load(Relaxed),
            n_seats: u16::try_from(words.n_seats.load(Relaxed)).unwrap_or(u16::MAX),
        };
        let shape = shape.check()?;
        let places = Places::of(shape);
        let slots = segment.bytes_at(places.slots, places.size - places.slots)?;
        Ok(Self {
            shape,
            tuning: Tuning::DEFAULT,
            end: Weak::new(),
            tail: NonNull::from_ref(segment.at(places.tail)?),
            head: NonNull::from_ref(segment.at(places.head)?),
            bells: NonNull::from_ref(segment.at(places.bells)?),
            retired: NonNull::from_ref(segment.at(places.retired)?),
            lives: NonNull::from_ref(segment.slice_at(places.lives, usize::from(shape.n_seats))?),
            slots: slots.cast(),
            segment,
        })
    }

    /// Takes the life word of a seat for the calling thread if it is nobody's.
    pub(crate) fn join(life: &Life, me: Thread) -> Result<bool, TooManyHeld> {
        // SAFETY: all life words here lie in the segment.
        unsafe { life.join(me) }
    }

    /// Takes the life word of a seat for the calling thread if its holder died.
    pub(crate) fn replace(life: &Life, me: Thread) -> Result<bool, TooManyHeld> {
        // SAFETY: as in `join`.
        unsafe { life.replace(me) }
    }

    fn begin(segment: &Segment, shape: Shape) -> Result<(), SegmentError> {
        let words: &ShapeWords = segment.at(Places::of(shape).shape)?;
        words.n_slots.store(shape.n_slots, Relaxed);
        words.slot_bytes.store(shape.slot_bytes, Relaxed);
        words.n_seats.store(u32::from(shape.n_seats), Relaxed);
        Ok(())
    }

    pub(crate) fn set_tuning(&mut self, tuning: Tuning) {
        self.tuning = tuning;
    }

    pub(crate) fn set_end(&mut self, end: Weak<End>) {
        self.end = end;
    }

    pub(crate) fn end(&self) -> &Weak<End> {
        &self.end
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Makes the alarm the pending word of the calling thread; it clears it before `self` goes.
    #[inline]
    pub(crate) fn pend(&self, me: Thread) {
        // SAFETY: the word is mapped as long as `segment` is kept, and all callers clear what is
        // pending before they return to whoever lent them `self`.
        unsafe { me.pend(self.bells().alarm.word()) };
    }

    pub(crate) fn lives(&self) -> &[Life] {
        // SAFETY: checked at the open, and mapped as long as `segment` is kept.
        unsafe { self.lives.as_ref() }
    }

    /// Writes a message into the slots of `claim`, which is for writing.
    #[inline]
    pub(crate) fn write(&self, claim: &Claim, bytes: &[u8]) {
        #[expect(clippy::cast_possible_truncation, reason = "at most `max_message`, four bytes")]
        self.header(claim.at.index()).len.store(bytes.len() as u32, Relaxed);
        let mut at = claim.at;
        if claim.span() == 1 {
            // SAFETY: a message of one slot fits into its payload; the caller's claim keeps
            // everybody else off it.
            unsafe { copy_in(self.payload(at), bytes) };
            return;
        }
        for piece in bytes.chunks(self.shape.payload()) {
            // SAFETY: a piece fits into the payload of a slot; the caller's claim covers as many
            // slots as there are pieces, and keeps everybody else off them.
            unsafe { copy_in(self.payload(at), piece) };
            at = at.advance(1, self.shape.n_slots);
        }
    }

    /// How long the message in the slots of `claim` is, if they have room for so much.
    #[inline]
    pub(crate) fn len(&self, claim: &Claim) -> Option<usize> {
        let len = self.header(claim.at.index()).len.load(Relaxed) as usize;
        (len <= claim.span() as usize * self.shape.payload()).then_some(len)
    }

    /// Appends the first `len` bytes of the message in the slots of `claim` to `bytes`, which has
    /// room for them.
    #[inline]
    pub(crate) fn read(&self, claim: &Claim, len: usize, bytes: &mut Vec<u8>) {
        let mut at = claim.at;
        let mut left = len.min(bytes.capacity() - bytes.len());
        while left > 0 {
            let piece = left.min(self.shape.payload());
            let target = bytes.spare_capacity_mut().as_mut_ptr().cast();
            // SAFETY: a piece fits into the payload of a slot and into the spare room; the
            // caller's claim covers as many slots as are needed for `len`.
            unsafe { copy_out(self.payload(at), target, piece) };
            // SAFETY: so many bytes were written just now, in the spare room.
            unsafe { bytes.set_len(bytes.len() + piece) };
            at = at.advance(1, self.shape.n_slots);
            left -= piece;
        }
    }

    #[inline]
    fn slot_at(&self, index: u32) -> *mut u8 {
        debug_assert!(index < self.shape.n_slots, "positions are checked when they are read");
        let offset = index as usize * self.shape.slot_bytes as usize;
        // SAFETY: the index is below the number of slots, all of which were checked at the open.
        unsafe { self.slots.as_ptr().add(offset) }
    }

    #[inline]
    fn header(&self, index: u32) -> &SlotHeader {
        #[expect(clippy::cast_ptr_alignment, reason = "slots begin at multiples of 64")]
        let header = self.slot_at(index).cast::<SlotHeader>();
        // SAFETY: a slot begins with its header, and is mapped as long as `segment` is kept.
        unsafe { &*header }
    }

    #[inline]
    fn payload(&self, at: Position) -> *mut u8 {
        // SAFETY: a slot is longer than its header.
        unsafe { self.slot_at(at.index()).add(SLOT_HEADER) }
    }
}

impl Memory for Mapped {
    #[inline]
    fn n_slots(&self) -> u32 {
        self.shape.n_slots
    }

    #[inline]
    fn tail(&self) -> &PositionWord {
        // SAFETY: checked at the open, and mapped as long as `segment` is kept.
        unsafe { self.tail.as_ref() }
    }

    #[inline]
    fn head(&self) -> &PositionWord {
        // SAFETY: checked at the open, and mapped as long as `segment` is kept.
        unsafe { self.head.as_ref() }
    }

    #[inline]
    fn bells(&self) -> &Bells {
        // SAFETY: checked at the open, and mapped as long as `segment` is kept.
        unsafe { self.bells.as_ref() }
    }

    #[inline]
    fn slot(&self, index: u32) -> &SlotWord {
        &self.header(index).state
    }

    fn life(&self, seat: u16) -> Option<&Life> {
        self.lives().get(usize::from(seat))
    }

    fn retired(&self) -> &AtomicU64 {
        // SAFETY: checked at the open, and mapped as long as `segment` is kept.
        unsafe { self.retired.as_ref() }
    }

    fn tuning(&self) -> Tuning {
        self.tuning
    }

    fn is_watcher(&self) -> bool {
        self.end.upgrade().is_some_and(|end| end.is_watcher())
    }

    fn is_deserted(&self) -> bool {
        self.end.upgrade().is_some_and(|end| end.is_deserted())
    }
}

impl Tuning {
    /// What suits most machines: a warm hand-over takes a fraction of a microsecond, a wake-up
    /// some tens of them.
    pub(crate) const DEFAULT: Self = Self {
        n_spins: 200,
        n_yields: 20,
        first_sleep: Duration::from_millis(50),
        longest_sleep: Duration::from_secs(1),
        first_look: Duration::from_millis(1),
    };

    /// No look before the sleep, and no look without being woken: for proofs of the protocol.
    pub(crate) const NONE: Self = Self {
        n_spins: 0,
        n_yields: 0,
        first_sleep: Duration::MAX,
        longest_sleep: Duration::MAX,
        ..Self::DEFAULT
    };
}
