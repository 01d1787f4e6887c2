//! Large messages: the states of their blocks, with a death before each access of whoever moves them.
//!
//! There is one block, of a page, and memory for it. What is asked in the end, after every
//! death: no block is anybody's who is dead once there was a sweep, each message that was put is got
//! once with its own bytes, and who waits for memory is woken.

#![expect(unsafe_code, reason = "loom's cells give raw pointers, and check what is done with them")]

use std::sync::Arc;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::{Life, RobustWord, Thread};
use ipc_core::{Deadline, PAGE, SegmentError};
use ipc_sync::raw::{self, RawLock, Taken};
use loom::cell::UnsafeCell;

use crate::heap::block::Block;
use crate::heap::geometry::{BlockId, Geometry};
use crate::heap::{self, ClassWords, Heap, HeapWords};
use crate::ring::bells::Bells;
use crate::ring::position::PositionWord;
use crate::ring::slot::{Owner, SlotWord};
use crate::ring::{Memory, Notes, Patience, Refused, Ring, Tuning};
use crate::words::Words;
use crate::{FOREVER, bound, explore_deaths_within, explore_within};

/// The words of a ring and of a heap; the bytes of a block are a loom cell.
struct Store {
    ring: Arc<Words>,
    geometry: Geometry,
    words: HeapWords,
    class: ClassWords,
    block: Block,
    bytes: UnsafeCell<u64>,
    /// What the slots say of their messages.
    records: Vec<AtomicU64>,
}

impl Store {
    fn new(n_slots: usize, n_seats: usize) -> Arc<Self> {
        let store = Self {
            ring: Words::new(n_slots, n_seats),
            geometry: Geometry::new(PAGE as u64, 1),
            words: HeapWords::default(),
            class: ClassWords::default(),
            block: Block::default(),
            bytes: UnsafeCell::new(0),
            records: (0..n_slots).map(|_| AtomicU64::new(0)).collect(),
        };
        Arc::new(store)
    }

    /// Sits down, as the mapped ring does.
    fn sit_down(&self, seat: u16) -> Owner {
        let me = self.ring.sit_down(seat);
        self.pend(Thread::current());
        Heap(self).arrive();
        Thread::current().pend_clear();
        me
    }

    fn put(&self, me: Owner, message: u64, patience: Patience) -> Result<(), heap::Refused> {
        let thread = Thread::current();
        let id = Heap(self).allocate(me, thread, 1, patience)?;
        // SAFETY: loom checks what the ownership is to guarantee.
        self.bytes.with_mut(|bytes| unsafe { *bytes = message });
        self.pend(thread);
        let claim = Ring(self).put(me, patience).unwrap();
        self.records[claim.at.index() as usize].store(id.index.into(), Relaxed);
        assert!(Heap(self).queue(id, me, claim.at));
        Ring(self).commit(claim);
        thread.pend_clear();
        Ok(())
    }

    fn get(&self, me: Owner, patience: Patience) -> Result<u64, Refused> {
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
        let message = self.bytes.with(|bytes| unsafe { *bytes });
        Heap(self).free(id, me, thread);
        Ok(message)
    }

    fn pend(&self, me: Thread) {
        heap::Memory::pend_alarm(self, me);
    }

