//! How clients come, have their turns, and go.

use std::time::Duration;

use ipc_core::{Deadline, DeathWatch};

use super::guest::Guest;
use super::sys::Interest;
use super::timers::Timer;
use super::{LISTENER, Parked, Server};
use crate::carrier::Received;
use crate::object::{ClientId, Kind};
use crate::protocol::{ClientHello, Granted, ServerHello, VERSION, Wanted};

/// When there are no descriptors for clients, it is tried again after so long.
const NEXT_ACCEPT: Duration = Duration::from_millis(100);

/// So many turns a client has after the end of its process: more than it can have sent messages, but
/// not for ever, since a child of its may have its socket.
const LAST_TURNS: u32 = 4096;

impl Server {
    /// Lets those in who have proved who they are.
    pub(super) fn admit(&mut self) {
        loop {
            let carrier = match self.entrance.accept() {
                Ok(Some(carrier)) => carrier,
                Ok(None) => return,
                Err(_) if self.descriptors.raise() => continue,
                Err(_) => {
                    // There are no descriptors now. Those who want in wait, and it is tried again.
                    self.many.change(&self.entrance, LISTENER, Interest::Nothing).ok();
                    self.set_timer(Deadline::after(NEXT_ACCEPT), Timer::Accept);
                    return;
                }
            };
            if self.guests.len() >= self.rules.max_clients && !self.make_room() {
                self.counts.refused += 1;
                continue;
            }
            self.descriptors.note(carrier.file());
            let guest = Guest::new(carrier);
            self.last_client += 1;
            let id = self.last_client;
            if self.many.add(guest.carrier.file(), 2 * id, Interest::Read).is_ok() {
                self.guests.insert(id, guest);
                self.set_timer(Deadline::after(self.rules.hello_timeout), Timer::Hello(id));
            }
        }
    }

