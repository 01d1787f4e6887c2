//! The words of a ring with a heap, borrowed from a model as the mapped queue borrows them.

#![expect(unsafe_code, reason = "loom's cells give raw pointers, and check what is done with them")]

use std::sync::Arc;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{Life, RobustWord, Thread};
use ipc_core::{Deadline, PAGE, SegmentError};
use ipc_sync::raw::{self, RawLock, Taken};
use loom::cell::UnsafeCell;

use crate::heap::block::{Block, Use};
use crate::heap::geometry::{BlockId, Geometry};
use crate::heap::record::Record;
use crate::heap::{self, ClassWords, Heap, HeapWords};
use crate::lease::{self, Held, LeaseWords, Leases, NotJoined};
use crate::ring::bells::Bells;
use crate::ring::position::PositionWord;
use crate::ring::slot::{Owner, SlotWord};
use crate::ring::{Claim, Memory, Notes, Patience, Refused, Ring, Tuning};
use crate::words::Words;

/// The words of a ring and of a heap; the bytes of a block are a loom cell.
pub(crate) struct Store {
    ring: Arc<Words>,
    geometry: Geometry,
    words: HeapWords,
    classes: Vec<ClassWords>,
    blocks: Vec<Block>,
    bytes: Vec<UnsafeCell<u64>>,
    /// How many bytes of each block have memory, whatever its words say.
    memory: Vec<UnsafeCell<u64>>,
    leases: LeaseWords,
    is_joinable: bool,
    /// What the slots say of their messages.
    records: Vec<AtomicU64>,
}

impl Store {
    /// A plain ring, with a heap of one block.
    pub(crate) fn new(n_slots: usize, n_seats: usize) -> Arc<Self> {
        Arc::new(Self::of(n_slots, n_seats, 1, false))
    }

    /// A joinable queue with room for so many unfinished items.
    pub(crate) fn joinable(n_slots: usize, n_seats: usize, n_blocks: usize) -> Arc<Self> {
        Arc::new(Self::of(n_slots, n_seats, n_blocks, true))
    }

    fn of(n_slots: usize, n_seats: usize, n_blocks: usize, is_joinable: bool) -> Self {
        let geometry = Geometry::new((n_blocks * PAGE) as u64, 1);
        Self {
            ring: Words::new(n_slots, n_seats),
            words: HeapWords::default(),
            classes: (0..geometry.n_classes()).map(|_| ClassWords::default()).collect(),
            blocks: (0..n_blocks).map(|_| Block::default()).collect(),
            bytes: (0..n_blocks).map(|_| UnsafeCell::new(0)).collect(),
            memory: (0..n_blocks).map(|_| UnsafeCell::new(0)).collect(),
            records: (0..n_slots).map(|_| AtomicU64::new(0)).collect(),
            leases: LeaseWords::default(),
            geometry,
            is_joinable,
        }
    }

    pub(crate) fn words(&self) -> &Words {
        &self.ring
    }

    /// Sits down, as the mapped ring does.
    pub(crate) fn sit_down(&self, seat: u16) -> Owner {
        let me = self.ring.sit_down(seat);
        self.pend(Thread::current());
        Heap(self).arrive();
        if self.is_joinable {
            Leases(self).arrive();
        }
        Thread::current().pend_clear();
        me
    }

    pub(crate) fn put(
        &self,
        me: Owner,
        message: u64,
        patience: Patience,
    ) -> Result<(), heap::Refused> {
        let thread = Thread::current();
        let id = Heap(self).allocate(me, thread, 1, patience)?;
        self.write(id, message);
        self.pend(thread);
        let claim = Ring(self).put(me, patience).unwrap();
        self.records[claim.at.index() as usize].store(id.index.into(), Relaxed);
        assert!(Heap(self).queue(id, me, claim.at));
        Ring(self).commit(claim);
        thread.pend_clear();
        Ok(())
    }

