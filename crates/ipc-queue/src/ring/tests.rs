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
    /// How many slots make a chunk, and how many slots there are now.
    chunk: u32,
    n_slots: Cell<u32>,
    lives: [Life; 1],
    retired: AtomicU64,
    notes: Notes,
    tuning: Tuning,
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
            chunk: u32::try_from(n_slots).unwrap(),
            n_slots: Cell::new(u32::try_from(n_slots).unwrap()),
            lives: [Life::new()],
            retired: AtomicU64::new(0),
            notes: Notes::default(),
            tuning: Tuning::NONE,
            others: Box::new(others),
            is_quiet: Cell::new(false),
            n_looks: Cell::new(0),
        }
    }

    /// One that grows from two chunks to `n_chunks`, in which nobody else is.
    fn growing(chunk: u32, n_chunks: u32) -> Self {
        let new = Self::new((chunk * n_chunks) as usize, |_, _| {});
        Self { chunk, n_slots: Cell::new(2 * chunk), ..new }
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
        self.n_slots.get()
    }
    fn chunk(&self) -> u32 {
        self.chunk
    }
    fn grows(&self) -> bool {
        (self.chunk as usize) < self.slots.len()
    }
    fn grow(&self, n_slots: u32) -> bool {
        assert!(self.n_slots.get() >= n_slots);
        let may = (n_slots as usize) < self.slots.len();
        self.n_slots.update(|now| if may { now.max(n_slots + self.chunk) } else { now });
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
        self.tuning
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

/// More often than any number of steps that one might be content with; where each takes long, fewer.
const LONG: u64 = if cfg!(miri) { 2000 } else { 2_000_000 };

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
    // The second gives way at each loss.
    for tuning in [Tuning::NONE, Tuning::DEFAULT] {
        let deadline = Deadline::after(Duration::from_millis(30));
        let n_late = Cell::new(0_u64);
        let busy = Busy::new(4096, |busy, _| {
            n_late.set(n_late.get() + u64::from(deadline.is_past()));
            busy.put();
            busy.get();
        });
        let put = Ring(&Busy { tuning, ..busy }).put(me(), Patience::Until(deadline));
        assert_eq!(put.unwrap_err(), Refused::TimedOut);
        assert!(n_late.get() < 20_000, "{} looks after the deadline", n_late.get());
    }
}

