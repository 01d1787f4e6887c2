//! Looking at the lanes of those who called just now.
//!
//! A client that has a lane and calls all the time is answered without a call of the system: the server
//! looks at the lanes of such clients, one after the other. When it has looked for some microseconds in
//! vain, as long as it may pay ([`Spin`]), it says in each lane that it is about to sleep, looks once
//! more, and waits for all clients at their files again. Whoever puts something into a lane after that
//! calls it.
//!
//! Where those who call all the time are as many as the processors that the server may use, one of them
//! needs the server's: it is given away after each round.
//!
//! All others must not wait for that: between looks the files are asked, now and then, without waiting.

use ipc_core::primitive::Spin;

use super::{Server, sys};
use crate::object::ClientId;

/// The files are asked when so much has been done, in looks that follow on each other at once.
const UNTIL_FILES: u32 = 256;

/// What a round of turns takes, in such looks; and a look after the first few, before which is a pause.
const TURN: u32 = 8;
const LATE_LOOK: u32 = 16;
const N_QUICK_LOOKS: u32 = 16;

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
                if is_crowded {
                    self.courtesy.offer();
                }
                continue;
            }
            if is_crowded && self.spin.is_none() {
                self.courtesy.offer();
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
