//! Waiting for memory: look, give the processor away a few times, then sleep until something is freed.
//!
//! A sleeper is queued on: the bell of those who wait for memory, the alarm, the departures, the news,
//! and the life words of all who sit at the table. It does this:
//!
//! 1. announces itself on the bell, with a full fence;
//! 2. reads the alarm and the news, and the life words, each of which it marks as watched;
//! 3. looks, under the lock: tries to get a block, which includes to take memory from free ones and
//!    to sweep;
//! 4. sleeps, with the alarm pending, as long as all words are as read in 2.
//!
//! Whoever frees a block does it with the alarm pending, by an exchange that is a full fence, and then
//! looks at the bell; if somebody waits, it changes the news and wakes all.
//!
//! - Freed before 3 looked: seen. Freed after it, by one who lives on: by the two fences it sees the
//!   mark (or it was taken away meanwhile, by one who wakes all after that), changes the news, and
//!   wakes all. Before 4 has queued on the news, the comparison fails; after it, the sleeper is on the
//!   bell.
//! - Freed after 3 looked, by one who dies before it has woken anybody; or not freed, by one who dies
//!   with a block in its hands, however long it had it: its life word changes before the kernel does
//!   anything else. Before 4 has queued on it, the comparison fails; after it, the kernel wakes one
//!   who sleeps on that word, and that one calls all. Who sat down after 2 and died has rung when it
//!   sat down ([`Heap::arrive`]), or had nothing in its hands yet.
//! - A sweep may be made by one who has no seat; so it changes the news before it frees.
//!
//! All are woken and not one, since memory for one may be none for another. The kernel compares no
//! more than 128 words; if more sit at the table, a sleeper wakes up now and then.

use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, SeqCst};
use ipc_core::primitive::{Spin, Wait, Woken, fence};
use ipc_core::robust::{Alive, Life, Thread};

use super::geometry::BlockId;
use super::{Heap, Memory, Refused};
use crate::ring::slot::Owner;
use crate::ring::{self, Patience, Ring, Watched, planted};

/// How long one that does not want to wait waits for the lock, which nobody keeps for long.
pub(super) const SHORT: Duration = Duration::from_millis(10);

/// How long one waits for the lock that should have it.
pub(super) const LONG: Duration = Duration::from_millis(250);

/// The place of the alarm among the words that a sleeper is queued on; the bell is before it.
const ALARM: usize = 1;

impl<'m, M: Memory> Heap<'m, M> {
    /// Takes a block with memory behind `len` bytes, waiting for it as long as `patience` lasts.
    #[inline]
    pub(crate) fn allocate(
        self,
        me: Owner,
        thread: Thread,
        len: u64,
        patience: Patience,
    ) -> Result<BlockId, Refused> {
        let first = match patience {
            Patience::Try => Deadline::after(SHORT),
            Patience::Until(deadline) => deadline,
        };
        match (self.try_allocate(me, thread, len, first), patience) {
            (Err(refused), Patience::Until(deadline)) if refused.is_no_room() => {
                self.wait(me, thread, len, deadline)
            }
            (tried, _) => tried,
        }
    }

    #[cold]
    fn wait(
        self,
        me: Owner,
        thread: Thread,
        len: u64,
        deadline: Deadline,
    ) -> Result<BlockId, Refused> {
        let tuning = self.0.tuning();
        let (bells, news) = (self.0.bells(), &self.0.heap().news);
        let seen = news.load(Relaxed);
        let note = &self.0.notes().memory;
        let mut spin = Spin::new(note);
        while tuning.looks && spin.again(note) && news.load(Relaxed) == seen {}
        spin.learn(note, news.load(Relaxed) == seen);
        let first_sleep = if self.0.is_watcher() { tuning.first_look } else { tuning.first_sleep };
        let mut slice = first_sleep;
        loop {
            bells.memory.announce();
            let (alarm, departures) = (bells.alarm.value(), bells.departures.value());
            // E4 acquire: this and all that follows is behind the fence of the announcement.
            let seen = news.load(Acquire);
            let watched: Watched<'_> = self.watched(me).collect();
            match self.allocate_slowly(me, thread, len, deadline) {
                Err(refused) if refused.is_no_room() => {}
                settled => return settled,
            }
            if let Some(refused) = Ring(self.0).turns_away_who_waits() {
                return Err(Refused::Ring(refused));
            }
            if deadline.is_past() {
                return Err(Refused::Ring(ring::Refused::TimedOut));
            }
            let others = [
                bells.memory.wait(),
                Wait::on(bells.alarm.word(), alarm),
                Wait::on(bells.departures.word(), departures),
                Wait::on(news, seen),
            ];
            let watched = if planted::HEAP_WATCHES { watched } else { Watched::NONE };
            self.0.pend_alarm(thread);
            let until = deadline.min(Deadline::after(slice));
            match watched.sleep(&others, until) {
                Woken::TimedOut => slice = tuning.longest_sleep.min(slice.saturating_mul(2)),
                woken => {
                    if matches!(woken, Woken::By(index) if index >= ALARM) {
                        bells.call_all();
                    }
                    slice = first_sleep;
                }
            }
            thread.pend_clear();
        }
    }

    /// The life words of all others who sit at the table, as they are now, each marked as watched; and
    /// those of the dead, whose seats may be given on while the caller looks.
    pub(crate) fn watched(self, me: Owner) -> impl Iterator<Item = (&'m Life, u32)> + use<'m, M> {
        let seats = (0..self.0.n_seats()).filter(move |seat| me.seat() != Some(*seat));
        seats.filter_map(|seat| {
            let life = self.0.life(seat)?;
            match life.alive() {
                Alive::Yes(_) => Some((life, life.watch())),
                Alive::Died => Some((life, life.value())),
                Alive::Nobody => None,
            }
        })
    }

    /// Lets those who wait for memory know of one who has sat down: they watch all who sit.
    #[inline]
    pub(crate) fn arrive(self) {
        // E4 release: behind the life word.
        fence(SeqCst);
        if self.0.bells().memory.is_waiting() {
            self.call_waiting();
        }
    }

    /// Tells those who wait for memory to look again. The caller has the alarm pending.
    #[cold]
    pub(super) fn call_waiting(self) {
        self.0.heap().news.fetch_add(1, Relaxed);
        self.0.bells().memory.wake_all();
    }
}
