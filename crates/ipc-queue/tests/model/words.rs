//! The ring's words, borrowed from a model as the mapped ring borrows them from a segment.

#![expect(unsafe_code, reason = "loom's cells give raw pointers, and check what is done with them")]

use std::sync::Arc;
use std::time::Duration;

use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::primitive::{AtomicU32, AtomicU64};
use ipc_core::robust::{Life, Thread};
use loom::cell::UnsafeCell;

use crate::ring::bells::Bells;
use crate::ring::position::PositionWord;
use crate::ring::slot::{Owner, SlotWord};
use crate::ring::{Claim, Memory, Notes, Patience, Refused, Ring, Tuning};

pub(crate) struct Words {
    tail: PositionWord,
    head: PositionWord,
    bells: Bells,
    slots: Vec<SlotWord>,
    chunk: u32,
    /// How many slots have memory, if the ring grows.
    begun: AtomicU32,
    cells: Vec<UnsafeCell<u64>>,
    lives: Vec<Life>,
    retired: AtomicU64,
    notes: Notes,
}

impl Words {
    pub(crate) fn new(n_slots: usize, n_seats: usize) -> Arc<Self> {
        Self::of_chunks(n_slots, n_slots, n_seats)
    }

    /// A ring whose chunks are one slot each: two at first, and at most so many.
    pub(crate) fn growing(n_slots: usize, n_seats: usize) -> Arc<Self> {
        Self::of_chunks(1, n_slots, n_seats)
    }

    fn of_chunks(chunk: usize, n_slots: usize, n_seats: usize) -> Arc<Self> {
        Arc::new(Self {
            chunk: u32::try_from(chunk).unwrap(),
            begun: AtomicU32::new(2),
            tail: PositionWord::default(),
            head: PositionWord::default(),
            bells: Bells::default(),
            slots: (0..n_slots).map(|_| SlotWord::default()).collect(),
            cells: (0..n_slots).map(|_| UnsafeCell::new(0)).collect(),
            lives: (0..n_seats).map(|_| Life::new()).collect(),
            retired: AtomicU64::new(0),
            notes: Notes::default(),
        })
    }