    /// A client's file has something to say.
    pub(super) fn hear(&mut self, id: ClientId) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        guest.carrier.hear();
        if guest.carrier.wants_looks() {
            self.look_at(id);
        }
        self.serve(id);
    }

    /// A client's process has ended: what it had sent before is done, and then it is shown out.
    pub(super) fn see_death(&mut self, id: ClientId) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        if let Some(watch) = guest.watch.take() {
            self.many.remove(watch).ok();
        }
        guest.last_turns = Some(LAST_TURNS);
        self.hear(id);
    }

    /// Gives a client its turn.
    pub(super) fn serve(&mut self, id: ClientId) {
        if self.take_turn(id) {
            self.has_news(id);
        } else {
            self.lose(id);
        }
    }

    /// Does one message of a client, or a part of it: if there are more, the kernel says so again. `false`
    /// if it is gone, or to be shown out.
    fn take_turn(&mut self, id: ClientId) -> bool {
        let Some(guest) = self.guests.get_mut(&id) else { return true };
        if let Some(turns) = &mut guest.last_turns {
            // Nobody reads what is sent to it.
            let Some(left) = turns.checked_sub(1).filter(|_| !guest.has_backlog()) else {
                return false;
            };
            guest.last_turns = Some(left);
        }
        if guest.has_backlog() && !guest.flush() {
            return false;
        }
        if guest.n_waiting_bytes() > self.rules.max_backlog {
            return true;
        }
        if guest.is_inbox_done() {
            match guest.receive(&mut self.room) {
                Received::Message => {}
                Received::Nothing => return guest.last_turns.is_none(),
                Received::End => return false,
            }
        }
        if guest.is_greeted { self.do_calls(id) } else { self.greet(id) }
    }

    /// Notes that something may have to be sent to a client.
    pub(super) fn has_news(&mut self, id: ClientId) {
        if let Some(guest) = self.guests.get_mut(&id)
            && !std::mem::replace(&mut guest.has_news, true)
        {
            self.to_flush.push(id);
        }
    }

    /// Hears a hello, and says one; `false` if that was none that lets somebody in.
    fn greet(&mut self, id: ClientId) -> bool {
        let Some(guest) = self.guests.get_mut(&id) else { return false };
        guest.n_done = guest.inbox.len();
        let Ok(theirs) = ClientHello::parse(&guest.inbox) else {
            self.counts.refused += 1;
            return false;
        };
        let max_bytes = self.rules.max_bytes as u64;
        let peer = guest.carrier.peer();
        let runs_functions = peer.is_some();
        let has_room = self.n_lanes < self.rules.max_lanes;
        let offers_lane = theirs.wants_lane && has_room && guest.carrier.takes_lanes();
        let mut ours = ServerHello {
            version: VERSION,
            server: self.id,
            max_bytes,
            runs_functions,
            offers_lane,
            session: Granted::default(),
        };
        if theirs.version != VERSION {
            // It is told which version this is, and shown out.
            return self.turn_away(id, ours);
        }
        if let Some(wanted) = theirs.memory {
            self.give_memory(id, wanted);
            return false;
        }
        if let Some(resume) = theirs.resume {
            // It is told that there is no such session, and shown out.
            return self.resume(id, resume, ours) || self.turn_away(id, ours);
        }
        ours.session = self.begin_session(id);
        let Some(guest) = self.guests.get_mut(&id) else { return false };
        guest.say(ours.to_bytes());
        guest.is_greeted = true;
        guest.runs_functions = runs_functions;
        // There is room for both.
        if offers_lane && (!guest.flush() || guest.carrier.open_lane().is_err()) {
            return false;
        }
        self.n_lanes += usize::from(guest.carrier.wants_looks());
        // The kernel says who it is; it adds since when.
        let pid = peer.and_then(|peer| peer.pid);
        if let Some(process) = theirs.process.filter(|process| Some(process.pid()) == pid) {
            match DeathWatch::open(process) {
                Ok(Some(watch)) => {
                    if self.many.add(&watch, 2 * id + 1, Interest::Read).is_ok() {
                        guest.watch = Some(watch);
                    }
                }
                Ok(None) => return false,
                // There is no descriptor for it; the end of the connection has to do.
                Err(_) => {}
            }
        }
        if guest.carrier.wants_looks() {
            self.look_at(id);
        }
        true
    }

    /// Gives somebody the memory of an object, if it knows the secret of that.
    fn give_memory(&mut self, id: ClientId, Wanted { object, secret }: Wanted) {
        let object = self.registry.slots.get(&object).and_then(|slot| slot.object.as_deref());
        let memory = object.and_then(Kind::memory).filter(|memory| memory.secret == secret);
        match (memory, self.guests.get_mut(&id)) {
            (Some(memory), Some(guest)) => guest.carrier.hand_over(&memory.segment),
            _ => self.counts.refused += 1,
        }
    }

    /// Says hello to somebody who is not let in; `false`, as it is to be shown out.
    fn turn_away(&mut self, id: ClientId, ours: ServerHello) -> bool {
        if let Some(guest) = self.guests.get_mut(&id) {
            guest.say(ours.to_bytes());
            guest.flush();
        }
        self.counts.refused += 1;
        false
    }

    /// Ends what a client has here.
    pub(super) fn show_out(&mut self, id: ClientId) {
        let Some(guest) = self.guests.remove(&id) else { return };
        if guest.away.is_none() {
            self.many.remove(guest.carrier.file()).ok();
        }
        if let Some(timer) = guest.away {
            self.timers.remove(&timer);
        }
        if let Some(session) = guest.session {
            self.sessions.remove(&session);
        }
        if let Some(watch) = &guest.watch {
            self.many.remove(watch).ok();
        }
        self.n_lanes -= usize::from(guest.carrier.wants_looks());
        for number in &guest.parked {
            if let Some(Parked { timer: Some(timer), .. }) = self.parked.remove(number) {
                self.timers.remove(&timer);
            }
        }
        self.time_passages(guest.passages.iter().copied());
        for (object, count) in &guest.refs {
            self.have_forgotten(*object, id);
            self.unrefer(*object, *count);
        }
    }

    /// Sends what there is for clients, and hears those again for whom there is room.
    pub(super) fn flush(&mut self) {
        while let Some(id) = self.to_flush.pop() {
            let Some(guest) = self.guests.get_mut(&id) else { continue };
            guest.has_news = false;
            let is_gone = !guest.flush();
            if is_gone || guest.n_waiting_bytes() > self.rules.max_backlog.saturating_mul(4) {
                self.counts.refused += u64::from(!is_gone);
                if is_gone {
                    self.lose(id);
                } else {
                    self.show_out(id);
                }
                continue;
            }
            let interest = guest.carrier.interest(guest.has_backlog());
            if guest.is_unfinished() && !guest.is_looked_at {
                self.unfinished.push(id);
            }
            if guest.away.is_none() && interest != guest.interest {
                guest.interest = interest;
                if self.many.change(guest.carrier.file(), 2 * id, interest).is_err() {
                    self.show_out(id);
                }
            }
        }
    }
}
