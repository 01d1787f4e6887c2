//! A queue's words and bytes in a segment: what the engines (`ring`, `heap`) borrow.
//!
//! # Safety
//!
//! All pointers of a [`Mapped`] were checked against the segment when it was opened, for its own
//! private numbers, and the segment is kept as long as they are. Payload bytes are reached by
//! pointers only, never by references.
#![expect(unsafe_code, reason = "words and bytes in a mapping, by pointers checked at the open")]

mod blocks;
pub(crate) mod inspect;
mod places;
mod slots;

use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::Weak;
use std::time::Duration;

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{AtomicU64, copy_in, copy_out, join_heavy_fences};
use ipc_core::robust::{Life, Thread, TooManyHeld, support};
use ipc_core::{Deadline, Kind, PAGE, Segment, SegmentError};
use ipc_sync::raw::{self, RawLock, Taken};

use crate::ends::End;
use crate::error::QueueError;
use crate::heap::block::Block;
use crate::heap::geometry::{BlockId, Geometry, MOST_CLASSES, block_len};
use crate::heap::record::Record;
use crate::heap::{self, ClassWords, HeapWords, Memory as _};
use crate::lease::{self, LeaseWords};
use crate::participant;
use crate::ring::bells::Bells;
use crate::ring::position::{Position, PositionWord};
use crate::ring::slot::{Owner, SlotWord};
use crate::ring::{Claim, Memory, Notes, Tuning, WaitsFor, planted};

use blocks::Blocks;
use places::{Places, ShapeWords, SlotHeader};
use slots::Slots;

pub(crate) use places::{SLOT_HEADER, SLOT_UNIT, Shape};

pub(crate) const KIND: Kind = Kind::new(*b"ipc-ring", 4);

/// A queue in a segment.
#[derive(Debug)]
pub(crate) struct Mapped {
    shape: Shape,
    tuning: Tuning,
    notes: Notes,
    /// What the handles of this process that lead here may do; gone with the last of them.
    end: Weak<End>,
    /// Whether it is for one who only watches, and must hear of all who leave.
    is_observer: bool,
    tail: NonNull<PositionWord>,
    head: NonNull<PositionWord>,
    bells: NonNull<Bells>,
    retired: NonNull<AtomicU64>,
    lives: NonNull<[Life]>,
    all_notes: NonNull<[participant::Notes]>,
    slots: Slots,
    heap: NonNull<HeapWords>,
    classes: NonNull<[ClassWords]>,
    leases: NonNull<LeaseWords>,
    blocks: Blocks,
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
    /// Makes an empty queue in a segment of its own.
    pub(crate) fn create(shape: Shape, type_hash: u64) -> Result<Self, QueueError> {
        is_supported()?;
        let shape = shape.check()?;
        let segment = Segment::create(KIND, type_hash, shape.extent())?;
        Self::begin(&segment, shape)?;
        Self::open(segment, type_hash)
    }

    /// Makes an empty queue in a segment with a name.
    pub(crate) fn create_named(
        name: &str,
        shape: Shape,
        type_hash: u64,
    ) -> Result<Self, QueueError> {
        is_supported()?;
        let shape = shape.check()?;
        let mut begun = Ok(());
        let begin = |segment: &Segment| begun = Self::begin(segment, shape);
        let segment = Segment::create_named(name, KIND, type_hash, shape.extent(), begin)?;
        begun?;
        Self::open(segment, type_hash)
    }

    fn begin(segment: &Segment, shape: Shape) -> Result<(), SegmentError> {
        Slots::begin(segment, shape)?;
        let words: &ShapeWords = segment.at(Places::of(shape).shape)?;
        words.write(shape);
        Ok(())
    }

