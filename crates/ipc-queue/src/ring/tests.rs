//! Attempts that are outrun: a ring whose words others change at each look that is taken at them.

#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::cell::Cell;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::Life;

use super::bells::Bells;
use super::position::{Position, PositionWord};
use super::slot::{Owner, SlotWord};
use super::{Memory, Notes, Patience, Refused, Ring, Tuning};

/// Who is under test.
fn me() -> Owner {
    Owner::of_seat(0)
}

/// Who is faster.
fn other() -> Owner {
    Owner::of_seat(1)
}

/// What others do when a slot with this index is about to be looked at.
type Others<'o> = Box<dyn Fn(&Busy<'_>, u32) + 'o>;

/// A ring in private memory, and what others do to it each time that this thread is about to look
/// at a slot.
struct Busy<'o> {
    tail: PositionWord,
    head: PositionWord,
    bells: Bells,
    slots: Vec<SlotWord>,
    /// The least length of a lap.
    lap: u32,
    lives: [Life; 1],
    retired: AtomicU64,
    notes: Notes,
    others: Others<'o>,
    /// The others are at work themselves, or are not there.
    is_quiet: Cell<bool>,
    n_looks: Cell<u64>,
}

impl<'o> Busy<'o> {
    fn new(n_slots: usize, others: impl Fn(&Busy<'_>, u32) + 'o) -> Self {
        Self {
            tail: PositionWord::default(),
            head: PositionWord::default(),
            bells: Bells::default(),
            slots: (0..n_slots).map(|_| SlotWord::default()).collect(),
            lap: u32::try_from(n_slots).unwrap(),
            lives: [Life::new()],
            retired: AtomicU64::new(0),
            notes: Notes::default(),
            others: Box::new(others),
            is_quiet: Cell::new(false),
            n_looks: Cell::new(0),
        }
    }

    /// What others do in the meantime.
    fn meanwhile(&self, index: u32) {
        if !self.is_quiet.replace(true) {
            self.n_looks.set(self.n_looks.get() + 1);
            (self.others)(self, index);
            self.is_quiet.set(false);
        }
    }

    /// Another's put, at whatever place it is its turn.
    fn put(&self) {
        let ring = Ring(self);
        ring.commit(ring.claim_put(other()).unwrap());
    }

    /// Another's get.
    fn get(&self) {
        let ring = Ring(self);
        ring.release(ring.claim_get(other()).unwrap());
    }
}

impl Memory for Busy<'_> {
    fn n_slots(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap()
    }
    fn lap(&self) -> u32 {
        self.lap
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
        self.meanwhile(index);
        &self.slots[index as usize]
    }
    fn life(&self, seat: u16) -> Option<&Life> {
        self.lives.get(usize::from(seat))
    }
    fn retired(&self) -> &AtomicU64 {
        &self.retired
    }
    fn tuning(&self) -> Tuning {
        Tuning::NONE
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

const FOREVER: Patience = Patience::Until(Deadline::NEVER);

/// More often than any number of steps that one might be content with.
const LONG: u64 = 2_000_000;

#[test]
fn a_putter_that_is_outrun_goes_on_until_it_succeeds() {
    let busy = Busy::new(4, |busy, _| {
        if busy.n_looks.get() < LONG {
            busy.put();
            busy.get();
        }
    });
    let claim = Ring(&busy).put(me(), FOREVER).unwrap();
    assert!(busy.n_looks.get() >= LONG);
    Ring(&busy).commit(claim);
}

#[test]
fn a_getter_that_is_outrun_goes_on_until_it_succeeds() {
    let busy = Busy::new(4, |busy, _| {
        if busy.n_looks.get() == 1 {
            busy.put();
        }
        if busy.n_looks.get() < LONG {
            busy.put();
            busy.get();
        }
    });
    let claim = Ring(&busy).get(me(), FOREVER).unwrap();
    assert!(busy.n_looks.get() >= LONG);
    Ring(&busy).release(claim);
}

#[test]
fn one_that_does_not_wait_gives_up_if_it_is_always_outrun() {
    let busy = Busy::new(4, |busy, _| {
        busy.put();
        busy.get();
    });
    let put = Ring(&busy).put(me(), Patience::Try);
    assert_eq!(put.unwrap_err(), Refused::NotNow);
    assert!(busy.n_looks.get() > 100_000, "but not soon");
}

#[test]
fn one_that_is_always_outrun_goes_home_at_its_deadline_and_not_long_after() {
    let deadline = Deadline::after(Duration::from_millis(30));
    let n_late = Cell::new(0_u64);
    let busy = Busy::new(4096, |busy, _| {
        n_late.set(n_late.get() + u64::from(deadline.is_past()));
        busy.put();
        busy.get();
    });
    let put = Ring(&busy).put(me(), Patience::Until(deadline));
    assert_eq!(put.unwrap_err(), Refused::TimedOut);
    assert!(n_late.get() < 20_000, "{} looks after the deadline", n_late.get());
}

#[test]
fn the_dead_of_a_whole_lap_are_passed() {
    const ALL: u32 = 4095;
    let busy = Busy::new(ALL as usize, |_, _| {});
    let ring = Ring(&busy);
    for _ in 0..ALL {
        busy.put();
        ring.claim_get(Owner::GRAVE).unwrap();
    }
    for n_dead in 1..=ALL {
        busy.put();
        assert_eq!(busy.retired.load(Relaxed), n_dead.into());
    }
    assert_eq!(ring.put(me(), Patience::Try).unwrap_err(), Refused::NotNow);
}

#[test]
fn a_lap_is_as_long_as_it_must_be() {
    let mut busy = Busy::new(8, |_, _| {});
    busy.lap = 2;
    let index = |busy: &Busy<'_>| busy.tail.look().index();
    let ring = Ring(&busy);
    // Nothing is got: the lap goes on until there is no slot left.
    for n_put in 1..8 {
        busy.put();
        assert_eq!((index(&busy), ring.n_taken()), (n_put, n_put));
    }
    busy.put();
    assert_eq!((index(&busy), ring.n_taken()), (0, 8));
    assert_eq!(ring.put(me(), Patience::Try).unwrap_err(), Refused::NotNow);
    for left in (0..8).rev() {
        busy.get();
        assert_eq!(ring.n_taken(), left);
    }
    // As fast as it is put: laps have their least length.
    for n_put in 1..20 {
        busy.put();
        busy.get();
        assert_eq!(index(&busy), n_put % 2);
    }
    // One is left behind each time: a lap ends where the first slot is free.
    busy.put();
    for _ in 0..200 {
        busy.put();
        busy.get();
        assert!(index(&busy) < 4, "{}", index(&busy));
        assert_eq!(ring.n_taken(), 1);
    }
    // The dead at the first slot do not make the laps longer.
    busy.get();
    while index(&busy) != 0 {
        busy.put();
        busy.get();
    }
    busy.put();
    ring.claim_get(Owner::GRAVE).unwrap();
    for _ in 0..20 {
        busy.put();
        busy.get();
        assert!(index(&busy) < 4, "{}", index(&busy));
    }
    assert_eq!(busy.retired.load(Relaxed), 1);
}

#[test]
fn a_slot_that_was_passed_by_for_half_of_all_numbers_is_free() {
    const FAR: u64 = 1 << 38;
    for number in [FAR - 1, FAR, FAR + 5, 2 * FAR - 2, 2 * FAR - 1] {
        let mut busy = Busy::new(4, |_, _| {});
        busy.lap = 1;
        // The slots are as they were at first.
        let at = Position::new(number, 0);
        busy.tail.help(Position::new(0, 0), at);
        busy.head.help(Position::new(0, 0), at);
        let ring = Ring(&busy);
        assert_eq!(ring.get(me(), Patience::Try).unwrap_err(), Refused::NotNow, "{number}");
        for n_put in 1..=4 {
            busy.put();
            assert_eq!(ring.n_taken(), n_put, "{number}");
        }
        assert_eq!(ring.put(me(), Patience::Try).unwrap_err(), Refused::NotNow);
        for left in (0..4).rev() {
            busy.get();
            assert_eq!(ring.n_taken(), left, "{number}");
        }
        assert_eq!(ring.get(me(), Patience::Try).unwrap_err(), Refused::NotNow, "{number}");
    }
}
