//! Locks, taken once or again by the same owner, and conditions, which are locks with something to wait
//! for.
//!
//! | state | meaning |
//! |-------|---------|
//! | no hold | free; nobody is in line |
//! | a hold | an owner (a thread of a client) has it, so and so deep |
//! | abandoned | the last holder was lost with its client; the next to have it is told |
//!
//! Who waits for a notification is in `asleep`, and when it is notified, or its time is up, goes into the
//! line for the lock like everybody.

use std::collections::VecDeque;

use super::{Answers, ClientId, Kind, Patience, Payload, Request, Step, Ticket, no_such_method};
use crate::protocol::Fault;
use crate::protocol::methods::lock as methods;

/// A lock.
#[derive(Debug, Default)]
pub(super) struct Lock {
    hold: Option<Hold>,
    is_abandoned: bool,
    last_hold: u64,
    in_line: VecDeque<Waiting>,
    asleep: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    number: u64,
    client: ClientId,
    owner: u64,
    depth: u64,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    ticket: Ticket,
    owner: u64,
    /// How deep it had the lock, and has it again.
    depth: u64,
    /// Whether it had the lock before, and gets it back in any case.
    is_returning: bool,
    /// Whether it was notified.
    is_notified: bool,
}

impl Waiting {
    /// Somebody who comes for the lock.
    fn new(ticket: Ticket, owner: u64) -> Self {
        Self { ticket, owner, depth: 1, is_returning: false, is_notified: false }
    }
}

impl Lock {
    /// Gives the lock to somebody: the number of the hold, whether the last holder was lost, and
    /// whether it was notified.
    fn give_to(&mut self, next: Waiting) -> Payload {
        let Waiting { ticket, owner, depth, is_notified, .. } = next;
        self.last_hold += 1;
        self.hold = Some(Hold { number: self.last_hold, client: ticket.client, owner, depth });
        let was_abandoned = std::mem::take(&mut self.is_abandoned);
        let mut payload = Payload::number(self.last_hold);
        payload.bytes.extend([u8::from(was_abandoned), u8::from(is_notified)]);
        payload
    }

    /// Gives the lock, if it is free, to the first in line.
    fn pass_on(&mut self, answers: &mut Answers) {
        if self.hold.is_none()
            && let Some(next) = self.in_line.pop_front()
        {
            let payload = self.give_to(next);
            answers.put(next.ticket, Ok(payload));
        }
    }

    fn acquire(&mut self, request: Request<'_>) -> Result<Step, Fault> {
        let Request { ticket, mut argument, may_wait, .. } = request;
        let patience = Patience::read(&mut argument, may_wait)?;
        let (is_reentrant, owner) = (argument.byte()? != 0, argument.number()?);
        match &mut self.hold {
            Some(hold) if (hold.client, hold.owner) == (ticket.client, owner) => {
                if !is_reentrant {
                    let is_hopeless = patience.waits();
                    return Err(if is_hopeless { Fault::WouldDeadlock } else { Fault::NotNow });
                }
                hold.depth += 1;
                let mut payload = Payload::number(hold.number);
                payload.bytes.extend([0_u8, 0]);
                Ok(payload.into())
            }
            Some(_) => {
                if patience.waits() {
                    self.in_line.push_back(Waiting::new(ticket, owner));
                }
                patience.park()
            }
            None => Ok(self.give_to(Waiting::new(ticket, owner)).into()),
        }
    }

    fn held_by(&mut self, client: ClientId, number: u64) -> Result<&mut Hold, Fault> {
        let held = self.hold.as_mut().filter(|hold| (hold.client, hold.number) == (client, number));
        held.ok_or(Fault::NotHeld)
    }

    fn release(&mut self, client: ClientId, number: u64) -> Result<(), Fault> {
        let hold = self.held_by(client, number)?;
        hold.depth -= 1;
        if hold.depth == 0 {
            self.hold = None;
        }
        Ok(())
    }

    /// Gives the lock up until a notification.
    fn wait(&mut self, request: Request<'_>, answers: &mut Answers) -> Result<Step, Fault> {
        let Request { ticket, mut argument, may_wait, .. } = request;
        let patience = Patience::read(&mut argument, may_wait)?;
        let hold = *self.held_by(ticket.client, argument.number()?)?;
        let Patience::Until(deadline) = patience else { return patience.park() };
        self.hold = None;
        let Hold { owner, depth, .. } = hold;
        let waiting = Waiting { depth, is_returning: true, ..Waiting::new(ticket, owner) };
        self.asleep.push_back(waiting);
        self.pass_on(answers);
        Ok(Step::Parked(deadline))
    }

    fn notify(&mut self, count: u64) -> u64 {
        let n_asleep = self.asleep.len();
        let count = usize::try_from(count).map_or(n_asleep, |count| count.min(n_asleep));
        for waiting in self.asleep.drain(..count) {
            self.in_line.push_back(Waiting { is_notified: true, ..waiting });
        }
        count as u64
    }
}

impl Kind for Lock {
    fn call(&mut self, request: Request<'_>, answers: &mut Answers) -> Result<Step, Fault> {
        let Request { ticket, method, mut argument, .. } = request;
        let payload = match method {
            methods::LOCK => return self.acquire(request),
            methods::UNLOCK => {
                self.release(ticket.client, argument.number()?)?;
                self.pass_on(answers);
                Payload::unit()
            }
            methods::IS_LOCKED => Payload::flag(self.hold.is_some()),
            methods::WAIT => return self.wait(request, answers),
            methods::NOTIFY => {
                let count = self.notify(argument.number()?);
                self.pass_on(answers);
                Payload::number(count)
            }
            methods::N_WAITING => Payload::count(self.asleep.len()),
            _ => return Err(no_such_method(method)),
        };
        Ok(payload.into())
    }

    fn give_up(&mut self, ticket: Ticket, answers: &mut Answers) {
        // Who waits for a notification gets the lock back before it is told that there was none.
        if let Some(at) = self.asleep.iter().position(|waiting| waiting.ticket == ticket) {
            self.in_line.extend(self.asleep.remove(at));
            self.pass_on(answers);
            return;
        }
        // Who gets the lock back waits for it without a deadline.
        let gives_up = |waiting: &Waiting| waiting.ticket == ticket && !waiting.is_returning;
        if let Some(at) = self.in_line.iter().position(gives_up) {
            self.in_line.remove(at);
            answers.put(ticket, Err(Fault::TimedOut));
        }
    }

    fn forget(&mut self, client: ClientId, answers: &mut Answers) {
        let stays = |waiting: &Waiting| waiting.ticket.client != client;
        // A notification that the lost client had, and had no use of, goes to another.
        let n_lost = self.in_line.iter().filter(|waiting| !stays(waiting) && waiting.is_notified);
        let n_lost = n_lost.count() as u64;
        self.in_line.retain(stays);
        self.asleep.retain(stays);
        self.notify(n_lost);
        if self.hold.is_some_and(|hold| hold.client == client) {
            self.hold = None;
            self.is_abandoned = true;
        }
        self.pass_on(answers);
    }
}
