//! Queues, also those whose items are to be finished.
//!
//! An item of a joinable queue is in somebody's hands from its getting on, under a number, until it is
//! done or given back. With the end of the client what it has in its hands comes back, to the front.

use std::collections::{BTreeMap, VecDeque};

use super::{
    Answers, ClientId, Kind, Patience, Payload, Request, Step, Stored, Ticket, no_such_method,
};
use crate::protocol::Fault;
use crate::protocol::bytes::{Reader, put_number};
use crate::protocol::methods::queue as methods;

/// A queue.
#[derive(Debug)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    /// How many items it holds at most, if that is limited.
    room: Option<u64>,
    is_closed: bool,
    is_joinable: bool,
    /// The items in hands, by their numbers.
    in_hands: BTreeMap<u64, (ClientId, Item)>,
    last_number: u64,
    getting: VecDeque<Ticket>,
    putting: VecDeque<(Ticket, Stored)>,
    joining: Vec<Ticket>,
}

#[derive(Debug)]
struct Item {
    value: Stored,
    /// How many had it in their hands and did not finish it.
    n_returned: u64,
}

impl Queue {
    /// A queue for so many items, or zero for any number.
    pub(super) fn make(mut argument: Reader<'_>) -> Result<Self, Fault> {
        let (room, is_joinable) = (argument.number()?, argument.byte()? != 0);
        Ok(Self {
            items: VecDeque::new(),
            room: (room > 0).then_some(room),
            is_closed: false,
            is_joinable,
            in_hands: BTreeMap::new(),
            last_number: 0,
            getting: VecDeque::new(),
            putting: VecDeque::new(),
            joining: Vec::new(),
        })
    }

    fn is_full(&self) -> bool {
        self.room.is_some_and(|room| self.items.len() as u64 >= room)
    }

    fn n_unfinished(&self) -> usize {
        self.items.len() + self.putting.len() + self.in_hands.len()
    }

    /// Puts an item in somebody's hands: in a joinable queue its number and how often it came back, and it.
    fn hand_to(&mut self, client: ClientId, item: Item) -> Payload {
        let mut payload = Payload::default();
        if !self.is_joinable {
            payload.append_owned(item.value);
            return payload;
        }
        self.last_number += 1;
        put_number(&mut payload.bytes, self.last_number);
        put_number(&mut payload.bytes, item.n_returned);
        payload.append(&item.value);
        self.in_hands.insert(self.last_number, (client, item));
        payload
    }

    /// Has items go to those who wait for them, and into the room that becomes free.
    fn settle(&mut self, answers: &mut Answers) {
        loop {
            while !self.getting.is_empty()
                && let Some(item) = self.items.pop_front()
                && let Some(ticket) = self.getting.pop_front()
            {
                let payload = self.hand_to(ticket.client, item);
                answers.put(ticket, Ok(payload));
            }
            if self.is_full() {
                break;
            }
            let Some((ticket, value)) = self.putting.pop_front() else { break };
            self.items.push_back(Item { value, n_returned: 0 });
            answers.put(ticket, Ok(Payload::unit()));
        }
        if self.is_closed && self.items.is_empty() && self.in_hands.is_empty() {
            for ticket in self.getting.drain(..) {
                answers.put(ticket, Err(Fault::Closed));
            }
        }
        if self.n_unfinished() == 0 {
            for ticket in self.joining.drain(..) {
                answers.put(ticket, Ok(Payload::unit()));
            }
        }
    }

    fn put(&mut self, request: Request<'_>, answers: &mut Answers) -> Result<Step, Fault> {
        let Request { ticket, mut argument, links, may_wait, .. } = request;
        let patience = Patience::read(&mut argument, may_wait)?;
        if self.is_closed {
            return Err(Fault::Closed);
        }
        let value = Stored::new(argument.rest(), links);
        if self.is_full() || !self.putting.is_empty() {
            if patience.waits() {
                self.putting.push_back((ticket, value));
            }
            return patience.park();
        }
        self.items.push_back(Item { value, n_returned: 0 });
        self.settle(answers);
        Ok(Payload::unit().into())
    }

