//! Seats: how a thread sits down at a queue's table.
//!
//! A thread needs a seat to claim slots, so that its death shows in the seat's life word. It takes
//! one at its first operation on a queue and keeps it until it ends, or until the process has
//! dropped its last handle of the queue. A forked child sits down anew: the seats that it
//! remembers are its parent's.
//!
//! A seat keeps the queue's memory mapped, for the kernel's list of this thread leads through it. It
//! does not keep the process at its end of the queue: that is for the handles alone.

use std::cell::{Cell, RefCell};
use std::os::fd::AsFd as _;
use std::ptr;
use std::sync::Arc;
use std::task::Waker;

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::Thread;
use ipc_core::wire::serialize_fd;
use serde::{Deserializer, Serializer, de, ser};

use crate::ends::{End, Side};
use crate::error::{QueueError, SeatError};
use crate::heap::{Heap, Memory as _};
use crate::lease::Leases;
use crate::mapped::Mapped;
use crate::ring::slot::Owner;
use crate::ring::{Memory, Ring, planted};
use crate::watch::{News, Watches};

/// A ring as the handles of this process lead to it that are clones of one another.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) ring: Mapped,
    watches: Watches,
}

/// A handle of this process to a ring.
#[derive(Clone, Debug)]
pub(crate) struct TableHandle {
    table: Arc<Table>,
    /// Always there, until the handle is dropped.
    end: Option<Arc<End>>,
}

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

/// A seat that the thread used of late.
#[derive(Clone, Copy)]
struct Last {
    table: *const Table,
    generation: u64,
    /// How many handles had gone when it was found.
    n_gone: u64,
    owner: Owner,
}

impl Last {
    const NONE: Self = Self { table: ptr::null(), generation: 0, n_gone: 0, owner: Owner::NOBODY };

    /// Whose seat the calling thread has at a table, if this is it. If a queue has lost its last handle here
    /// meanwhile, the thread looks through its seats first, and lets go of those that are of no use.
    #[inline]
    fn owner_at(&self, table: *const Table, me: Thread) -> Option<Owner> {
        let is_current = self.generation == me.generation() && self.n_gone == N_GONE.load(Relaxed);
        (ptr::eq(self.table, table) && is_current).then_some(self.owner)
    }

    /// Keeps it in place of another.
    fn keep(self) {
        // One of a parent's, in a forked child, is of no use.
        Self::forget(self.table);
        let at = NEXT.get();
        LAST.with(|last| last.get(at).map(|place| place.set(self)));
        NEXT.set((at + 1) % N_LAST);
    }

    /// Forgets that at a table.
    fn forget(table: *const Table) {
        LAST.with(|last| {
            let at_table = last.iter().filter(|place| ptr::eq(place.get().table, table));
            at_table.for_each(|place| place.set(Self::NONE));
        });
    }
}

/// So many seats a thread finds at once: at the ends of a few queues that it goes to in turn.
const N_LAST: usize = 4;

/// How many times the last handle of its kind has gone: a word of this process.
#[expect(clippy::disallowed_types, reason = "the count never leaves the process")]
static N_GONE: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);

thread_local! {
    static LAST: [Cell<Last>; N_LAST] = const { [const { Cell::new(Last::NONE) }; N_LAST] };
    /// Which of them is forgotten next.
    static NEXT: Cell<usize> = const { Cell::new(0) };
    static SEATS: RefCell<Vec<Seat>> = const { RefCell::new(Vec::new()) };
}

impl TableHandle {
    fn new(mut ring: Mapped, end: End) -> Self {
        let end = Arc::new(end);
        ring.set_end(Arc::downgrade(&end));
        Self { table: Arc::new(Table { ring, watches: Watches::default() }), end: Some(end) }
    }

    #[inline]
    pub(crate) fn ring(&self) -> &Mapped {
        &self.table.ring
    }

    /// A handle on a side of its own to the same ring, of values with that hash.
    pub(crate) fn on_side(&self, type_hash: u64, side: Side) -> Result<Self, QueueError> {
        let mut ring = Mapped::open(self.ring().segment().clone(), type_hash)?;
        ring.set_tuning(self.ring().tuning());
        Self::enter(ring, side)
    }

    /// The first handle on a side to a ring.
    pub(crate) fn enter(ring: Mapped, side: Side) -> Result<Self, QueueError> {
        let end = End::enter(ring.segment(), side)?;
        Ok(Self::new(ring, end))
    }

    /// Calls `waker` once, as soon as the news may have come.
    pub(crate) fn call(&self, news: News, waker: &Waker) {
        self.table.watches.call(news, waker, || self.ring().for_observer());
    }