    pub(crate) fn get(&self, me: Owner, patience: Patience) -> Result<u64, Refused> {
        let thread = Thread::current();
        self.pend(thread);
        let claim = match Ring(self).get(me, patience) {
            Ok(claim) => claim,
            Err(refused) => {
                thread.pend_clear();
                return Err(refused);
            }
        };
        let index = self.records[claim.at.index() as usize].load(Relaxed);
        let id = BlockId { class: 0, index: u32::try_from(index).unwrap() };
        assert!(Heap(self).claim(id, claim.at, me));
        Ring(self).release(claim);
        thread.pend_clear();
        // SAFETY: loom checks what the ownership is to guarantee.
        let message = self.bytes[id.index as usize].with(|bytes| unsafe { *bytes });
        Heap(self).free(id, me, thread);
        Ok(message)
    }

    /// Writes into a block of the caller's, which has memory by now.
    fn write(&self, id: BlockId, message: u64) {
        let place = id.index as usize;
        // SAFETY: loom checks what the ownership is to guarantee.
        let memory = self.memory[place].with(|memory| unsafe { *memory });
        assert!(memory > 0, "nobody has asked the kernel for memory");
        // SAFETY: the same.
        self.bytes[place].with_mut(|bytes| unsafe { *bytes = message });
    }

    fn pend(&self, me: Thread) {
        heap::Memory::pend_alarm(self, me);
    }

    /// What is left in the queue; and that all memory is back after a sweep.
    pub(crate) fn drain(&self, me: Owner) -> Vec<u64> {
        let mut left = Vec::new();
        while let Ok(message) = self.get(me, Patience::Try) {
            left.push(message);
        }
        let swept = Heap(self).sweep(Thread::current());
        assert_eq!(swept.in_use, 0, "memory is gone");
        self.check_backed();
        left
    }

    fn check_backed(&self) {
        let backed: u64 = self.blocks.iter().map(|block| block.backed(u64::MAX)).sum();
        assert_eq!(Heap(self).sweep(Thread::current()).backed, backed, "counted wrongly");
    }

    /// Puts an item, if there is a slot and a block for it.
    pub(crate) fn put_item(&self, me: Owner, item: u64, patience: Patience) -> Result<(), Refused> {
        let thread = Thread::current();
        let Ok(id) = Heap(self).allocate(me, thread, 1, patience) else {
            return Err(Refused::NotNow);
        };
        self.write(id, item);
        self.pend(thread);
        let put = Leases(self).put(id, 1, me, patience);
        thread.pend_clear();
        if put.is_err() {
            Heap(self).free(id, me, thread);
        }
        put
    }

    /// Takes an item, and reads it.
    pub(crate) fn take_item(&self, me: Owner, patience: Patience) -> Result<(Held, u64), Refused> {
        let thread = Thread::current();
        self.pend(thread);
        let taken = Leases(self).take(me, thread, patience);
        thread.pend_clear();
        let held = taken?;
        // SAFETY: loom checks what the lease is to guarantee.
        let item = self.bytes[held.id.index as usize].with(|bytes| unsafe { *bytes });
        assert_eq!(self.blocks[held.id.index as usize].len(), 1);
        Ok((held, item))
    }

    /// Waits for an item and takes none.
    pub(crate) fn await_item(&self) {
        let thread = Thread::current();
        self.pend(thread);
        Leases(self).await_item(thread, || false);
        thread.pend_clear();
    }

    pub(crate) fn finish(&self, held: Held) {
        assert!(Leases(self).finish(held, Thread::current()), "not mine");
    }

    pub(crate) fn give_up(&self, held: Held) {
        assert!(Leases(self).give_up(held, Thread::current()), "not mine");
    }

    /// Whether the first item is in the hands of `owner`, dead or alive.
    pub(crate) fn is_held_by(&self, owner: Owner) -> bool {
        let meaning = self.blocks[0].word.look().meaning();
        matches!(meaning, Use::Leased(lease) if lease.owner() == owner)
    }

    pub(crate) fn join(&self, patience: Patience) -> Result<(), NotJoined> {
        Leases(self).join(Thread::current(), patience, || false)
    }

    /// Takes the seat of one who died, as the mapped queue does.
    pub(crate) fn take_over(&self, seat: u16) -> Owner {
        let me = self.ring.take_over_with(seat, |owner| Leases(self).bury(owner)).unwrap();
        Heap(self).bury(me, Thread::current()).unwrap();
        me
    }

