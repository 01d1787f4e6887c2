//! Looking at the lanes of those who called just now.
//!
//! A client that has a lane and calls all the time is answered without a call of the system: the server
//! looks at the lanes of such clients, one after the other. When it has looked for some microseconds in
//! vain, as long as it may pay ([`Spin`]), it says in each lane that it is about to sleep, looks once
//! more, and waits for all clients at their files again. Whoever puts something into a lane after that
//! calls it.
//!
//! Where those who call all the time are as many as the processors that the server may use, one of them
//! needs the server's. It is given away when nobody has called for as long as an answer to a reply takes; and
//! else after some rounds ([`Pace`]), for a client on another processor goes on at once for as long as it
//! is answered at once, and to give the processor away costs as much as two of its calls.
//!
//! All others must not wait for that: between looks the files are asked, now and then, without waiting.

use std::time::{Duration, Instant};

use ipc_core::primitive::Spin;

use super::guest::Guest;
use super::{Server, sys};
use crate::object::ClientId;

/// The files are asked when so much has been done, in looks that follow on each other at once.
const UNTIL_FILES: u32 = 256;

/// What a round of turns takes, in such looks; and a look after the first few, before which is a pause.
const TURN: u32 = 8;
const LATE_LOOK: u32 = 16;
const N_QUICK_LOOKS: u32 = 16;

/// After how many rounds the processor is given away: as many as take some tens of microseconds.
#[derive(Debug)]
pub(super) struct Pace {
    /// How many there are to be, and how many there were.
    n_rounds: u32,
    n_done: u32,
    /// When they began.
    began: Instant,
}

/// So long it is not given away, or for one round.
const STRETCH: Duration = Duration::from_micros(80);

/// So many rounds take half of that where calls are as short as they can be.
const MOST_ROUNDS: u32 = 32;

impl Pace {
    pub(super) fn new() -> Self {
        Self { n_rounds: 1, n_done: 0, began: Instant::now() }
    }

    /// Counts a round; whether it is time to give the processor away.
    fn is_time(&mut self) -> bool {
        self.n_done += 1;
        let is_time = self.n_done >= self.n_rounds;
        if is_time {
            self.learn(self.began.elapsed());
        }
        is_time
    }

    fn learn(&mut self, took: Duration) {
        let next = if took <= STRETCH { self.n_rounds * 2 } else { self.n_rounds / 2 };
        self.n_rounds = next.clamp(1, MOST_ROUNDS);
    }

    /// Begins anew.
    fn begin(&mut self) {
        (self.n_done, self.began) = (0, Instant::now());
    }
}

impl Server {
    /// From now on a client is looked at.
    pub(super) fn look_at(&mut self, id: ClientId) {
        if let Some(guest) = self.guests.get_mut(&id)
            && !std::mem::replace(&mut guest.is_looked_at, true)
        {
            self.looked_at.push(id);
        }
    }

    /// Looks at those from whom something may come, and does it; returns when it is time to ask the files.
    pub(super) fn look_around(&mut self) {
        let mut done = 0;
        while done < UNTIL_FILES && !self.looked_at.is_empty() {
            let is_crowded = self.looked_at.len() >= self.n_processors;
            if self.look_once() {
                self.flush();
                done += TURN;
                self.end_spin(false);
                if is_crowded && (self.n_processors == 1 || self.pace.is_time()) {
                    self.give_way();
                }
                continue;
            }
            if is_crowded && self.spin.is_none() {
                if self.is_called_soon() {
                    done += 1;
                    continue;
                }
                self.give_way();
            }
            let note = &self.spin_note;
            let (spin, n_looks) = self.spin.get_or_insert_with(|| (Spin::new(note), 0));
            *n_looks += 1;
            done += if *n_looks > N_QUICK_LOOKS { LATE_LOOK } else { 1 };
            if !spin.again(note) {
                self.end_spin(true);
                self.rest();
                return;
            }
        }
    }

    /// Gives the processor away; on one processor that is all that anybody can wait for.
    fn give_way(&mut self) {
        self.courtesy.offer();
        if self.n_processors > 1 {
            self.pace.begin();
        }
    }

    /// Looks for a moment whether somebody calls, where somebody can without this processor.
    fn is_called_soon(&mut self) -> bool {
        let Self { guests, looked_at, courtesy, .. } = self;
        let is_called =
            || looked_at.iter().any(|id| guests.get(id).is_some_and(Guest::is_unfinished));
        self.n_processors > 1 && courtesy.looks(is_called)
    }

    /// Notes whether it has paid to look.
    fn end_spin(&mut self, is_in_vain: bool) {
        if let Some((spin, _)) = self.spin.take() {
            spin.learn(&self.spin_note, is_in_vain);
        }
    }

    /// Gives each a turn who has something to do; whether anybody had.
    fn look_once(&mut self) -> bool {
        let mut has_found = false;
        let mut at = 0;
        while let Some(&id) = self.looked_at.get(at) {
            match self.guests.get(&id) {
                Some(guest) => {
                    at += 1;
                    if guest.is_unfinished() {
                        has_found = true;
                        self.serve(id);
                    }
                }
                None => drop(self.looked_at.swap_remove(at)),
            }
        }
        has_found
    }

    /// Has the files say what comes from now on.
    fn rest(&mut self) {
        self.n_processors = sys::n_processors();
        let guests = &mut self.guests;
        self.looked_at.retain(|id| {
            let Some(guest) = guests.get_mut(id) else { return false };
            // Who has no room for replies is not heard: that there is some, its file says.
            guest.is_looked_at = !guest.has_backlog() && !guest.carrier.rest();
            guest.is_looked_at
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many rounds it is time.
    fn rounds(pace: &mut Pace) -> u32 {
        let n_rounds = (1..).find(|_| pace.is_time());
        pace.begin();
        n_rounds.unwrap()
    }

    #[test]
    fn short_rounds_are_many_and_long_ones_few() {
        let mut pace = Pace::new();
        assert_eq!(rounds(&mut pace), 1);
        (0..6).for_each(|_| pace.learn(STRETCH));
        assert_eq!(pace.n_rounds, MOST_ROUNDS);
        assert_eq!(rounds(&mut pace), MOST_ROUNDS);
        (0..6).for_each(|_| pace.learn(STRETCH * 2));
        assert_eq!(rounds(&mut pace), 1, "each round is as long as that");
    }
}
