//! Calls: from a client's message to an object, and back.

use std::time::Instant;

use super::registry::Registry;
use super::timers::Timer;
use super::work::{Finished, Kept, Task};
use super::{Parked, Server};
use crate::object::weight::{Balance, keep_for, take_each};
use crate::object::{
    Answers, ClientId, Link, Made, Payload, Request, Step, Ticket, too_many_waiting,
};
use crate::protocol::bytes::Reader;
use crate::protocol::{Call, DESK, Fault, ObjectId, Reply};

/// So many calls of a message are done before others have their turn.
const CALLS_AT_ONCE: usize = 1024;

impl Server {
    /// Does calls of a client's message, as many as are its turn and have room for their replies; `false`
    /// if they are none.
    pub(super) fn do_calls(&mut self, client: ClientId) -> bool {
        let Some(guest) = self.guests.get_mut(&client) else { return true };
        let inbox = std::mem::take(&mut guest.inbox);
        let mut n_done = guest.n_done;
        let mut reader = Reader::new(inbox.get(n_done..).unwrap_or_default());
        let mut is_well = true;
        let mut began = Instant::now();
        for _ in 0..CALLS_AT_ONCE {
            if reader.is_empty() {
                break;
            }
            let Ok(call) = Call::read(&mut reader) else {
                is_well = false;
                break;
            };
            n_done = inbox.len() - reader.rest().len();
            self.do_call(client, call);
            let ended = Instant::now();
            self.counts.called(ended - began);
            began = ended;
            let Some(guest) = self.guests.get(&client) else { return true };
            if guest.n_waiting_bytes() > self.rules.max_backlog {
                break;
            }
        }
        if let Some(guest) = self.guests.get_mut(&client) {
            (guest.inbox, guest.n_done) = (inbox, n_done);
        }
        if !is_well {
            self.counts.refused += 1;
        }
        is_well
    }

    fn do_call(&mut self, client: ClientId, call: Call<'_>) {
        self.last_ticket += 1;
        let ticket = Ticket { client, number: self.last_ticket, id: call.id };
        if let Some(answer) = self.begin(ticket, call) {
            self.reply(ticket, answer);
        }
        // What was dropped by it is not there any more for the next.
        self.empty_bin();
    }

    /// Does a call; `None` if the answer comes later, or came already.
    fn begin(&mut self, ticket: Ticket, call: Call<'_>) -> Option<Result<Payload, Fault>> {
        let Call { object, method, links, argument, .. } = call;
        let links = match self.links(ticket.client, &links) {
            Ok(links) => links,
            Err(fault) => return Some(Err(fault)),
        };
        if object == DESK {
            return self.ask_desk(ticket, method, Reader::new(argument), links).transpose();
        }
        if let Err(fault) = self.has_reference(ticket.client, object) {
            return Some(Err(fault));
        }
        self.call(object, ticket, method, argument, links)
    }

    /// Calls an object, or has the call wait for it.
    fn call(
        &mut self,
        object: ObjectId,
        ticket: Ticket,
        method: u64,
        argument: &[u8],
        links: Vec<Link>,
    ) -> Option<Result<Payload, Fault>> {
        let may_wait = self.may_wait(ticket.client);
        let runs_functions = self.runs_functions(ticket.client);
        let slot = self.registry.slots.get(&object);
        if slot.and_then(|slot| slot.object.as_ref()).is_some_and(|body| body.stores(method))
            && let Err(fault) = self.has_room_for(ticket.client, argument.len())
        {
            return Some(Err(fault));
        }
        let Some(slot) = self.registry.slots.get_mut(&object) else {
            return Some(Err(Fault::NoSuchObject));
        };
        let Some(body) = &mut slot.object else {
            if !may_wait {
                return Some(Err(too_many_waiting()));
            }
            let argument = argument.to_vec();
            slot.in_line.push_back(Kept { ticket, method, argument, links, runs_functions });
            self.enter_line(ticket.client);
            return None;
        };
        keep_for(ticket.client);
        let mut answers = Answers::default();
        // Foreign code gets the links; others have had them by then.
        let is_foreign = body.is_foreign();
        let (given, kept) = if is_foreign { (Vec::new(), links) } else { (links, Vec::new()) };
        let (argument_of, links) = (Reader::new(argument), given);
        let request =
            Request { ticket, method, argument: argument_of, links, may_wait, runs_functions };
        let step = body.call(request, &mut answers);
        self.answer_all(&mut answers);
        match step {
            Ok(Step::Done(payload)) => Some(Ok(payload)),
            Err(fault) => Some(Err(fault)),
            Ok(Step::Parked(deadline)) => {
                let timer = self.set_timer(deadline, Timer::Call(ticket.number));
                self.parked.insert(ticket.number, Parked { ticket, object, timer });
                if let Some(guest) = self.guests.get_mut(&ticket.client) {
                    guest.parked.insert(ticket.number);
                }
                None
            }
            Ok(Step::Work) if !may_wait => Some(Err(too_many_waiting())),
            Ok(Step::Work) => {
                if !is_foreign && !runs_functions {
                    let why = "functions are run only for programs of this user on this machine";
                    return Some(Err(Fault::Refused(why.into())));
                }
                let slot = self.registry.slots.get_mut(&object)?;
                let body = slot.object.take()?;
                let (argument, links) = (argument.to_vec(), kept);
                let call = Kept { ticket, method, argument, links, runs_functions };
                self.enter_line(ticket.client);
                self.workers.give(Task::Call { id: object, object: body, call });
                None
            }
        }
    }