    pub(crate) fn close(&self) {
        self.pend(Thread::current());
        Ring(self).close();
        Thread::current().pend_clear();
    }

    /// What is left, with how often it was handed out; all of it is finished then, and all memory back.
    pub(crate) fn finish_all(&self, me: Owner) -> Vec<(u64, u16)> {
        let mut left = Vec::new();
        while let Ok((held, item)) = self.take_item(me, Patience::Try) {
            left.push((item, held.lease.deliveries()));
            self.finish(held);
        }
        assert_eq!(Heap(self).sweep(Thread::current()).in_use, 0, "memory is gone");
        self.check_backed();
        assert_eq!(self.join(Patience::Try), Ok(()));
        left
    }
}

impl Memory for Store {
    fn n_slots(&self) -> u32 {
        self.ring.n_slots()
    }
    fn chunk(&self) -> u32 {
        self.ring.chunk()
    }
    fn tail(&self) -> &PositionWord {
        self.ring.tail()
    }
    fn head(&self) -> &PositionWord {
        self.ring.head()
    }
    fn bells(&self) -> &Bells {
        self.ring.bells()
    }
    fn slot(&self, index: u32) -> &SlotWord {
        self.ring.slot(index)
    }
    fn life(&self, seat: u16) -> Option<&Life> {
        self.ring.life(seat)
    }
    fn retired(&self) -> &AtomicU64 {
        self.ring.retired()
    }
    fn tuning(&self) -> Tuning {
        self.ring.tuning()
    }
    fn notes(&self) -> &Notes {
        self.ring.notes()
    }
    fn is_watcher(&self) -> bool {
        false
    }
    fn is_deserted(&self) -> bool {
        false
    }
}

impl heap::Memory for Store {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }
    fn retain(&self) -> u64 {
        u64::MAX
    }
    fn heap(&self) -> &HeapWords {
        &self.words
    }
    fn class(&self, class: usize) -> &ClassWords {
        &self.classes[class]
    }
    fn block(&self, id: BlockId) -> &Block {
        &self.blocks[id.index as usize]
    }
    fn begin_blocks(&self, _: usize, _: u32) -> Result<(), SegmentError> {
        Ok(())
    }
    fn back(&self, id: BlockId, _: u64, to: u64) -> Result<(), SegmentError> {
        // SAFETY: loom checks what the ownership is to guarantee.
        self.memory[id.index as usize].with_mut(|memory| unsafe { *memory = to });
        Ok(())
    }
    fn give_back(&self, id: BlockId, from: u64) -> Result<(), SegmentError> {
        // SAFETY: loom checks that nobody uses what is given back.
        self.memory[id.index as usize].with_mut(|memory| unsafe { *memory = from });
        // SAFETY: loom checks that nobody uses what is given back.
        self.bytes[id.index as usize].with_mut(|bytes| unsafe { *bytes = 0 });
        Ok(())
    }
    fn lock(&self, me: Thread, deadline: Deadline) -> Result<Taken, raw::Refused> {
        let line: &RobustWord = &self.words.lock;
        // SAFETY: a model's words live until its last thread has ended.
        unsafe { RawLock::new(line).lock(me, deadline) }
    }
    fn pend_alarm(&self, me: Thread) {
        // SAFETY: a model's words live until its last thread has ended.
        unsafe { me.pend(self.ring.bells().alarm.word()) };
    }
    fn n_seats(&self) -> u16 {
        self.ring.n_seats()
    }
    fn is_joinable(&self) -> bool {
        self.is_joinable
    }
}

impl lease::Memory for Store {
    fn leases(&self) -> &LeaseWords {
        &self.leases
    }
    fn record(&self, claim: &Claim) -> Record {
        Record::from_bits(self.records[claim.at.index() as usize].load(Relaxed))
    }
    fn write_record(&self, claim: &Claim, record: Record) {
        self.records[claim.at.index() as usize].store(record.bits(), Relaxed);
    }
}
