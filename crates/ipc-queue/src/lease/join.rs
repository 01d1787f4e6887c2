//! Waiting until all is finished.

use ipc_core::Deadline;
use ipc_core::primitive::{Wait, Woken};
use ipc_core::robust::Thread;

use super::{Leases, Memory};
use crate::heap::Heap;
use crate::heap::block::{BlockState, Use};
use crate::heap::geometry::BlockId;
use crate::ring::Patience;
use crate::ring::slot::Owner;

/// An item that is put and not finished, as it was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unfinished {
    pub(crate) id: BlockId,
    pub(crate) seen: BlockState,
}

/// Why it is not known that all is finished.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotJoined {
    /// Something is unfinished now.
    NotNow,
    /// Something was unfinished until the deadline.
    TimedOut,
    /// The caller has an item in its own hands.
    ByMe,
    /// Something is unfinished, and nobody is left who would finish it.
    Disconnected,
}

/// How often one that does not wait looks anew because somebody has put meanwhile.
const MOST_LOOKS: u32 = 256;

/// The place of the alarm among the words that a sleeper is queued on; two bells are before it.
const ALARM: usize = 2;

impl<'m, M: Memory> Leases<'m, M> {
    /// Waits for a moment at which no item is unfinished, as long as `patience` lasts, or until
    /// nobody `is_left` who could get one.
    pub(crate) fn join(
        self,
        me: Thread,
        patience: Patience,
        is_deserted: impl Fn() -> bool,
    ) -> Result<(), NotJoined> {
        let tuning = self.0.tuning();
        let first_sleep = if self.0.is_watcher() { tuning.first_look } else { tuning.first_sleep };
        let mut slice = first_sleep;
        let mut n_looks = 0;
        loop {
            let commits = self.n_commits();
            let Some(newest) = self.newest(me)? else {
                if commits == self.n_commits() {
                    return Ok(());
                }
                // Somebody has put meanwhile.
                n_looks += 1;
                match patience {
                    Patience::Try if n_looks == MOST_LOOKS => return Err(NotJoined::NotNow),
                    Patience::Until(deadline) if deadline.is_past() => {
                        return Err(NotJoined::TimedOut);
                    }
                    _ => continue,
                }
            };
            let Patience::Until(deadline) = patience else { return Err(NotJoined::NotNow) };
            if is_deserted() {
                return Err(NotJoined::Disconnected);
            }
            if deadline.is_past() {
                return Err(NotJoined::TimedOut);
            }
            self.0.pend_alarm(me);
            match self.sleep(newest.id, me, deadline.min(Deadline::after(slice))) {
                Woken::TimedOut => slice = tuning.longest_sleep.min(slice.saturating_mul(2)),
                woken => {
                    if matches!(woken, Woken::By(index) if index >= ALARM) {
                        // Somebody died, and perhaps with an item in its hands.
                        self.hint();
                        self.0.bells().call_all();
                    }
                    slice = first_sleep;
                }
            }
            me.pend_clear();
        }
    }

    /// Sleeps until the item in a block is finished, somebody dies, or `deadline`.
    fn sleep(self, id: BlockId, me: Thread, deadline: Deadline) -> Woken {
        let (block, bells) = (self.0.block(id), self.0.bells());
        block.bell.announce();
        bells.joins.announce();
        // All that follows is behind the fences of the announcements.
        let (alarm, departures) = (bells.alarm.value(), bells.departures.value());
        let watched = self.watched(Owner::NOBODY, me);
        let seen = block.word.look();
        if number(seen).is_none() {
            return Woken::Changed;
        }
        let others = [
            block.bell.wait(),
            bells.joins.wait(),
            Wait::on(bells.alarm.word(), alarm),
            Wait::on(bells.departures.word(), departures),
            Wait::on_low_half(block.word.word(), seen.bits()),
            Wait::on_high_half(block.word.word(), seen.bits()),
        ];
        watched.sleep(&others, deadline)
    }

    /// The unfinished item that was put last, if there is any. If one is a stray, hints at it.
    fn newest(self, me: Thread) -> Result<Option<Unfinished>, NotJoined> {
        let mut newest = None;
        for item in self.unfinished() {
            if let Use::Leased(lease) = item.seen.meaning() {
                match Heap(self.0).holder(lease.owner()) {
                    // Whatever handle it was taken by.
                    Some(tid) if tid == me.tid() => return Err(NotJoined::ByMe),
                    Some(_) => {}
                    None => self.hint(),
                }
            }
            // Numbers that have wrapped round make it wake up more often.
            if number(item.seen) >= newest.and_then(|newest: Unfinished| number(newest.seen)) {
                newest = Some(item);
            }
        }
        Ok(newest)
    }

    /// All items that are put and not finished.
    pub(crate) fn unfinished(self) -> impl Iterator<Item = Unfinished> + use<'m, M> {
        let look = move |id| Unfinished { id, seen: self.0.block(id).word.look() };
        Heap(self.0).blocks().map(look).filter(|item| number(item.seen).is_some())
    }
}

/// The number of the item, if that is the state of an unfinished one.
fn number(seen: BlockState) -> Option<u64> {
    match seen.meaning() {
        Use::Queued(at) => Some(at.number()),
        Use::Leased(lease) => Some(lease.number()),
        _ => None,
    }
}