    /// What is left in the queue; and that all memory is back after a sweep.
    fn drain(&self, me: Owner) -> Vec<u64> {
        let mut left = Vec::new();
        while let Ok(message) = self.get(me, Patience::Try) {
            left.push(message);
        }
        let swept = Heap(self).sweep(Thread::current());
        assert_eq!(swept.in_use, 0, "memory is gone");
        assert_eq!(swept.backed, self.block.backed(u64::MAX), "counted wrongly");
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
    fn class(&self, _: usize) -> &ClassWords {
        &self.class
    }
    fn block(&self, _: BlockId) -> &Block {
        &self.block
    }
    fn begin_blocks(&self, _: usize, _: u32) -> Result<(), SegmentError> {
        Ok(())
    }
    fn back(&self, _: BlockId, _: u64, _: u64) -> Result<(), SegmentError> {
        Ok(())
    }
    fn give_back(&self, _: BlockId, _: u64) -> Result<(), SegmentError> {
        // SAFETY: loom checks that nobody uses what is given back.
        self.bytes.with_mut(|bytes| unsafe { *bytes = 0 });
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
}

#[test]
fn two_putters_and_a_getter_with_memory_for_one() {
    explore_within(bound().saturating_sub(1), || {
        let store = Store::new(2, 4);
        let threads = [0, 1].map(|seat| {
            let store = Arc::clone(&store);
            loom::thread::spawn(move || {
                let me = store.sit_down(seat);
                store.put(me, u64::from(seat) + 1, FOREVER).unwrap();
            })
        });
        let me = store.sit_down(2);
        let sum = store.get(me, FOREVER).unwrap() + store.get(me, FOREVER).unwrap();
        assert_eq!(sum, 3);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(store.drain(me).is_empty());
    });
}

#[test]
fn a_putter_that_dies_with_a_block_leaves_it_to_others() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let store = Store::new(2, 4);
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.put(me, 1, FOREVER).unwrap();
            })
        });
        let me = store.sit_down(2);
        // There is memory for one at a time: this waits for the victim's message, or its death.
        let died = victim.join().unwrap() == Ended::Died;
        let mut got = Vec::new();
        while let Err(refused) = store.put(me, 2, Patience::Try) {
            assert!(matches!(refused, heap::Refused::Ring(Refused::NotNow)), "{refused:?}");
            got.push(store.get(me, FOREVER).unwrap());
        }
        got.extend(store.drain(me));
        assert!(got == [1, 2] || died && got == [2], "{got:?}");
        died
    });
}

#[test]
fn a_getter_that_dies_with_a_block_wakes_who_waits_for_it() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let store = Store::new(2, 4);
        let me = store.sit_down(2);
        store.put(me, 1, FOREVER).unwrap();
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.get(me, FOREVER)
            })
        });
        let putter = Arc::clone(&store);
        let putter = loom::thread::spawn(move || {
            let me = putter.sit_down(1);
            putter.put(me, 2, FOREVER).unwrap();
        });
        let ended = victim.join().unwrap();
        let died = ended == Ended::Died;
        let mut got = Vec::new();
        if died {
            // If the victim died before it took the message, somebody else must take it. Nobody
            // looks at the heap.
            got.extend(store.get(me, Patience::Try).ok());
        } else {
            assert_eq!(ended, Ended::Finished(Ok(1)));
        }
        putter.join().unwrap();
        got.extend(store.drain(me));
        assert!(got == [2] || died && got == [1, 2], "{got:?}");
        died
    });
}

#[test]
fn a_seat_is_given_on_and_its_blocks_are_not() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let store = Store::new(2, 4);
        let dead = Arc::clone(&store);
        let dead = loom::thread::spawn(move || {
            const MORE_THAN_AN_ALLOCATION: u64 = 90;
            run(Some(MORE_THAN_AN_ALLOCATION), || {
                let me = dead.sit_down(0);
                Heap(&*dead).allocate(me, Thread::current(), 1, Patience::Try).unwrap();
                while !Ring(&*dead).is_closed() {}
            })
        });
        assert_eq!(dead.join().unwrap(), Ended::Died);
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.ring.take_over(0).unwrap();
                Heap(&*victim).bury(me, Thread::current()).unwrap();
                victim.put(me, 1, FOREVER).unwrap();
            })
        });
        let me = store.sit_down(2);
        // A sweep that comes between must not free what the seat's next holder has taken.
        Heap(&*store).sweep(Thread::current());
        let died = victim.join().unwrap() == Ended::Died;
        let got = store.drain(me);
        assert!(got == [1] || died && got.is_empty(), "{got:?}");
        died
    });
}