    /// How many bytes objects keep.
    pub(super) fn n_kept_bytes(&mut self) -> u64 {
        take_each(|balance| self.settle(balance));
        u64::try_from(self.n_kept_bytes).unwrap_or(0)
    }

    /// Puts a balance on its account; what a client had kept that is gone stays on that of all.
    fn settle(&mut self, (owner, more): Balance) {
        self.n_kept_bytes = self.n_kept_bytes.saturating_add(more);
        if let Some(guest) = self.guests.get_mut(&owner) {
            guest.n_kept_bytes = guest.n_kept_bytes.saturating_add(more);
        }
    }

    /// Whether so many bytes more may be kept, for that client.
    pub(super) fn has_room_for(&mut self, client: ClientId, len: usize) -> Result<(), Fault> {
        let (kept, limit) = (self.n_kept_bytes(), self.rules.max_kept);
        if kept.saturating_add(len as u64) > limit {
            return Err(Fault::Full { kept, limit });
        }
        let (kept, limit) = (self.n_kept_for(client), self.rules.max_kept_for_client);
        if kept.saturating_add(len as u64) > limit {
            return Err(Fault::ShareFull { kept, limit });
        }
        Ok(())
    }

    fn n_kept_for(&self, client: ClientId) -> u64 {
        let kept = self.guests.get(&client).map_or(0, |guest| guest.n_kept_bytes);
        u64::try_from(kept).unwrap_or(0)
    }

    /// The links of a call, to objects that the client has references to.
    fn links(&mut self, client: ClientId, ids: &[ObjectId]) -> Result<Vec<Link>, Fault> {
        let mut links = Vec::with_capacity(ids.len());
        for id in ids {
            self.has_reference(client, *id)?;
            links.extend(self.registry.link(*id));
        }
        Ok(links)
    }

    /// Whether one more call of a client may wait.
    fn may_wait(&self, client: ClientId) -> bool {
        let guest = self.guests.get(&client);
        guest.is_some_and(|guest| guest.parked.len() + guest.n_in_line < self.rules.max_waiting)
    }

    /// Whether functions of a client's program may be run.
    pub(super) fn runs_functions(&self, client: ClientId) -> bool {
        self.guests.get(&client).is_some_and(|guest| guest.runs_functions)
    }

    /// Counts a call that waits for its object or for a thread.
    pub(super) fn enter_line(&mut self, client: ClientId) {
        self.guests.get_mut(&client).into_iter().for_each(|guest| guest.n_in_line += 1);
    }

    fn leave_line(&mut self, client: ClientId) {
        if let Some(guest) = self.guests.get_mut(&client) {
            guest.n_in_line = guest.n_in_line.saturating_sub(1);
        }
    }

    /// Takes back what foreign code has done with.
    pub(super) fn take_finished(&mut self) {
        self.waker.reset();
        for finished in self.workers.finished() {
            let Finished { id, object, ticket, answer, is_new, balances } = finished;
            balances.into_iter().for_each(|balance| self.settle(balance));
            self.leave_line(ticket.client);
            let Some(slot) = self.registry.slots.get_mut(&id) else {
                // Nobody has a reference any more.
                self.hand_over(ticket, answer);
                self.bury(object);
                continue;
            };
            slot.object = object;
            if is_new {
                // If it was not made, or who wanted it is gone, this is the end of it.
                let is_wanted = answer.is_ok() && self.grant(ticket.client, id).is_ok();
                if !is_wanted {
                    self.unrefer(id, 0);
                }
            }
            self.hand_over(ticket, answer);
            self.come_back(id);
        }
    }

    /// Tells a client what foreign code has returned: if that is an object, it gets a place first, and ends if
    /// the client is gone, or has no room for it.
    fn hand_over(&mut self, ticket: Ticket, mut answer: Result<Payload, Fault>) {
        let made = answer.as_mut().ok().and_then(|payload| payload.made.take());
        let id = made.map(|Made { label, object }| {
            let room = self.has_room_for(ticket.client, Registry::cost(&label));
            keep_for(ticket.client);
            let id = self.registry.reserve(label);
            if let Some(slot) = self.registry.slots.get_mut(&id) {
                slot.object = Some(object);
            }
            answer = room.map(|()| Payload { grants: vec![id], ..Payload::number(id) });
            id
        });
        self.reply(ticket, answer);
        id.into_iter().for_each(|id| self.unrefer(id, 0));
    }

