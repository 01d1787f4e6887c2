//! Waiting for a permit, and calling who waits.

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{MAX_WAITS, Spin, Wait, Woken, futex_wait_any, futex_wake};
use ipc_core::robust::Thread;

use super::seats::{Seats, Waits};
use super::state::State;
use super::{ACQUIRE, Lease, NoPermit, RawSemaphore};

/// Most sleepers sleep on no more words than this.
const FEW_WAITS: usize = 11;

/// So many times in a row somebody may be faster, before we look at the clock.
const TRIES: u64 = 256;

/// What a permit is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Permit,
    Lease,
}

impl RawSemaphore<'_> {
    /// Looks, sleeps, and looks again, until there is a permit or will be none.
    ///
    /// Who has slept has duties (I1, I4): it does not leave, nor let another word be pending, before
    /// it has done them or handed them on.
    #[cold]
    pub(super) fn wait(
        self,
        me: Thread,
        deadline: Deadline,
        want: Want,
    ) -> Result<Option<Lease>, NoPermit> {
        let has_room = self.reserve(me);
        let mut spin = Spin::new(&self.words.disappointments);
        let nothing = Wait::on(&self.words.call, 0);
        let (mut slept, mut ever_slept) = (false, false);
        self.pend(me);
        let mut rounds = 0_u64;
        let outcome = loop {
            rounds += 1;
            // Where honest peers are, a round ends in a nap; nobody else shall hold us here.
            if rounds.is_multiple_of(TRIES) && deadline.is_past() {
                self.hand_on(&mut slept);
                break Err(NoPermit::None);
            }
            let seen = self.look();
            if seen.count() > 0 {
                match want {
                    Want::Permit if self.take_seen(seen, slept) => break Ok(None),
                    Want::Permit => continue,
                    Want::Lease => {}
                }
                // The seat is to be the pending word meanwhile.
                self.hand_on(&mut slept);
                match self.lease_seen(me) {
                    Ok(None) => continue,
                    outcome => break outcome,
                }
            }
            if spin.again(&self.words.disappointments) {
                continue;
            }
            let open = self.open();
            let (mut few, mut many) = ([nothing; FEW_WAITS], None);
            let list = match open.n_waits() {
                0..=FEW_WAITS => few.as_mut_slice(),
                _ => many.insert([nothing; MAX_WAITS]).as_mut_slice(),
            };
            let mut waits = Waits::new(list);
            match self.look_at_seats(me, has_room, &mut slept, open, &mut waits) {
                Ok(Seats::Quiet) => {}
                Ok(Seats::Changed) => continue,
                Err(error) => {
                    self.hand_on(&mut slept);
                    break Err(error);
                }
            }
            if deadline.is_past() {
                // Who has slept leaves the mark. Who has not leaves no trace.
                if !slept || self.announce(seen) {
                    break Err(NoPermit::None);
                }
                continue;
            }
            if !self.announce(seen) {
                continue;
            }
            slept |= futex_wait_any(waits.as_slice(), deadline) != Woken::Changed;
            ever_slept |= slept;
        };
        me.pend_clear();
        if outcome.is_ok() {
            spin.learn(&self.words.disappointments, ever_slept);
        }
        outcome
    }

    /// Takes a permit, which was seen; calls the next if need be.
    fn take_seen(self, seen: State, slept: bool) -> bool {
        let kept = slept && !cfg!(ipc_planted = "semaphore_no_keep");
        let fewer = seen.with_one_less().with_waiting(kept);
        // E1 acquire.
        let taken = self.replace(seen, fewer, ACQUIRE);
        if taken
            && slept
            && (fewer.count() > 0 || self.is_any_dead())
            && !cfg!(ipc_planted = "semaphore_no_pass_on")
        {
            futex_wake(&self.words.call, 1);
        }
        taken
    }

    /// Says in the state, which was seen without permits, that somebody is about to sleep.
    fn announce(self, seen: State) -> bool {
        seen.is_waiting() || self.replace(seen, seen.with_waiting(true), Relaxed)
    }

    /// Lets another do what who has slept has to do.
    pub(super) fn hand_on(self, slept: &mut bool) {
        if *slept && !cfg!(ipc_planted = "semaphore_no_hand_on") {
            while !self.announce(self.look()) {}
            futex_wake(&self.words.call, 1);
        }
        *slept = false;
    }

    /// Calls up to `count` sleepers. If there is none, takes the mark away and calls all who came
    /// meanwhile.
    #[cold]
    pub(super) fn call(self, count: u32) {
        if futex_wake(&self.words.call, count) > 0 {
            return; // They take over the mark.
        }
        let seen = self.look();
        if seen.is_waiting() && self.replace(seen, seen.without_waiting(), Relaxed) {
            let all = if cfg!(ipc_planted = "semaphore_no_clear_call") { 0 } else { u32::MAX };
            futex_wake(&self.words.call, all);
        }
    }
}
