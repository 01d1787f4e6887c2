//! Slots for readers: taking any of them, and sleeping until one is given back.

#![expect(unsafe_code, reason = "taking a slot hands its address to the kernel")]

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{Spin, Wait, Woken, futex_wait_any};
use ipc_core::robust::{OWNER, Thread};

use super::super::planted::RWLOCK_MARK;
use super::super::{Refused, Taken};
use super::{MOST_READERS, RawRwLock, Share};

/// As many slots are looked at in less room.
const FEW: usize = 16;

impl<'words> RawRwLock<'words> {
    /// Takes any slot, of which the caller, who has the writer's word, waits for one.
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    pub(super) unsafe fn find_slot(
        self,
        me: Thread,
        patience: Option<Deadline>,
    ) -> Result<Share<'words>, Refused> {
        let own = self.own_slot(me);
        let mut spin = Spin::new(&self.writer.notes[1]);
        loop {
            for slot in (own..self.slots.len()).chain(0..own) {
                let Some(line) = self.slots.get(slot) else { continue };
                let share = Share::of(line);
                if line.word.load(Relaxed) & OWNER != 0 {
                    continue;
                }
                // SAFETY: the caller vouches for the words.
                match unsafe { share.slot.try_lock(me) } {
                    Ok(taken) => {
                        if taken == Taken::OwnerDied {
                            share.note_death();
                        }
                        return Ok(share);
                    }
                    Err(Refused::Held) => {}
                    Err(why) => return Err(why),
                }
            }
            match patience {
                Some(deadline) if !deadline.is_past() => {
                    if spin.again(&self.writer.notes[1]) {
                        continue;
                    }
                    if self.slots.len() <= FEW {
                        self.sleep_on_slots::<FEW>(deadline);
                    } else {
                        self.sleep_on_slots::<MOST_READERS>(deadline);
                    }
                }
                _ => return Err(Refused::Held),
            }
        }
    }

    /// Sleeps until one of the slots, of which there are `N` at most, is given back, unless one of
    /// them is free.
    fn sleep_on_slots<const N: usize>(self, deadline: Deadline) {
        let mut waits = [Wait::on(&self.writer.word, 0); N];
        let mut len = 0;
        for (wait, slot) in waits.iter_mut().zip(self.slots) {
            let seen = slot.word.load(Relaxed);
            if seen & OWNER == 0 {
                return;
            }
            let marked = seen | RWLOCK_MARK;
            if seen != marked && slot.word.compare_exchange(seen, marked, Relaxed, Relaxed).is_err()
            {
                return;
            }
            *wait = Wait::on(&slot.word, marked);
            len += 1;
        }
        if let Some(waits) = waits.get(..len) {
            // Whatever woke us, we look at all of them: nobody else sleeps here (W2).
            match futex_wait_any(waits, deadline) {
                Woken::By(_) | Woken::Changed | Woken::TimedOut => {}
            }
        }
    }

    /// Where the thread looks first: threads that were started together have different ones.
    #[inline]
    pub(super) fn own_slot(self, me: Thread) -> usize {
        let spread = me.tid().wrapping_mul(0x9e37_79b9);
        // Below the number of slots, as a fraction of it.
        ((u64::from(spread) * self.slots.len() as u64) >> 32) as usize
    }
}
