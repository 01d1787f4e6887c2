//! `Stats`: what can be said of a queue.

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{Alive, Thread};

use crate::heap::Heap;
use crate::mapped::Mapped;
use crate::ring::{Memory, Ring};

/// What can be said of a queue at one moment.
///
/// The numbers are read one after the other while others work, so they need not fit together. Who the
/// users are, and what each does, [`participants`](crate::Queue::participants) tells.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// How many slots are taken.
    pub len: usize,
    /// How many slots there are.
    pub capacity: usize,
    /// Whether the queue is closed.
    pub closed: bool,
    /// How many living threads use the queue.
    pub users: usize,
    /// How many dead ones did, and were not replaced yet.
    pub dead_users: usize,
    /// How many messages were lost in the hands of the dead: half written or just taken.
    pub deaths_repaired: u64,
    /// How many blocks of memory hold large messages, in the queue or in somebody's hands.
    pub blocks: usize,
    /// How many bytes of memory there are for large messages, in use or kept for the next.
    pub bytes: u64,
    /// How many blocks were taken back from the dead.
    pub blocks_recovered: u64,
    /// Whether a getter may be asleep.
    pub getters_wait: bool,
    /// Whether a putter may be asleep.
    pub putters_wait: bool,
}

impl Stats {
    pub(crate) fn of(ring: &Mapped) -> Self {
        let count = |wanted: fn(Alive) -> bool| {
            ring.lives().iter().filter(|life| wanted(life.alive())).count()
        };
        let heap = Heap(ring).sweep(Thread::current());
        Self {
            len: Ring(ring).n_taken() as usize,
            capacity: ring.n_slots() as usize,
            closed: ring.bells().alarm.is_closed(),
            users: count(|alive| matches!(alive, Alive::Yes(_))),
            dead_users: count(|alive| alive == Alive::Died),
            deaths_repaired: ring.retired().load(Relaxed),
            blocks: heap.in_use,
            bytes: heap.backed,
            blocks_recovered: heap.recovered,
            getters_wait: ring.bells().items.is_waiting(),
            putters_wait: ring.bells().space.is_waiting() || ring.bells().memory.is_waiting(),
        }
    }
}
