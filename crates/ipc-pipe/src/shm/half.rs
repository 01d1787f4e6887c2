//! Halves: what each side has of each way. One writes and one reads, and neither knows of the other way.
//!
//! A half is what has a user: a process that claims its owner word by an exchange, for all its life. It has
//! a [door](super::door) of its own, at which it sleeps and is called, and so two halves of an end have
//! nothing to tell each other: threads or processes may have one each.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipc_core::Deadline;
use ipc_core::robust::Thread;

use super::door::Door;
use super::mapped::{Mapped, MappedWay, Role};
use super::owner::{Owner, claim, leave};
use super::ring::Partner;

/// One half of a way. `P` is its position in the ring.
#[derive(Debug)]
pub(crate) struct Half<P> {
    mapped: Mapped,
    /// From which end the way leads.
    from: usize,
    role: Role,
    door: Door,
    position: P,
    /// The process in which this handle has the half; zero if it has not got it yet.
    generation: u64,
}

impl<P: Default> Half<P> {
    pub(super) fn new(mapped: Mapped, from: usize, role: Role, bell: OwnedFd) -> Self {
        let (door, position) = (Door::new(bell), P::default());
        Self { mapped, from, role, door, position, generation: 0 }
    }
}

impl<P> Half<P> {
    /// Whether this handle has the half, in the process of that generation.
    #[inline]
    pub(super) const fn is_of(&self, generation: u64) -> bool {
        self.generation == generation
    }

    /// Whether this handle, or that which a forked child has a copy of, was used.
    pub(super) const fn was_used(&self) -> bool {
        self.generation != 0
    }

    /// Says to the other side that this process is about to have the half. `me` is its owner word.
    pub(super) fn announce(&self, me: u64) -> io::Result<()> {
        self.door.announce_owner(me)
    }

    /// Has the half from now on, if no other handle has it; whether this one has.
    pub(super) fn claim(&mut self, me: u64, generation: u64) -> bool {
        if !self.was_used() && claim(self.mapped.way_from(self.from).owner(self.role), me) {
            self.generation = generation;
        }
        self.is_of(generation)
    }

    /// The way, the position in it, and who has the other half.
    #[inline]
    pub(super) fn parts(&mut self) -> (MappedWay<'_>, &mut P, Other<'_>) {
        let way = self.mapped.way_from(self.from);
        let other = Other { door: &mut self.door, theirs: way.other(self.role) };
        (way, &mut self.position, other)
    }

    /// Who has the other half.
    pub(crate) fn other(&mut self) -> Other<'_> {
        self.parts().2
    }
}

impl<P> AsFd for Half<P> {
    /// The socket for calls.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.door.as_fd()
    }
}

impl<P> Drop for Half<P> {
    fn drop(&mut self) {
        // What a forked child has inherited, or nobody has used, is not left by this.
        if self.is_of(Thread::current().generation()) {
            leave(self.mapped.way_from(self.from).owner(self.role));
            self.door.call();
        }
    }
}

/// Who has the other half, as the ring asks for it.
pub(crate) struct Other<'c> {
    pub(crate) door: &'c mut Door,
    pub(crate) theirs: Owner<'c>,
}

impl Partner for Other<'_> {
    fn call(&self) {
        self.door.call();
    }

    fn sleep(&mut self, deadline: Deadline) -> bool {
        self.door.sleep(self.theirs, None, deadline)
    }

    fn is_gone(&mut self) -> bool {
        self.door.is_gone(self.theirs)
    }

    fn may_miss_sleepers(&mut self) {
        self.door.look_now_and_then();
    }
}
