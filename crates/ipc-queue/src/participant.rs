//! `Participant`: who uses a queue, and what it has done.
//!
//! Each thread notes it on a line of its own, by plain stores: nobody else writes there, and no
//! protocol rests on it. It is not the line of its life word, at which others look while they wait for
//! the thread: each note would fetch it back. Notes are read like all that others can write: they are
//! numbers, and may be any.

use ipc_core::ProcessId;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{AtomicU32, AtomicU64};
use ipc_core::robust::{Alive, Life};

use crate::mapped::Mapped;
use crate::ring::WaitsFor;
use crate::ring::slot::Owner;

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

/// What the thread in a seat has noted.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Notes {
    pid: AtomicU32,
    waits: AtomicU32,
    puts: AtomicU64,
    gets: AtomicU64,
}

const WAITS_TO_GET: u32 = 1;
const WAITS_TO_PUT: u32 = 2;

impl Participant {
    /// Who holds that life word or did, if anybody, and what it has noted.
    fn of(life: &Life, notes: &Notes) -> Option<Self> {
        let tid = match life.alive() {
            Alive::Nobody => return None,
            Alive::Yes(tid) => Some(tid),
            Alive::Died => None,
        };
        let waits = notes.waits.load(Relaxed);
        Some(Self {
            pid: notes.pid.load(Relaxed),
            tid,
            puts: notes.puts.load(Relaxed),
            gets: notes.gets.load(Relaxed),
            waits_to_get: waits == WAITS_TO_GET,
            waits_to_put: waits == WAITS_TO_PUT,
        })
    }
}

impl Notes {
    /// Notes that the calling thread has just taken the seat.
    fn begin(&self) {
        let pid = ProcessId::current().map_or(0, ProcessId::pid);
        self.pid.store(pid, Relaxed);
        self.waits.store(0, Relaxed);
        self.puts.store(0, Relaxed);
        self.gets.store(0, Relaxed);
    }

    fn set_waiting(&self, what: WaitsFor) {
        let waits = match what {
            WaitsFor::Nothing => 0,
            WaitsFor::Message => WAITS_TO_GET,
            WaitsFor::Room => WAITS_TO_PUT,
        };
        self.waits.store(waits, Relaxed);
    }
}

/// Counts one more on a word that nobody else writes to, so that no exchange is needed.
#[inline]
fn count(word: &AtomicU64) {
    word.store(word.load(Relaxed).wrapping_add(1), Relaxed);
}

impl Mapped {
    /// Who sits at the table, and the dead not yet replaced.
    pub(crate) fn participants(&self) -> Vec<Participant> {
        let seats = self.lives().iter().zip(self.all_notes());
        seats.filter_map(|(life, notes)| Participant::of(life, notes)).collect()
    }

    /// Who `owner` is, if it is somebody at the table, or was.
    pub(crate) fn participant(&self, owner: Owner) -> Option<Participant> {
        let seat = usize::from(owner.seat()?);
        Participant::of(self.lives().get(seat)?, self.all_notes().get(seat)?)
    }

    /// Notes who has just taken a seat: the calling thread, which is `me`.
    pub(crate) fn introduce(&self, me: Owner) {
        if let Some(notes) = self.notes_of(me) {
            notes.begin();
        }
    }

    /// Notes what the calling thread, which is `me`, waits for.
    pub(crate) fn set_waiting(&self, me: Owner, what: WaitsFor) {
        if let Some(notes) = self.notes_of(me) {
            notes.set_waiting(what);
        }
    }

    /// Counts a message that the calling thread, which is `me`, has put.
    #[inline]
    pub(crate) fn count_put(&self, me: Owner) {
        if let Some(notes) = self.notes_of(me) {
            count(&notes.puts);
        }
    }

    /// Counts a message that the calling thread, which is `me`, has got.
    #[inline]
    pub(crate) fn count_get(&self, me: Owner) {
        if let Some(notes) = self.notes_of(me) {
            count(&notes.gets);
        }
    }

    #[inline]
    fn notes_of(&self, me: Owner) -> Option<&Notes> {
        self.all_notes().get(usize::from(me.seat()?))
    }
}
