//! Who owns a name: the process that made it, as long as it lives.
//!
//! The owner is counted by the kernel ([`Presence`]), so its death is a fact. Who finds a name
//! without an owner takes it away, in its turn at the block itself and with a mark there: of two who
//! find it, one takes it away, and neither takes away what somebody has made under that name since.

use std::io;
use std::sync::{Mutex, PoisonError};

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Deadline, Presence, ProcessId, Segment, SegmentError};

use super::{GONE, KEPT, MARK, MemoryError};
use crate::place::Place;
use crate::raw::planted::faces::LOOKS_FOR_OWNERS;

/// The role of the owner.
const OWNS: core::ops::Range<u32> = 0..1;
/// The role of who asks whether there is an owner.
const ASKS: core::ops::Range<u32> = 1..2;

/// A name, and the process that owns it.
#[derive(Debug)]
pub(super) struct Owner {
    process: ProcessId,
    /// The name, until it is taken away or given up.
    name: Mutex<Option<String>>,
    /// For others to see that we live.
    _presence: Presence,
}

/// Begins to own a segment that nobody else has seen.
pub(super) fn enter(segment: &Segment) -> io::Result<Presence> {
    Presence::enter(segment, OWNS)
}

/// Whether the owner of a name has died; then the name is taken away.
pub(super) fn has_died(segment: &Segment, place: &Place, name: &str) -> Result<bool, SegmentError> {
    let Some(mark) = place.words().get(MARK) else { return Ok(false) };
    let asker = Presence::enter(segment, ASKS)?;
    if !LOOKS_FOR_OWNERS || mark.load(Relaxed) == KEPT || asker.is_anybody_else(OWNS)? {
        return Ok(false);
    }
    // Where somebody keeps the turn, the name stays for now.
    let Ok(_turn) = place.turn(Deadline::after(core::time::Duration::from_secs(1))) else {
        return Ok(false);
    };
    match mark.load(Relaxed) {
        KEPT => Ok(false),
        GONE => Ok(true),
        _ => {
            // First the name: if we die in between, the next one does it.
            match Segment::unlink(name) {
                Ok(()) | Err(SegmentError::NotFound) => {}
                Err(error) => return Err(error),
            }
            mark.store(GONE, Relaxed);
            Ok(true)
        }
    }
}

impl Owner {
    pub(super) fn new(name: &str, presence: Presence) -> io::Result<Self> {
        let name = Mutex::new(Some(name.to_owned()));
        Ok(Self { process: ProcessId::current()?, name, _presence: presence })
    }

    /// Takes the name away.
    pub(super) fn unlink(&self) -> Result<(), MemoryError> {
        let name = self.take()?;
        Ok(Segment::unlink(&name.ok_or(SegmentError::NotFound)?)?)
    }

    /// Lets the name be.
    pub(super) fn give_up(&self) -> Result<(), MemoryError> {
        self.take().map(drop)
    }

    fn take(&self) -> Result<Option<String>, MemoryError> {
        // A forked child owns nothing of its parent's.
        if ProcessId::current()? != self.process {
            return Err(MemoryError::NotOwner);
        }
        Ok(self.name.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Whoever has taken it away before us has done what we want.
        self.unlink().ok();
    }
}