    pub(crate) fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.end {
            Some(end) => serialize_fd(end.as_fd(), serializer),
            None => Err(ser::Error::custom("the handle was dropped")),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
        type_hash: u64,
        side: Side,
    ) -> Result<Self, D::Error> {
        let (segment, end) = End::deserialize(deserializer, side)?;
        let ring = Mapped::open(segment, type_hash).map_err(de::Error::custom)?;
        Ok(Self::new(ring, end))
    }

    /// The calling thread's seat, taken now if need be.
    #[inline]
    pub(crate) fn sit_down(&self) -> Result<Seated, SeatError> {
        let me = Thread::current();
        let table = Arc::as_ptr(&self.table);
        // The loops of who has one queue go through here: one look, and no more, is what they are quick with.
        match LAST.with(|[first, ..]| first.get().owner_at(table, me)) {
            Some(owner) => Ok(Seated { me, owner }),
            None => self.sit_down_again(me),
        }
    }

    /// The calling thread's seat, if it was at other tables as well.
    #[inline(never)]
    fn sit_down_again(&self, me: Thread) -> Result<Seated, SeatError> {
        let table = Arc::as_ptr(&self.table);
        let known = LAST
            .with(|[_, others @ ..]| others.iter().find_map(|last| last.get().owner_at(table, me)));
        match known {
            Some(owner) => Ok(Seated { me, owner }),
            None => self.find_seat(me),
        }
    }

    #[cold]
    fn find_seat(&self, me: Thread) -> Result<Seated, SeatError> {
        let n_gone = N_GONE.load(Relaxed);
        let known = SEATS.try_with(|seats| {
            let mut seats = seats.borrow_mut();
            // What is left of queues that this process is done with, and of a parent's seats.
            seats.retain(|seat| seat.is_of_use(me));
            seats.iter().find(|seat| Arc::ptr_eq(&seat.table, &self.table)).map(|seat| seat.owner)
        });
        let owner = match known {
            Ok(Some(owner)) => owner,
            Ok(None) => self.take_seat(me)?,
            // The thread is past its destructors: the seat is kept until it has ended.
            Err(_) => self.take_seat(me)?,
        };
        let (table, generation) = (Arc::as_ptr(&self.table), me.generation());
        Last { table, generation, n_gone, owner }.keep();
        Ok(Seated { me, owner })
    }

    fn take_seat(&self, me: Thread) -> Result<Owner, SeatError> {
        let owner = self.ring().claim_seat(me)?;
        let seat = Seat { table: Arc::clone(&self.table), owner, generation: me.generation() };
        let mut seat = Some(seat);
        SEATS.try_with(|seats| seats.borrow_mut().extend(seat.take())).ok();
        if let Some(homeless) = seat {
            // The thread ends before it could give the seat back; the kernel will mark it.
            Box::leak(Box::new(homeless));
        }
        Ok(owner)
    }
}

impl Drop for TableHandle {
    fn drop(&mut self) {
        let Some(end) = self.end.take().and_then(Arc::into_inner) else { return };
        // It was the last of its kind in this process.
        let me = Thread::current();
        let side = end.side();
        self.table.watches.end();
        if planted::LEAVE_PENDS {
            self.ring().pend(me);
        }
        if planted::TELLS_FIRST {
            Ring(self.ring()).tell_left(side.can_get());
        }
        drop(end);
        if !planted::TELLS_FIRST {
            Ring(self.ring()).tell_left(side.can_get());
        }
        me.pend_clear();
        N_GONE.fetch_add(1, Relaxed);
        // The other threads' seats go when they next sit down somewhere, or end; and so may this
        // thread have some of queues whose last handle another thread has dropped.
        let mine = SEATS.try_with(|seats| {
            let mut seats = seats.try_borrow_mut().ok()?;
            let of_no_use = seats.extract_if(.., |seat| !seat.is_of_use(me));
            Some(of_no_use.collect::<Vec<_>>())
        });
        drop(mine);
    }
}

impl Seat {
    fn is_of_use(&self, me: Thread) -> bool {
        self.generation == me.generation() && self.table.ring.end().strong_count() > 0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        Last::forget(Arc::as_ptr(&self.table));
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
                let owner = Owner::of_seat(seat);
                self.introduce(owner);
                self.pend(me);
                Heap(self).arrive();
                if self.is_joinable() {
                    Leases(self).arrive();
                }
                me.pend_clear();
                return Ok(owner);
            }
        }
        for (seat, life) in seats() {
            let owner = Owner::of_seat(seat);
            // Should this thread die before the dead one's claims are buried, who sleeps because of
            // them is woken: through the life word as soon as it is replaced, and from the next
            // step on through the alarm as well.
            if Self::replace(life, me)? {
                self.introduce(owner);
                self.pend(me);
                Ring(self).bury(owner);
                if self.is_joinable() {
                    Leases(self).bury(owner);
                }
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