    /// Runs one operation as the mapped ring does.
    pub(crate) fn operation<T>(&self, operate: impl FnOnce(Ring<'_, Self>) -> T) -> T {
        operation(self, operate)
    }

    pub(crate) fn sit_down(&self, seat: u16) -> Owner {
        // SAFETY: a model's words live until its last thread has ended.
        assert!(unsafe { self.lives[usize::from(seat)].join(Thread::current()) }.unwrap());
        Owner::of_seat(seat)
    }

    /// Takes the seat of one who died, as the mapped ring does.
    pub(crate) fn take_over(&self, seat: u16) -> Option<Owner> {
        self.take_over_with(seat, |_| ())
    }

    /// The same, where there is more to bury than claims.
    pub(crate) fn take_over_with(&self, seat: u16, bury: impl FnOnce(Owner)) -> Option<Owner> {
        let owner = Owner::of_seat(seat);
        // SAFETY: a model's words live until its last thread has ended.
        let replaced = unsafe { self.lives[usize::from(seat)].replace(Thread::current()) };
        replaced.unwrap().then(|| {
            self.operation(|ring| {
                ring.bury(owner);
                bury(owner);
            });
            owner
        })
    }

    pub(crate) fn n_seats(&self) -> u16 {
        u16::try_from(self.lives.len()).unwrap()
    }

    /// How many messages were lost in the hands of the dead.
    pub(crate) fn n_retired(&self) -> u64 {
        self.retired.load(Relaxed)
    }

    pub(crate) fn put(&self, me: Owner, message: u64, patience: Patience) -> Result<(), Refused> {
        put(self, self, me, message, patience)
    }

    pub(crate) fn get(&self, me: Owner, patience: Patience) -> Result<u64, Refused> {
        get(self, self, me, patience)
    }

    /// The first part of a put: the slot is claimed, and nothing is in it yet.
    pub(crate) fn begin_put(&self, me: Owner) -> Claim {
        self.operation(|ring| ring.put(me, Patience::Try)).unwrap()
    }

    /// The rest of it.
    pub(crate) fn end_put(&self, claim: Claim, message: u64) {
        self.operation(|ring| {
            self.write(claim, message);
            ring.commit(claim);
        });
    }

    /// The first part of a get: the message is taken, and still in its slot.
    pub(crate) fn begin_get(&self, me: Owner) -> Claim {
        self.operation(|ring| ring.get(me, Patience::Try)).unwrap()
    }

    /// The rest of it.
    pub(crate) fn end_get(&self, claim: Claim) -> u64 {
        self.operation(|ring| {
            let message = self.read(claim);
            ring.release(claim);
            message
        })
    }

    fn write(&self, claim: Claim, message: u64) {
        // SAFETY: loom checks what the claim is to guarantee.
        self.cells[claim.at.index() as usize].with_mut(|cell| unsafe { *cell = message });
    }

    fn read(&self, claim: Claim) -> u64 {
        // SAFETY: loom checks what the claim is to guarantee.
        self.cells[claim.at.index() as usize].with(|cell| unsafe { *cell })
    }
}

/// Runs one operation on words as they are seen by somebody.
pub(crate) fn operation<M: Memory, T>(seen: &M, operate: impl FnOnce(Ring<'_, M>) -> T) -> T {
    let me = Thread::current();
    // SAFETY: a model's words live until its last thread has ended.
    unsafe { me.pend(seen.bells().alarm.word()) };
    let result = operate(Ring(seen));
    me.pend_clear();
    result
}

/// Puts a message into `words`, as somebody sees them.
pub(crate) fn put<M: Memory>(
    seen: &M,
    words: &Words,
    me: Owner,
    message: u64,
    patience: Patience,
) -> Result<(), Refused> {
    operation(seen, |ring| {
        let claim = ring.put(me, patience)?;
        words.write(claim, message);
        ring.commit(claim);
        Ok(())
    })
}

/// Gets a message from `words`, as somebody sees them.
pub(crate) fn get<M: Memory>(
    seen: &M,
    words: &Words,
    me: Owner,
    patience: Patience,
) -> Result<u64, Refused> {
    operation(seen, |ring| {
        let claim = ring.get(me, patience)?;
        let message = words.read(claim);
        ring.release(claim);
        Ok(message)
    })
}

impl Memory for Words {
    fn n_slots(&self) -> u32 {
        if self.grows() { self.begun.load(Acquire) } else { self.chunk }
    }
    fn chunk(&self) -> u32 {
        self.chunk
    }
    fn grows(&self) -> bool {
        (self.chunk as usize) < self.slots.len()
    }
    fn grow(&self, n_slots: u32) -> bool {
        let may = (n_slots as usize) < self.slots.len();
        if may {
            self.begun.compare_exchange(n_slots, n_slots + 1, Release, Relaxed).ok();
        }
        may
    }
    fn tail(&self) -> &PositionWord {
        &self.tail
    }
    fn head(&self) -> &PositionWord {
        &self.head
    }
    fn bells(&self) -> &Bells {
        &self.bells
    }
    fn slot(&self, index: u32) -> &SlotWord {
        &self.slots[index as usize]
    }
    fn life(&self, seat: u16) -> Option<&Life> {
        self.lives.get(usize::from(seat))
    }
    fn retired(&self) -> &AtomicU64 {
        &self.retired
    }
    fn tuning(&self) -> Tuning {
        Tuning {
            looks: false,
            first_sleep: Duration::MAX,
            longest_sleep: Duration::MAX,
            first_look: Duration::MAX,
        }
    }
    fn notes(&self) -> &Notes {
        &self.notes
    }
    fn is_watcher(&self) -> bool {
        false
    }
    fn is_deserted(&self) -> bool {
        false
    }
}

/// What is left in the ring.
pub(crate) fn drain(words: &Words) -> Vec<u64> {
    let me = words.sit_down(u16::try_from(words.lives.len() - 1).unwrap());
    let mut left = Vec::new();
    loop {
        match words.get(me, Patience::Try) {
            Ok(message) => left.push(message),
            Err(Refused::NotNow | Refused::Closed) => return left,
            Err(refused) => panic!("{refused:?}"),
        }
    }
}