    /// Does what has waited for an object that is back.
    fn come_back(&mut self, id: ObjectId) {
        let Some(slot) = self.registry.slots.get_mut(&id) else { return };
        for client in std::mem::take(&mut slot.to_forget) {
            self.have_forgotten(id, client);
        }
        self.hear_object(id);
        while let Some(slot) = self.registry.slots.get_mut(&id) {
            if slot.object.is_none() {
                return;
            }
            let Some(Kept { ticket, method, argument, links, .. }) = slot.in_line.pop_front()
            else {
                return;
            };
            self.leave_line(ticket.client);
            // Who is gone, or has given the object up, wants nothing any more.
            let answer = match self.has_reference(ticket.client, id) {
                Ok(()) => self.call(id, ticket, method, &argument, links),
                Err(fault) => Some(Err(fault)),
            };
            answer.into_iter().for_each(|answer| self.reply(ticket, answer));
        }
    }

    /// The time of a parked call is up.
    pub(super) fn give_up(&mut self, number: u64) {
        let Some(parked) = self.parked.get_mut(&number) else { return };
        parked.timer = None;
        let (ticket, object) = (parked.ticket, parked.object);
        let mut answers = Answers::default();
        let slot = self.registry.slots.get_mut(&object);
        if let Some(body) = slot.and_then(|slot| slot.object.as_mut()) {
            body.give_up(ticket, &mut answers);
        }
        self.answer_all(&mut answers);
    }

    /// Answers calls that were parked.
    pub(super) fn answer_all(&mut self, answers: &mut Answers) {
        for (ticket, answer) in answers.take() {
            if let Some(parked) = self.parked.remove(&ticket.number) {
                if let Some(timer) = parked.timer {
                    self.timers.remove(&timer);
                }
                if let Some(guest) = self.guests.get_mut(&ticket.client) {
                    guest.parked.remove(&ticket.number);
                }
                self.reply(ticket, answer);
            }
        }
    }

    /// Tells a client what came of its call.
    fn reply(&mut self, ticket: Ticket, answer: Result<Payload, Fault>) {
        let Ticket { client, id, .. } = ticket;
        if id == 0 {
            return;
        }
        let mut payload = match answer {
            Ok(payload) => payload,
            Err(fault) => {
                self.say_fault(client, id, &fault);
                return;
            }
        };
        let grants = std::mem::take(&mut payload.grants);
        // What keeps them is dropped after this.
        let links: Vec<ObjectId> =
            grants.into_iter().filter(|object| self.grant(client, *object).is_ok()).collect();
        self.say(client, &Reply { id, is_returned: true, links, bytes: &payload.bytes });
    }

    fn say_fault(&mut self, client: ClientId, id: u64, fault: &Fault) {
        let mut bytes = Vec::new();
        // Text and numbers always encode.
        ipc_core::wire::encode_plain(fault, &mut bytes).ok();
        self.say(client, &Reply { id, is_returned: false, links: Vec::new(), bytes: &bytes });
    }

    fn say(&mut self, client: ClientId, reply: &Reply<'_>) {
        if let Some(guest) = self.guests.get_mut(&client) {
            guest.reply(reply);
            self.has_news(client);
        }
    }

    /// Gives a client a reference to an object.
    pub(super) fn grant(&mut self, client: ClientId, object: ObjectId) -> Result<(), Fault> {
        if !self.guests.contains_key(&client) || !self.registry.refer(object) {
            return Err(Fault::NoSuchObject);
        }
        self.grant_counted(client, object);
        Ok(())
    }

    /// Gives a client a reference that is counted already.
    pub(super) fn grant_counted(&mut self, client: ClientId, object: ObjectId) {
        if let Some(guest) = self.guests.get_mut(&client) {
            *guest.refs.entry(object).or_insert(0) += 1;
        }
    }

    /// Takes a reference back from a client.
    pub(super) fn release(&mut self, client: ClientId, object: ObjectId) {
        let Some(guest) = self.guests.get_mut(&client) else { return };
        let Some(count) = guest.refs.get_mut(&object) else { return };
        *count -= 1;
        if *count == 0 {
            guest.refs.remove(&object);
            self.drop_waiting(client, object);
            self.have_forgotten(object, client);
        }
        self.unrefer(object, 1);
    }

    /// Answers the calls that a client has waiting at an object that it gives up.
    fn drop_waiting(&mut self, client: ClientId, object: ObjectId) {
        let Some(guest) = self.guests.get(&client) else { return };
        let parked = guest.parked.iter().filter_map(|number| self.parked.get(number));
        let there = parked.filter(|parked| parked.object == object);
        let tickets: Vec<Ticket> = there.map(|parked| parked.ticket).collect();
        let mut answers = Answers::default();
        tickets.into_iter().for_each(|ticket| answers.put(ticket, Err(Fault::NoSuchObject)));
        self.answer_all(&mut answers);
    }
}
