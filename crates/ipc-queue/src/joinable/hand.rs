//! An item in the hands of a thread, whatever type it has.

use std::marker::PhantomData;
use std::thread::panicking;

use ipc_core::robust::Thread;
use ipc_core::wire::Scratch;

use super::LeaseError;
use crate::error::GetError;
use crate::heap::Heap;
use crate::heap::Memory as _;
use crate::lease::{Held, Leases};
use crate::mapped::Mapped;
use crate::ring::Patience;
use crate::seat::{Seated, TableHandle};

/// An item that this thread has taken. Dropped, it is finished; dropped by a panic that came after it
/// was taken, it is given back.
#[derive(Debug)]
pub(super) struct Hand<'q> {
    ring: &'q Mapped,
    held: Held,
    /// The generation of the process in which it was taken.
    generation: u64,
    was_panicking: bool,
    is_settled: bool,
    /// The thread's death shows in its seat, so the item cannot go to another.
    of_this_thread: PhantomData<*mut ()>,
}

impl<'q> Hand<'q> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a result in memory takes longer")]
    pub(super) fn take(table: &'q TableHandle, patience: Patience) -> Result<Self, GetError> {
        let ring = table.ring();
        let Seated { me, owner } = table.sit_down()?;
        ring.pend(me);
        let taken = Leases(ring).take(owner, me, patience);
        me.pend_clear();
        let held = taken.map_err(crate::ring::Refused::of_get)?;
        ring.count_get(owner);
        Ok(Self {
            ring,
            held,
            generation: me.generation(),
            was_panicking: panicking(),
            is_settled: false,
            of_this_thread: PhantomData,
        })
    }

    /// Copies the item into `bytes`, which is empty.
    #[inline]
    pub(super) fn read(&self, bytes: &mut Scratch) -> Result<(), GetError> {
        let id = self.held.id;
        let len = self.ring.block(id).len();
        let len = match usize::try_from(len) {
            Ok(whole) if len <= Heap(self.ring).backed(id) => whole,
            _ => return Err(GetError::Corrupt),
        };
        let is_read = if len <= Scratch::SHORT {
            self.ring.read_block_to(id, bytes.short(len)).is_ok()
        } else {
            let bytes = bytes.long();
            bytes.try_reserve_exact(len).is_ok() && self.ring.read_block(id, len, bytes).is_ok()
        };
        if is_read { Ok(()) } else { Err(GetError::NoMemory { len }) }
    }

    pub(super) fn deliveries(&self) -> u32 {
        self.held.lease.deliveries().into()
    }

    /// Finishes the item.
    #[inline]
    pub(super) fn done(self) -> Result<(), LeaseError> {
        self.settle(|leases, held, me| leases.finish(held, me))
    }

    /// Gives the item back.
    pub(super) fn fail(self) -> Result<(), LeaseError> {
        self.settle(|leases, held, me| leases.give_up(held, me))
    }

    #[inline]
    fn settle(
        mut self,
        settle: impl FnOnce(Leases<'q, Mapped>, Held, Thread) -> bool,
    ) -> Result<(), LeaseError> {
        self.is_settled = true;
        let me = Thread::current();
        if me.generation() != self.generation {
            return Err(LeaseError::Inherited);
        }
        if settle(Leases(self.ring), self.held, me) { Ok(()) } else { Err(LeaseError::Lost) }
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        let me = Thread::current();
        if self.is_settled || me.generation() != self.generation {
            return;
        }
        let leases = Leases(self.ring);
        // If it is not the thread's any more, somebody has scribbled over it, and nobody is to be told.
        let _ = if panicking() && !self.was_panicking {
            leases.give_up(self.held, me)
        } else {
            leases.finish(self.held, me)
        };
    }
}