    /// Opens the queue in a segment from elsewhere; trusts nothing that it finds there.
    pub(crate) fn open(segment: Segment, type_hash: u64) -> Result<Self, QueueError> {
        is_supported()?;
        join_heavy_fences();
        segment.check(KIND, type_hash)?;
        let words: &ShapeWords = segment.at(0)?;
        let shape = words.read().check()?;
        let places = Places::of(shape);
        Ok(Self {
            shape,
            tuning: Tuning::DEFAULT,
            notes: Notes::default(),
            end: Weak::new(),
            is_observer: false,
            tail: NonNull::from_ref(segment.at(places.tail)?),
            head: NonNull::from_ref(segment.at(places.head)?),
            bells: NonNull::from_ref(segment.at(places.bells)?),
            retired: NonNull::from_ref(segment.at(places.retired)?),
            lives: NonNull::from_ref(segment.slice_at(places.lives, usize::from(shape.n_seats))?),
            all_notes: NonNull::from_ref(
                segment.slice_at(places.notes, usize::from(shape.n_seats))?,
            ),
            slots: Slots::open(&segment, shape, &places)?,
            heap: NonNull::from_ref(segment.at(places.heap)?),
            classes: NonNull::from_ref(segment.slice_at(places.classes, MOST_CLASSES)?),
            leases: NonNull::from_ref(segment.at(places.leases)?),
            blocks: Blocks::open(&segment, shape.geometry())?,
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

    pub(crate) fn set_tuning(&mut self, tuning: Tuning) {
        self.tuning = tuning;
    }

    /// The same queue for a thread that watches it for others, whatever side they are on.
    pub(crate) fn for_observer(&self) -> Option<Self> {
        let ring = Self::open(self.segment.clone(), self.segment.type_hash()).ok()?;
        let (tuning, end) = (self.tuning, self.end.clone());
        Some(Self { tuning, end, is_observer: true, ..ring })
    }

    pub(crate) fn set_end(&mut self, end: Weak<End>) {
        self.end = end;
    }

    pub(crate) fn end(&self) -> &Weak<End> {
        &self.end
    }

    /// Whether nobody is left who could get, for a handle that cannot: another could get itself.
    pub(crate) fn misses_getters(&self) -> bool {
        self.end.upgrade().is_some_and(|end| !end.side().can_get() && end.is_deserted())
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
        if planted::PENDS {
            // SAFETY: the word is mapped as long as `segment` is kept, and all callers clear what is
            // pending before they return to whoever lent them `self`.
            unsafe { me.pend(self.bells().alarm.word()) };
        }
    }

    pub(crate) fn lives(&self) -> &[Life] {
        // SAFETY: checked at the open, and mapped as long as `segment` is kept.
        unsafe { self.lives.as_ref() }
    }

    /// What the threads in the seats have noted.
    #[inline]
    pub(crate) fn all_notes(&self) -> &[participant::Notes] {
        // SAFETY: checked at the open, and mapped as long as `segment` is kept.
        unsafe { self.all_notes.as_ref() }
    }

    /// Writes a message into the slot of `claim`, which is for writing; it fits.
    #[inline]
    pub(crate) fn write(&self, claim: &Claim, bytes: &[u8]) {
        let fitting = bytes.get(..self.shape.payload()).unwrap_or(bytes);
        self.write_record(claim, Record::Inline(fitting.len() as u64));
        // SAFETY: it fits into the payload of the slot; the caller's claim keeps everybody else
        // off it.
        unsafe { copy_in(self.payload(claim.at), fitting) };
    }

    /// Writes the record of the message in the slot of `claim`, which is for writing.
    #[inline]
    pub(crate) fn write_record(&self, claim: &Claim, record: Record) {
        self.header(claim.at.index()).record.store(record.bits(), Relaxed);
    }

    /// What the slot of `claim` says of its message; nothing of it is checked.
    #[inline]
    pub(crate) fn record(&self, claim: &Claim) -> Record {
        Record::from_bits(self.header(claim.at.index()).record.load(Relaxed))
    }

    /// Appends the first `len` bytes in the slot of `claim` to `bytes`, which has room for them.
    #[inline]
    pub(crate) fn read(&self, claim: &Claim, len: usize, bytes: &mut Vec<u8>) {
        let len = len.min(self.shape.payload()).min(bytes.capacity() - bytes.len());
        let target = bytes.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: it fits into the payload of the slot and into the spare room; the caller's claim
        // keeps writers off the slot.
        unsafe { copy_out(self.payload(claim.at), target, len) };
        // SAFETY: so many bytes were written just now, in the spare room.
        unsafe { bytes.set_len(bytes.len() + len) };
    }

    /// Copies the first bytes in the slot of `claim` to `target`, as many as that has.
    #[inline]
    pub(crate) fn read_to(&self, claim: &Claim, target: &mut [u8]) {
        let len = target.len().min(self.shape.payload());
        // SAFETY: it fits into the payload of the slot and into the target; the caller's claim keeps
        // writers off the slot.
        unsafe { copy_out(self.payload(claim.at), target.as_mut_ptr(), len) };
    }

    /// Where the bytes of a block lie.
    #[inline]
    pub(crate) fn block_bytes(&self, id: BlockId) -> Result<NonNull<u8>, SegmentError> {
        self.blocks.bytes(&self.segment, id)
    }

    /// Writes `bytes` to the beginning of a block of the caller's, which has memory for so many.
    #[inline]
    pub(crate) fn write_block(&self, id: BlockId, bytes: &[u8]) -> Result<(), SegmentError> {
        let target = self.block_bytes(id)?;
        let fitting = bytes.get(..block_len_here(id)).unwrap_or(bytes);
        // SAFETY: a block is that long, and the caller owns it.
        unsafe { copy_in(target.as_ptr(), fitting) };
        Ok(())
    }

    /// Copies the first bytes of a block of the caller's to `target`, as many as that has.
    ///
    /// It does not fail where the process has no addresses left.
    #[inline]
    pub(crate) fn read_block_to(&self, id: BlockId, target: &mut [u8]) -> Result<(), SegmentError> {
        let len = target.len().min(block_len_here(id));
        let Ok(source) = self.block_bytes(id) else {
            let target = target.get_mut(..len).unwrap_or_default();
            return self.segment.read_room(self.geometry().bytes_of(id), target);
        };
        // SAFETY: a block is that long, and the caller owns it; so is the target.
        unsafe { copy_out(source.as_ptr(), target.as_mut_ptr(), len) };
        Ok(())
    }

    /// Appends the first `len` bytes of a block of the caller's to `bytes`, which has room for them.
    ///
    /// It does not fail where the process has no addresses left.
    pub(crate) fn read_block(
        &self,
        id: BlockId,
        len: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<(), SegmentError> {
        let len = len.min(block_len_here(id)).min(bytes.capacity() - bytes.len());
        let Ok(source) = self.block_bytes(id) else {
            let begin = bytes.len();
            bytes.resize(begin + len, 0);
            let target = bytes.get_mut(begin..).unwrap_or_default();
            return self.segment.read_room(self.geometry().bytes_of(id), target);
        };
        let target = bytes.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: a block is that long, and the caller owns it; the spare room is, too.
        unsafe { copy_out(source.as_ptr(), target, len) };
        // SAFETY: so many bytes were written just now, in the spare room.
        unsafe { bytes.set_len(bytes.len() + len) };
        Ok(())
    }

    #[inline]
    fn header(&self, index: u32) -> &SlotHeader {
        #[expect(clippy::cast_ptr_alignment, reason = "slots begin at multiples of 16")]
        let header = self.slots.at(index).as_ptr().cast::<SlotHeader>();
        // SAFETY: a slot begins with its header, and is mapped as long as `segment` is kept.
        unsafe { &*header }
    }

    #[inline]
    fn payload(&self, at: Position) -> *mut u8 {
        // SAFETY: a slot is longer than its header.
        unsafe { self.slots.at(at.index()).as_ptr().add(SLOT_HEADER) }
    }
}

impl Memory for Mapped {
    #[inline]
    fn n_slots(&self) -> u32 {
        self.slots.n_slots()
    }

    #[inline]
    fn chunk(&self) -> u32 {
        self.shape.chunk
    }

    #[inline]
    fn grows(&self) -> bool {
        self.shape.grows()
    }

    fn grow(&self, n_slots: u32) -> bool {
        self.slots.grow(&self.segment, n_slots)
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

    fn notes(&self) -> &Notes {
        &self.notes
    }

    fn is_watcher(&self) -> bool {
        self.is_observer || self.end.upgrade().is_some_and(|end| end.is_watcher())
    }

    fn note_waiting(&self, who: Owner, what: WaitsFor) {
        self.set_waiting(who, what);
    }

    fn is_deserted(&self) -> bool {
        self.end.upgrade().is_some_and(|end| end.is_deserted())
    }
}

impl heap::Memory for Mapped {
    #[inline]
    fn geometry(&self) -> &Geometry {
        self.blocks.geometry()
    }

    #[inline]
    fn retain(&self) -> u64 {
        self.shape.retain
    }

    #[inline]
    fn heap(&self) -> &HeapWords {
        // SAFETY: checked at the open, and mapped as long as `segment` is kept.
        unsafe { self.heap.as_ref() }
    }

    #[inline]
    fn class(&self, class: usize) -> &ClassWords {
        // SAFETY: checked at the open, and mapped as long as `segment` is kept.
        let classes = unsafe { self.classes.as_ref() };
        #[expect(clippy::indexing_slicing, reason = "classes are checked when they are read")]
        &classes[class]
    }

    #[inline]
    fn block(&self, id: BlockId) -> &Block {
        self.blocks.words(id)
    }

    fn begin_blocks(&self, class: usize, first: u32) -> Result<(), SegmentError> {
        #[expect(clippy::cast_possible_truncation, reason = "there are not that many classes")]
        let at = self.geometry().words_of(BlockId { class: class as u8, index: first });
        self.segment.back_room(at..at + PAGE as u64)
    }

    fn back(&self, id: BlockId, from: u64, to: u64) -> Result<(), SegmentError> {
        let at = self.geometry().bytes_of(id);
        let len = block_len(id.class.into());
        self.segment.back_room(at + from.min(len)..at + to.min(len))
    }

    fn give_back(&self, id: BlockId, from: u64) -> Result<(), SegmentError> {
        let at = self.geometry().bytes_of(id);
        let len = block_len(id.class.into());
        self.segment.give_back_room(at + from.min(len)..at + len)
    }

    fn lock(&self, me: Thread, deadline: Deadline) -> Result<Taken, raw::Refused> {
        // SAFETY: the word lies in the segment.
        unsafe { RawLock::new(&self.heap().lock).lock(me, deadline) }
    }

    fn pend_alarm(&self, me: Thread) {
        self.pend(me);
    }

    fn n_seats(&self) -> u16 {
        self.shape.n_seats
    }

    #[inline]
    fn is_joinable(&self) -> bool {
        self.shape.is_joinable
    }
}

impl lease::Memory for Mapped {
    #[inline]
    fn leases(&self) -> &LeaseWords {
        // SAFETY: checked at the open, and mapped as long as `segment` is kept.
        unsafe { self.leases.as_ref() }
    }

    #[inline]
    fn record(&self, claim: &Claim) -> Record {
        self.record(claim)
    }

    #[inline]
    fn write_record(&self, claim: &Claim, record: Record) {
        self.write_record(claim, record);
    }
}

/// How long a block is, as a length in this process.
#[expect(clippy::cast_possible_truncation, reason = "it fits: both machines have 64 bits")]
fn block_len_here(id: BlockId) -> usize {
    block_len(id.class.into()) as usize
}

impl Tuning {
    /// What suits most machines: a warm hand-over takes a fraction of a microsecond, a wake-up
    /// some tens of them.
    pub(crate) const DEFAULT: Self = Self {
        looks: true,
        first_sleep: Duration::from_millis(50),
        longest_sleep: Duration::from_secs(1),
        first_look: Duration::from_millis(1),
    };

    /// No look before the sleep, and no look without being woken: for proofs of the protocol.
    pub(crate) const NONE: Self = Self {
        looks: false,
        first_sleep: Duration::MAX,
        longest_sleep: Duration::MAX,
        ..Self::DEFAULT
    };
}
