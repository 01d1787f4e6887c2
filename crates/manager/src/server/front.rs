//! The methods of the server itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipc_core::Deadline;

use super::bell::Bell;
use super::registry::{Passage, Registry};
use super::timers::Timer;
use super::work::{Kept, Task};
use super::{Server, sys};
use crate::object::shared::Plan;
use crate::object::user::Maker;
use crate::object::weight::keep_for;
use crate::object::{self, ClientId, Link, Payload, Ticket};
use crate::protocol::bytes::Reader;
use crate::protocol::methods::desk;
use crate::protocol::{Fault, ObjectId};
use crate::stats::Stats;

/// The most passages of a client that nobody has come for.
const MOST_PASSAGES: usize = 1 << 16;

/// The longest name that something is published under.
const LONGEST_NAME: usize = 1 << 10;

impl Server {
    /// Does what a client asks the server itself for; `None` if the answer comes later.
    pub(super) fn ask_desk(
        &mut self,
        ticket: Ticket,
        method: u64,
        mut argument: Reader<'_>,
        links: Vec<Link>,
    ) -> Result<Option<Payload>, Fault> {
        let client = ticket.client;
        Ok(Some(match method {
            desk::LET_GO => {
                self.release(client, argument.number()?);
                Payload::unit()
            }
            desk::CREATE => return self.create(ticket, argument, links),
            desk::MAKE => return self.make(ticket, argument, links),
            desk::SEND => {
                let passage = self.send(client, argument.number()?)?;
                Payload::number(passage)
            }
            desk::REDEEM => {
                let (passage, object) = (argument.number()?, argument.number()?);
                match self.registry.passages.get(&passage) {
                    // Its reference becomes the client's.
                    Some(found) if found.object == object => {
                        self.end_passage(passage);
                        self.grant_counted(client, object);
                    }
                    _ => self.grant(client, object)?,
                }
                Payload::unit()
            }
            desk::ATTACH => {
                self.grant(client, argument.number()?)?;
                Payload::unit()
            }
            desk::PUBLISH => {
                let (name, object) = (name(&mut argument)?, argument.number()?);
                self.has_reference(client, object)?;
                if self.registry.names.contains_key(&name) {
                    return Err(Fault::NameTaken);
                }
                self.has_room_for(client, name.len())?;
                keep_for(client);
                self.registry.publish(name, object);
                Payload::unit()
            }
            desk::UNPUBLISH => {
                let name = name(&mut argument)?;
                let named = self.registry.names.remove(&name).ok_or(Fault::NoSuchName)?;
                self.unrefer(named.object, 1);
                Payload::unit()
            }
            desk::LOOK_UP => {
                let (name, label) = (name(&mut argument)?, argument.rest());
                let object = self.registry.names.get(&name).ok_or(Fault::NoSuchName)?.object;
                let found = self.registry.slots.get(&object).ok_or(Fault::NoSuchName)?;
                if found.label.as_bytes() != label {
                    return Err(Fault::OtherType(found.label.clone()));
                }
                self.grant(client, object)?;
                Payload::number(object)
            }
            desk::STATS => {
                let mut payload = Payload::default();
                let encoded = ipc_core::wire::encode_plain(&self.stats(), &mut payload.bytes);
                encoded.map_err(|error| Fault::Refused(error.to_string()))?;
                payload
            }
            _ => return Err(Fault::NoSuchMethod(format!("number {method}"))),
        }))
    }

    /// Makes an object of one of the sorts that every server has.
    fn create(
        &mut self,
        ticket: Ticket,
        mut argument: Reader<'_>,
        links: Vec<Link>,
    ) -> Result<Option<Payload>, Fault> {
        let sort = String::from_utf8_lossy(argument.block()?).into_owned();
        let label = String::from_utf8_lossy(argument.block()?).into_owned();
        #[cfg(feature = "pool")]
        if sort == "pool" {
            let maker = Arc::clone(&self.pools);
            return self.have_made(maker, label, ticket, argument, links);
        }
        if let Some(plan) = Plan::read(&sort, argument)? {
            self.has_room_for(ticket.client, plan.n_bytes()?)?;
            keep_for(ticket.client);
            let maker = Arc::new(plan.weighed()?);
            return self.have_made(maker, label, ticket, argument, links);
        }
        self.has_room_for(ticket.client, argument.rest().len() + Registry::cost(&label))?;
        keep_for(ticket.client);
        let object = object::make(&sort, argument, links)?.ok_or(Fault::NoSuchType(sort))?;
        let id = self.registry.reserve(label);
        if let Some(slot) = self.registry.slots.get_mut(&id) {
            slot.object = Some(object);
        }
        self.grant(ticket.client, id)?;
        Ok(Some(Payload::number(id)))
    }