    fn get(&mut self, request: Request<'_>, answers: &mut Answers) -> Result<Step, Fault> {
        let Request { ticket, mut argument, may_wait, .. } = request;
        let patience = Patience::read(&mut argument, may_wait)?;
        if let Some(item) = self.items.pop_front() {
            let payload = self.hand_to(ticket.client, item);
            self.settle(answers);
            return Ok(payload.into());
        }
        // What is in hands may come back.
        if self.is_closed && self.in_hands.is_empty() {
            return Err(Fault::Closed);
        }
        if patience.waits() {
            self.getting.push_back(ticket);
        }
        patience.park()
    }

    /// Takes an item out of somebody's hands.
    fn take_from(&mut self, client: ClientId, number: u64) -> Result<Item, Fault> {
        let is_theirs = self.in_hands.get(&number).is_some_and(|(holder, _)| *holder == client);
        let taken = if is_theirs { self.in_hands.remove(&number) } else { None };
        taken.map(|(_, item)| item).ok_or(Fault::NotHeld)
    }

    fn put_back(&mut self, item: Item) {
        self.items.push_front(Item { n_returned: item.n_returned + 1, ..item });
    }
}

impl Kind for Queue {
    fn call(&mut self, request: Request<'_>, answers: &mut Answers) -> Result<Step, Fault> {
        let Request { ticket, method, mut argument, may_wait, .. } = request;
        let payload = match method {
            methods::PUT => return self.put(request, answers),
            methods::GET => return self.get(request, answers),
            methods::LEN => Payload::count(self.items.len()),
            methods::CLOSE => {
                self.is_closed = true;
                for (ticket, _) in self.putting.drain(..) {
                    answers.put(ticket, Err(Fault::Closed));
                }
                self.settle(answers);
                Payload::unit()
            }
            methods::DONE => {
                drop(self.take_from(ticket.client, argument.number()?)?);
                self.settle(answers);
                Payload::unit()
            }
            methods::GIVE_BACK => {
                let item = self.take_from(ticket.client, argument.number()?)?;
                self.put_back(item);
                self.settle(answers);
                Payload::unit()
            }
            methods::JOIN => {
                let patience = Patience::read(&mut argument, may_wait)?;
                if self.n_unfinished() > 0 {
                    if patience.waits() {
                        self.joining.push(ticket);
                    }
                    return patience.park();
                }
                Payload::unit()
            }
            methods::UNFINISHED => Payload::count(self.n_unfinished()),
            _ => return Err(no_such_method(method)),
        };
        Ok(payload.into())
    }

    fn give_up(&mut self, ticket: Ticket, answers: &mut Answers) {
        self.getting.retain(|getting| *getting != ticket);
        self.putting.retain(|(putting, _)| *putting != ticket);
        self.joining.retain(|joining| *joining != ticket);
        answers.put(ticket, Err(Fault::TimedOut));
        self.settle(answers);
    }

    fn stores(&self, method: u64) -> bool {
        method == methods::PUT
    }

    fn forget(&mut self, client: ClientId, answers: &mut Answers) {
        self.getting.retain(|getting| getting.client != client);
        self.putting.retain(|(putting, _)| putting.client != client);
        self.joining.retain(|joining| joining.client != client);
        let theirs = |(_, (holder, _)): &(&u64, &(ClientId, Item))| *holder == client;
        let numbers: Vec<u64> = self.in_hands.iter().filter(theirs).map(|(at, _)| *at).collect();
        // The oldest comes first again.
        for number in numbers.into_iter().rev() {
            let item = self.in_hands.remove(&number).map(|(_, item)| item);
            item.into_iter().for_each(|item| self.put_back(item));
        }
        self.settle(answers);
    }
}
