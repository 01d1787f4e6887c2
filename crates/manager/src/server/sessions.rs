//! Clients whose connection is broken, and who come back.
//!
//! | state of a client | what happens | next |
//! |---|---|---|
//! | here | its connection breaks | away: all that it has is kept, and so is what is sent to it |
//! | here | it is found that it connects anew | here, by the new connection |
//! | away | it connects anew, and names its session | here |
//! | away | the grace is over | gone, as after a death |
//! | here | goodbye, or what none of ours says | gone |

use ipc_core::Deadline;

use super::Server;
use super::timers::Timer;
use crate::object::ClientId;
use crate::protocol::{Granted, Resume, ServerHello, SessionId};

impl Server {
    /// A client's connection is at its end, or what comes from it is of no use: it is away, or gone.
    pub(super) fn lose(&mut self, id: ClientId) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        let is_known = guest.session.is_some() && guest.away.is_none();
        let session = guest.carrier.session().filter(|session| is_known && session.may_return());
        let Some(session) = session else {
            self.show_out(id);
            return;
        };
        session.leave();
        self.many.remove(guest.carrier.file()).ok();
        let away = self.set_timer(Deadline::after(self.rules.reconnect_grace), Timer::Away(id));
        self.guests.get_mut(&id).into_iter().for_each(|guest| guest.away = away);
    }

    /// Makes a session for a client that has none, if its carrier can have one.
    pub(super) fn begin_session(&mut self, id: ClientId) -> Granted {
        let none = Granted::default();
        let Some(guest) = self.guests.get_mut(&id) else { return none };
        if guest.carrier.session().is_none() || self.rules.reconnect_grace.is_zero() {
            return none;
        }
        // If there are no random numbers, it can do without.
        let (Ok(high), Ok(low)) = (super::random(), super::random()) else { return none };
        let session = SessionId { high, low };
        guest.session = Some(session);
        self.sessions.insert(session, id);
        self.granted(session, 0)
    }

    fn granted(&self, id: SessionId, n_received: u64) -> Granted {
        let grace = u64::try_from(self.rules.reconnect_grace.as_millis()).unwrap_or(u64::MAX);
        Granted { id, n_received, grace }
    }

    /// Gives a client that is away the connection of who names its session; `false` if there is no such.
    pub(super) fn resume(
        &mut self,
        stranger: ClientId,
        resume: Resume,
        hello: ServerHello,
    ) -> bool {
        let Resume { session, n_received: n_theirs } = resume;
        let Some(id) = self.sessions.get(&session).copied() else { return false };
        let Some(guest) = self.guests.get_mut(&id) else { return false };
        let found = guest.carrier.session().filter(|found| found.can_have_received(n_theirs));
        let Some(n_ours) = found.map(|found| found.n_received()) else { return false };
        let said = ServerHello { session: self.granted(session, n_ours), ..hello }.to_bytes();
        let Some(wire) = self.guests.remove(&stranger).and_then(|guest| guest.carrier.into_wire())
        else {
            return true;
        };
        let Some(guest) = self.guests.get_mut(&id) else { return true };
        match guest.away.take() {
            Some(timer) => drop(self.timers.remove(&timer)),
            // It knows earlier than the server that its connection is broken.
            None => drop(self.many.remove(guest.carrier.file())),
        }
        let is_back =
            guest.carrier.session().is_some_and(|found| found.come_back(wire, &said, n_theirs));
        let interest = guest.carrier.interest(false);
        guest.interest = interest;
        if !is_back || self.many.change(guest.carrier.file(), 2 * id, interest).is_err() {
            self.show_out(id);
            return true;
        }
        self.has_news(id);
        true
    }

    /// The grace of a client that is away is over.
    pub(super) fn give_up_on(&mut self, id: ClientId) {
        if self.guests.get(&id).is_some_and(|guest| guest.away.is_some()) {
            self.show_out(id);
        }
    }

    /// Makes room for one who wants in: whoever has been silent for longest gives its place.
    pub(super) fn make_room(&mut self) -> bool {
        let silent = self.guests.iter().filter(|(_, guest)| !guest.is_greeted);
        let Some(first) = silent.map(|(id, _)| *id).min() else { return false };
        self.counts.refused += 1;
        self.show_out(first);
        true
    }
}
