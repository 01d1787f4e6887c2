//! Semaphores: permits that belong to a client and come back with its end, and permits that belong to
//! nobody.

use std::collections::{HashMap, VecDeque};

use super::{Answers, ClientId, Kind, Patience, Payload, Request, Step, Ticket, no_such_method};
use crate::protocol::Fault;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::semaphore as methods;

/// A semaphore.
#[derive(Debug)]
pub(super) struct Semaphore {
    free: u64,
    /// As many as there may ever be free.
    most: u64,
    /// The permits that belong to clients, by their numbers.
    held: HashMap<u64, ClientId>,
    last_permit: u64,
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    ticket: Ticket,
    /// Whether the permit is to belong to the client.
    is_held: bool,
}

impl Semaphore {
    pub(super) fn make(mut argument: Reader<'_>) -> Result<Self, Fault> {
        let (free, is_bounded) = (argument.number()?, argument.byte()? != 0);
        let most = if is_bounded { free } else { u64::MAX };
        let (held, waiting) = (HashMap::new(), VecDeque::new());
        Ok(Self { free, most, held, last_permit: 0, waiting })
    }

    /// Hands out a permit that is free: its number, or zero if it belongs to nobody.
    fn hand_out(&mut self, to: Waiting) -> Payload {
        self.free -= 1;
        if !to.is_held {
            return Payload::number(0);
        }
        self.last_permit += 1;
        self.held.insert(self.last_permit, to.ticket.client);
        Payload::number(self.last_permit)
    }

    /// Takes back so many permits, and hands them to those who wait.
    fn take_back(&mut self, count: u64, answers: &mut Answers) -> Result<Payload, Fault> {
        let free = self.free.checked_add(count).ok_or(Fault::TooMany)?;
        // In a bounded one, those that clients hold are among those that there may be.
        let all = free.saturating_add(self.held.len() as u64);
        if free > self.most || (self.most < u64::MAX && all > self.most) {
            return Err(Fault::TooMany);
        }
        self.free = free;
        while self.free > 0
            && let Some(next) = self.waiting.pop_front()
        {
            let permit = self.hand_out(next);
            answers.put(next.ticket, Ok(permit));
        }
        Ok(Payload::unit())
    }
}

impl Kind for Semaphore {
    fn call(&mut self, request: Request<'_>, answers: &mut Answers) -> Result<Step, Fault> {
        let Request { ticket, method, mut argument, may_wait, .. } = request;
        let payload = match method {
            methods::HOLD | methods::TAKE => {
                let patience = Patience::read(&mut argument, may_wait)?;
                let waiting = Waiting { ticket, is_held: method == methods::HOLD };
                if self.free == 0 {
                    if patience.waits() {
                        self.waiting.push_back(waiting);
                    }
                    return patience.park();
                }
                self.hand_out(waiting)
            }
            methods::GIVE_BACK => {
                let permit = argument.number()?;
                if self.held.get(&permit) != Some(&ticket.client) {
                    return Err(Fault::NotHeld);
                }
                self.held.remove(&permit);
                self.take_back(1, answers)?
            }
            methods::ADD => self.take_back(argument.number()?, answers)?,
            methods::VALUE => Payload::number(self.free),
            _ => return Err(no_such_method(method)),
        };
        Ok(payload.into())
    }

    fn give_up(&mut self, ticket: Ticket, answers: &mut Answers) {
        self.waiting.retain(|waiting| waiting.ticket != ticket);
        answers.put(ticket, Err(Fault::TimedOut));
    }

    fn forget(&mut self, client: ClientId, answers: &mut Answers) {
        self.waiting.retain(|waiting| waiting.ticket.client != client);
        let before = self.held.len();
        self.held.retain(|_, holder| *holder != client);
        // They were free before, so there is room for them.
        let back = (before - self.held.len()) as u64;
        self.take_back(back, answers).ok();
    }
}
