//! `Participant`: who uses a queue, and what it has done.
//!
//! Each thread notes it on the line of its own life word, by plain stores: nobody else writes there,
//! and no protocol rests on it. Notes are read like all that others can write: they are numbers, and may
//! be any.

use ipc_core::ProcessId;
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{Alive, Life};

use crate::mapped::Mapped;
use crate::ring::slot::Owner;
use crate::ring::{Memory as _, WaitsFor};

/// A thread that uses a queue, as far as it has told.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Participant {
    /// The process, by its number.
    pub pid: u32,
    /// The thread, by the system's number; none if it died.
    pub tid: Option<u32>,
    /// How many messages it has put since it first used the queue.
    pub puts: u64,
    /// How many messages it has got.
    pub gets: u64,
    /// Whether it waits for a message, or did when it died.
    pub waits_to_get: bool,
    /// Whether it waits for a slot to put into, or did when it died.
    pub waits_to_put: bool,
}

/// Which of the notes is which.
const PID: usize = 0;
const WAITS: usize = 1;
const PUTS: usize = 0;
const GETS: usize = 1;

const WAITS_TO_GET: u32 = 1;
const WAITS_TO_PUT: u32 = 2;

impl Participant {
    /// Who holds that life word or did, if anybody.
    pub(crate) fn of(life: &Life) -> Option<Self> {
        let tid = match life.alive() {
            Alive::Nobody => return None,
            Alive::Yes(tid) => Some(tid),
            Alive::Died => None,
        };
        let waits = life.small_notes()[WAITS].load(Relaxed);
        Some(Self {
            pid: life.small_notes()[PID].load(Relaxed),
            tid,
            puts: life.notes()[PUTS].load(Relaxed),
            gets: life.notes()[GETS].load(Relaxed),
            waits_to_get: waits == WAITS_TO_GET,
            waits_to_put: waits == WAITS_TO_PUT,
        })
    }
}

/// Notes who has just taken a seat: the calling thread.
pub(crate) fn introduce(life: &Life) {
    let pid = ProcessId::current().map_or(0, ProcessId::pid);
    life.small_notes()[PID].store(pid, Relaxed);
    life.small_notes()[WAITS].store(0, Relaxed);
    life.notes()[PUTS].store(0, Relaxed);
    life.notes()[GETS].store(0, Relaxed);
}

/// Notes what the calling thread, whose life word it is, waits for.
pub(crate) fn note_waiting(life: &Life, what: WaitsFor) {
    let waits = match what {
        WaitsFor::Nothing => 0,
        WaitsFor::Message => WAITS_TO_GET,
        WaitsFor::Room => WAITS_TO_PUT,
    };
    life.small_notes()[WAITS].store(waits, Relaxed);
}

impl Mapped {
    /// Counts a message that the calling thread, which is `me`, has put.
    #[inline]
    pub(crate) fn count_put(&self, me: Owner) {
        self.count(me, PUTS);
    }

    /// Counts a message that the calling thread, which is `me`, has got.
    #[inline]
    pub(crate) fn count_get(&self, me: Owner) {
        self.count(me, GETS);
    }

    #[inline]
    fn count(&self, me: Owner, which: usize) {
        if let Some(life) = me.seat().and_then(|seat| self.life(seat)) {
            let count: &AtomicU64 = &life.notes()[which];
            // Nobody else writes there, so no exchange is needed.
            count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }
}