    /// Makes an object of a user's type.
    fn make(
        &mut self,
        ticket: Ticket,
        mut argument: Reader<'_>,
        links: Vec<Link>,
    ) -> Result<Option<Payload>, Fault> {
        let name = String::from_utf8_lossy(argument.block()?).into_owned();
        let label = String::from_utf8_lossy(argument.block()?).into_owned();
        let maker = self.makers.get(name.as_str()).map(Arc::clone);
        let maker = maker.ok_or(Fault::NoSuchType(name))?;
        self.have_made(maker, label, ticket, argument, links)
    }

    /// Has an object made where it may take a while.
    fn have_made(
        &mut self,
        maker: Arc<dyn Maker>,
        label: String,
        ticket: Ticket,
        argument: Reader<'_>,
        links: Vec<Link>,
    ) -> Result<Option<Payload>, Fault> {
        self.has_room_for(ticket.client, Registry::cost(&label))?;
        keep_for(ticket.client);
        let id = self.registry.reserve(label);
        let (argument, runs_functions) =
            (argument.rest().to_vec(), self.runs_functions(ticket.client));
        let call = Kept { ticket, method: desk::MAKE, argument, links, runs_functions };
        self.enter_line(ticket.client);
        self.workers.give(Task::Make { id, maker, call, bell: Bell::new(id, &self.board) });
        Ok(None)
    }

    fn send(&mut self, client: ClientId, object: ObjectId) -> Result<u64, Fault> {
        self.has_reference(client, object)?;
        let guest = self.guests.get_mut(&client).ok_or(Fault::NoSuchObject)?;
        if guest.passages.len() >= MOST_PASSAGES {
            return Err(Fault::Refused("too many proxies are on their way".into()));
        }
        let refused = |error: std::io::Error| Fault::Refused(error.to_string());
        let passage = sys::random().map_err(refused)?;
        guest.passages.insert(passage);
        self.registry.refer(object);
        self.registry.passages.insert(passage, Passage { object, sender: client });
        Ok(passage)
    }

    /// Takes a passage out; its reference is the caller's then.
    pub(super) fn end_passage(&mut self, passage: u64) -> Option<Passage> {
        let ended = self.registry.passages.remove(&passage)?;
        if let Some(sender) = self.guests.get_mut(&ended.sender) {
            sender.passages.remove(&passage);
        }
        Some(ended)
    }

    /// Has passages whose sender is gone end when their time is up.
    pub(super) fn time_passages(&mut self, passages: impl IntoIterator<Item = u64>) {
        let deadline = Deadline::after(self.rules.passage_timeout);
        for passage in passages {
            self.set_timer(deadline, Timer::Passage(passage));
        }
    }

    /// What there is.
    fn stats(&mut self) -> Stats {
        let (mut types, kept_bytes) = (BTreeMap::new(), self.n_kept_bytes());
        for slot in self.registry.slots.values() {
            *types.entry(slot.label.clone()).or_insert(0) += 1;
        }
        let in_line = self.registry.slots.values().map(|slot| slot.in_line.len() as u64);
        Stats {
            objects: self.registry.slots.len() as u64,
            types,
            references: self.registry.slots.values().map(|slot| slot.refs).sum(),
            kept_bytes,
            on_their_way: self.registry.passages.len() as u64,
            published: self.registry.names.len() as u64,
            clients: self.guests.len() as u64,
            lanes: self.n_lanes as u64,
            cut_off: self.guests.values().filter(|guest| guest.away.is_some()).count() as u64,
            waiting: self.parked.len() as u64 + in_line.sum::<u64>(),
            calls: self.counts.calls,
            refused: self.counts.refused,
            latency: self.counts.latency.clone(),
        }
    }

    /// Whether a client may do something with an object.
    pub(super) fn has_reference(&self, client: ClientId, object: ObjectId) -> Result<(), Fault> {
        let guest = self.guests.get(&client);
        let has = guest.is_some_and(|guest| guest.refs.contains_key(&object));
        if has { Ok(()) } else { Err(Fault::NoSuchObject) }
    }
}

fn name(argument: &mut Reader<'_>) -> Result<String, Fault> {
    let name = argument.block()?;
    let text = std::str::from_utf8(name).ok().filter(|name| name.len() <= LONGEST_NAME);
    text.map(str::to_owned).ok_or_else(|| Fault::BadArgument("that is no name".into()))
}
