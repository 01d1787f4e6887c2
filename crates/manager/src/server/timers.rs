//! What the server does when a time is up.

use ipc_core::Deadline;

use super::sys::Interest;
use super::{LISTENER, Server};
use crate::object::ClientId;

/// What a time is up for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer {
    /// A call that is parked.
    Call(u64),
    Passage(u64),
    Hello(ClientId),
    /// A client whose connection is broken.
    Away(ClientId),
    /// To let clients in again.
    Accept,
}

impl Server {
    /// Sets a timer, unless it never rings; returns its name.
    pub(super) fn set_timer(
        &mut self,
        deadline: Deadline,
        timer: Timer,
    ) -> Option<(Deadline, u64)> {
        if deadline.is_never() {
            return None;
        }
        self.last_timer += 1;
        let name = (deadline, self.last_timer);
        self.timers.insert(name, timer);
        Some(name)
    }

    /// Does what it is time for.
    pub(super) fn ring(&mut self) {
        while let Some(first) = self.timers.first_entry() {
            if !first.key().0.is_past() {
                break;
            }
            match first.remove() {
                Timer::Call(number) => self.give_up(number),
                Timer::Passage(passage) => {
                    let ended = self.end_passage(passage);
                    ended.into_iter().for_each(|passage| self.unrefer(passage.object, 1));
                }
                Timer::Away(client) => self.give_up_on(client),
                Timer::Accept => {
                    self.many.change(&self.entrance, LISTENER, Interest::Read).ok();
                }
                Timer::Hello(client) => {
                    if self.guests.get(&client).is_some_and(|guest| !guest.is_greeted) {
                        self.counts.refused += 1;
                        self.show_out(client);
                    }
                }
            }
        }
    }
}