#[test]
fn the_dead_of_a_whole_lap_are_passed() {
    const ALL: u32 = if cfg!(miri) { 60 } else { 4095 };
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
fn a_ring_grows_as_long_as_it_must_and_may() {
    let busy = Busy::growing(2, 5);
    let ring = Ring(&busy);
    // Nothing is got: there is room for all slots but the last, behind which no chunk is free.
    for n_put in 1..10 {
        busy.put();
        assert_eq!(ring.n_taken(), n_put);
    }
    assert_eq!(busy.n_slots.get(), 10);
    assert_eq!(ring.put(me(), Patience::Try).unwrap_err(), Refused::NotNow);
    // One slot of two: no chunk is free yet.
    busy.get();
    assert_eq!(ring.put(me(), Patience::Try).unwrap_err(), Refused::NotNow);
    busy.get();
    for _ in 0..2 {
        busy.put();
    }
    assert_eq!(ring.put(me(), Patience::Try).unwrap_err(), Refused::NotNow);
    for left in (0..9).rev() {
        busy.get();
        assert_eq!(ring.n_taken(), left);
    }
    assert_eq!(ring.get(me(), Patience::Try).unwrap_err(), Refused::NotNow);
}

#[test]
fn a_ring_in_which_little_is_stays_as_it_is() {
    let busy = Busy::growing(4, 8);
    let ring = Ring(&busy);
    for n_kept in 0..4_u32 {
        for _ in 0..100 {
            busy.put();
            busy.get();
            assert!(busy.tail.look().index() < 8, "two chunks will do");
            assert_eq!(ring.n_taken(), n_kept);
        }
        busy.put();
    }
    assert_eq!(busy.n_slots.get(), 8);
    // Much for once, and then little again: what there is is used again, from the beginning.
    for _ in 0..20 {
        busy.put();
    }
    let grown = busy.n_slots.get();
    assert!((24..=32).contains(&grown), "{grown}");
    for _ in 0..24 {
        busy.get();
    }
    for n_put in 0..100 {
        busy.put();
        busy.get();
        assert!(busy.tail.look().index() < 8 || n_put < 8, "{}", busy.tail.look().index());
    }
    assert_eq!(busy.n_slots.get(), grown);
}

#[test]
fn any_order_of_puts_and_gets_is_a_queue() {
    for seed in 0..if cfg!(miri) { 4 } else { 200_u64 } {
        let busy = Busy::growing(
            1 + u32::try_from(seed % 3).unwrap(),
            2 + u32::try_from(seed % 5).unwrap(),
        );
        let ring = Ring(&busy);
        let least = busy.slots.len() - busy.chunk as usize;
        let (mut random, mut put, mut got) = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, 0, 0);
        for _ in 0..500 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let left = usize::try_from(put - got).unwrap();
            if random >> 33 & 3 < 2 {
                match ring.put(me(), Patience::Try) {
                    Ok(claim) => {
                        assert_eq!(claim.at.number(), put);
                        ring.commit(claim);
                        put += 1;
                    }
                    Err(refused) => {
                        assert!(refused == Refused::NotNow && left >= least, "{refused:?}: {left}");
                    }
                }
            } else {
                match ring.get(me(), Patience::Try) {
                    Ok(claim) => {
                        assert_eq!(claim.at.number(), got);
                        ring.release(claim);
                        got += 1;
                    }
                    Err(refused) => {
                        assert!(refused == Refused::NotNow && left == 0, "{refused:?}: {left}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_chunk_whose_last_message_is_in_somebodys_hands_is_used_if_there_is_no_other() {
    let busy = Busy::growing(2, 2);
    let ring = Ring(&busy);
    // The first chunk is left behind, but for its last slot.
    busy.put();
    busy.put();
    busy.get();
    let slow = ring.claim_get(Owner::of_seat(7)).unwrap();
    busy.put();
    busy.put();
    assert_eq!(busy.tail.look().index(), 0);
    // It belongs to nobody who lives, so its claim is retired where the tail comes to it.
    busy.put();
    busy.get();
    busy.get();
    busy.put();
    assert_eq!(busy.retired.load(Relaxed), 1);
    assert_eq!(slow.at.index(), 1);
}

#[test]
fn a_hole_at_the_end_of_the_first_chunk_is_passed_by_a_putter() {
    let busy = Busy::growing(1, 3);
    let ring = Ring(&busy);
    // Holes everywhere, and nobody who gets.
    for n_put in 0..20 {
        let claim = ring.claim_put(Owner::of_seat(7)).unwrap();
        assert_eq!(claim.at.number(), n_put);
    }
    assert!(busy.retired.load(Relaxed) >= 18);
    busy.put();
    busy.get();
    assert_eq!(ring.get(me(), Patience::Try).unwrap_err(), Refused::NotNow);
}

#[test]
fn links_that_lead_nowhere_are_corrupt() {
    let busy = Busy::growing(2, 4);
    let ring = Ring(&busy);
    for _ in 0..3 {
        busy.put();
    }
    for _ in 0..1 {
        busy.get();
    }
    // The last slot of the first chunk leads to a chunk that is not there.
    let word = busy.slots[1].word();
    word.store(word.load(Relaxed) & !(0xfff << 52) | 77 << 52, Relaxed);
    busy.bells.items.announce();
    let claim = ring.get(me(), Patience::Try).unwrap();
    ring.release(claim);
    assert_eq!(ring.get(me(), Patience::Try).unwrap_err(), Refused::Corrupt);
}

#[test]
fn a_slot_that_was_passed_by_for_half_of_all_numbers_is_free() {
    const FAR: u64 = 1 << 38;
    for number in [FAR - 1, FAR, FAR + 5, 2 * FAR - 2, 2 * FAR - 1] {
        let busy = Busy::growing(1, 4);
        // The slots are as they were at first.
        let at = Position::new(number, 0);
        busy.tail.help(Position::new(0, 0), at);
        busy.head.help(Position::new(0, 0), at);
        let ring = Ring(&busy);
        assert_eq!(ring.get(me(), Patience::Try).unwrap_err(), Refused::NotNow, "{number}");
        for n_put in 1..=3 {
            busy.put();
            assert_eq!(ring.n_taken(), n_put, "{number}");
        }
        assert_eq!(ring.put(me(), Patience::Try).unwrap_err(), Refused::NotNow);
        for left in (0..3).rev() {
            busy.get();
            assert_eq!(ring.n_taken(), left, "{number}");
        }
        assert_eq!(ring.get(me(), Patience::Try).unwrap_err(), Refused::NotNow, "{number}");
    }
}
