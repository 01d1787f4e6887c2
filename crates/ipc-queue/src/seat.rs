//! Seats: how a thread sits down at a queue's table.
//!
//! A thread needs a seat to claim slots, so that its death shows in the seat's life word. It takes
//! one at its first operation on a queue and keeps it until it ends, or until the process has
//! dropped its last handle of the queue. A forked child sits down anew: the seats that it
//! remembers are its parent's.
//!
//! A seat keeps the queue's memory mapped, for the kernel's list of this thread leads through it.

#![expect(clippy::disallowed_types, reason = "a count of handles that never leaves the process")]

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use ipc_core::robust::Thread;

use crate::error::SeatError;
use crate::heap::Heap;
use crate::mapped::Mapped;
use crate::ring::slot::Owner;
use crate::ring::{Memory, Ring};

/// A ring, and how many handles of this process lead to it.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) ring: Mapped,
    n_handles: AtomicUsize,
}

/// A handle of this process to a ring.
#[derive(Debug)]
pub(crate) struct TableHandle(Arc<Table>);

/// A thread at a table: who may claim.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seated {
    pub(crate) me: Thread,
    pub(crate) owner: Owner,
}

/// A seat that this thread has taken.
struct Seat {
    table: Arc<Table>,
    owner: Owner,
    /// The generation of the process in which it was taken.
    generation: u64,
}

/// The seat that the thread used last.
#[derive(Clone, Copy)]
struct Last {
    table: *const Table,
    generation: u64,
    owner: Owner,
}

impl Last {
    const NONE: Self = Self { table: ptr::null(), generation: 0, owner: Owner::NOBODY };
}

thread_local! {
    static LAST: Cell<Last> = const { Cell::new(Last::NONE) };
    static SEATS: RefCell<Vec<Seat>> = const { RefCell::new(Vec::new()) };
}

impl TableHandle {
    pub(crate) fn new(ring: Mapped) -> Self {
        Self(Arc::new(Table { ring, n_handles: AtomicUsize::new(1) }))
    }

    pub(crate) fn ring(&self) -> &Mapped {
        &self.0.ring
    }

    /// The calling thread's seat, taken now if need be.
    #[inline]
    pub(crate) fn sit_down(&self) -> Result<Seated, SeatError> {
        let me = Thread::current();
        let last = LAST.get();
        if ptr::eq(last.table, Arc::as_ptr(&self.0)) && last.generation == me.generation() {
            return Ok(Seated { me, owner: last.owner });
        }
        self.find_seat(me)
    }

    #[cold]
    fn find_seat(&self, me: Thread) -> Result<Seated, SeatError> {
        let known = SEATS.try_with(|seats| {
            let mut seats = seats.borrow_mut();
            // What is left of queues that this process is done with, and of a parent's seats.
            seats.retain(|seat| seat.is_of_use(me));
            seats.iter().find(|seat| Arc::ptr_eq(&seat.table, &self.0)).map(|seat| seat.owner)
        });
        let owner = match known {
            Ok(Some(owner)) => owner,
            Ok(None) => self.take_seat(me)?,
            // The thread is past its destructors: the seat is kept until it has ended.
            Err(_) => self.take_seat(me)?,
        };
        LAST.set(Last { table: Arc::as_ptr(&self.0), generation: me.generation(), owner });
        Ok(Seated { me, owner })
    }

    fn take_seat(&self, me: Thread) -> Result<Owner, SeatError> {
        let owner = self.ring().claim_seat(me)?;
        let seat = Seat { table: Arc::clone(&self.0), owner, generation: me.generation() };
        let mut seat = Some(seat);
        SEATS.try_with(|seats| seats.borrow_mut().extend(seat.take())).ok();
        if let Some(homeless) = seat {
            // The thread ends before it could give the seat back; the kernel will mark it.
            Box::leak(Box::new(homeless));
        }
        Ok(owner)
    }
}

impl Clone for TableHandle {
    fn clone(&self) -> Self {
        self.0.n_handles.fetch_add(1, Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for TableHandle {
    fn drop(&mut self) {
        if self.0.n_handles.fetch_sub(1, Relaxed) == 1 {
            // The other threads' seats go when they next sit down somewhere, or end; and so may this
            // thread have some of queues whose last handle another thread has dropped.
            let mine = SEATS.try_with(|seats| {
                let mut seats = seats.try_borrow_mut().ok()?;
                let me = Thread::current();
                let of_no_use = seats.extract_if(.., |seat| !seat.is_of_use(me));
                Some(of_no_use.collect::<Vec<_>>())
            });
            drop(mine);
        }
    }
}

impl Seat {
    fn is_of_use(&self, me: Thread) -> bool {
        self.generation == me.generation() && self.table.n_handles.load(Relaxed) > 0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if ptr::eq(LAST.get().table, Arc::as_ptr(&self.table)) {
            LAST.set(Last::NONE);
        }
        let life = self.owner.seat().and_then(|seat| self.table.ring.life(seat));
        if let Some(life) = life {
            let me = Thread::current();
            // With a block in hand it is kept until the thread has ended: then it is a dead one's,
            // and so is the block.
            if life.is_held_by(me) && Heap(&self.table.ring).owns_any(self.owner) {
                return;
            }
            // In a forked child this does nothing: the seat is the parent's.
            life.leave(me);
        }
    }
}

impl Mapped {
    /// Takes a free seat for the calling thread, or that of a thread that died.
    fn claim_seat(&self, me: Thread) -> Result<Owner, SeatError> {
        let seats = || (0..self.shape().n_seats).zip(self.lives());
        for (seat, life) in seats() {
            if life.value() == 0 && Self::join(life, me)? {
                self.pend(me);
                Heap(self).arrive();
                me.pend_clear();
                return Ok(Owner::of_seat(seat));
            }
        }
        for (seat, life) in seats() {
            let owner = Owner::of_seat(seat);
            // Should this thread die before the dead one's claims are buried, who sleeps because of
            // them is woken: through the life word as soon as it is replaced, and from the next
            // step on through the alarm as well.
            if Self::replace(life, me)? {
                self.pend(me);
                Ring(self).bury(owner);
                me.pend_clear();
                // If somebody keeps the lock, what the dead one owned stays in use until this
                // thread's seat is given on.
                Heap(self).bury(owner, me).ok();
                return Ok(owner);
            }
        }
        Err(SeatError::AllTaken { n_seats: usize::from(self.shape().n_seats) })
    }
}
