//! Arriving: through the door, to the next seat, one party at a time.

#![expect(unsafe_code, reason = "hands the addresses of words to the kernel")]

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{RobustWord, Thread};

use super::super::{RawLock, Refused};
use super::state::{State, low_bits};
use super::watch::TimeIsUp;
use super::{Failed, Place, RawBarrier};

/// What an attempt to arrive came to.
enum Step<'words> {
    Arrived(Place),
    /// All have arrived.
    Full,
    /// Somebody else changed the state.
    Changed,
    /// Somebody who was let through is still there.
    SeatTaken(&'words RobustWord),
}

impl<'words> RawBarrier<'words> {
    /// Arrives as one of the parties, a thread of the process `pid`.
    ///
    /// # Errors
    ///
    /// [`Failed`] says why it has not arrived.
    pub fn arrive(self, me: Thread, pid: u32, deadline: Deadline) -> Result<Place, Failed> {
        if me.holds_any(self.seats) {
            return Err(Failed::Refused(Refused::WouldDeadlock));
        }
        loop {
            // SAFETY: vouched for by whoever made `self`.
            if let Err(why) = unsafe { self.door().lock(me, deadline) } {
                return Err(match why {
                    Refused::Held => Failed::TimedOut,
                    why => Failed::Refused(why),
                });
            }
            let now = self.look();
            let outcome = self.arrive_inside(me, pid, now);
            if let Ok(Step::Arrived(place)) = outcome {
                self.door().unlock(me);
                return Ok(place);
            }
            if let Ok(Step::SeatTaken(seat)) = outcome {
                // Who was let through two rounds ago has not left yet; and nobody else can arrive.
                let waited = self.wait_for_seat(me, now, seat, deadline);
                self.door().unlock(me);
                waited?;
                continue;
            }
            self.door().unlock(me);
            match outcome? {
                // The action runs.
                Step::Full => match self.watch(me, now, None, deadline) {
                    Ok(_) => {}
                    Err(TimeIsUp) => return Err(Failed::TimedOut),
                },
                _ if deadline.is_past() => return Err(Failed::TimedOut),
                _ => {}
            }
        }
    }

    /// Takes the next seat and arrives, with the door in hand.
    fn arrive_inside(self, me: Thread, pid: u32, now: State) -> Result<Step<'words>, Failed> {
        if let Some(broken) = now.broken() {
            return Err(Failed::Broken(broken));
        }
        let arrived = now.value();
        let number = low_bits(arrived);
        let Some(seat) = self.row(now).get(number as usize) else { return Ok(Step::Full) };
        // Who died on it before its arrival counted, or after it was let through, is not missed.
        // SAFETY: vouched for by whoever made `self`.
        match unsafe { RawLock::new(seat).try_lock(me) } {
            Ok(_) => {}
            Err(Refused::Held) => return Ok(Step::SeatTaken(seat)),
            Err(why) => return Err(Failed::Refused(why)),
        }
        seat.notes[0].store(pid, Relaxed);
        if self.exchange(now, now.with_arrival()) {
            let is_last = arrived + 1 == u64::from(self.parties());
            Ok(Step::Arrived(Place { number, is_last, round: now.round() }))
        } else {
            // It was broken, or reset.
            RawLock::new(seat).unlock(me);
            Ok(Step::Changed)
        }
    }
}
