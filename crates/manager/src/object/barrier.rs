//! Barriers.
//!
//! | state | meaning |
//! |-------|---------|
//! | fewer wait than there are parties | who comes waits |
//! | the last party comes | all who wait are answered with their places, and a new round begins |
//! | broken | who waits and who comes is told so, until it is reset |

use super::{Answers, ClientId, Kind, Patience, Payload, Request, Step, Ticket, no_such_method};
use crate::protocol::Fault;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::barrier as methods;

/// A barrier.
#[derive(Debug)]
pub(super) struct Barrier {
    parties: u64,
    is_broken: bool,
    /// By the order in which they came.
    waiting: Vec<Ticket>,
}

impl Barrier {
    pub(super) fn make(mut argument: Reader<'_>) -> Result<Self, Fault> {
        let parties = argument.number()?;
        if parties == 0 {
            return Err(Fault::Refused("a barrier has a party at least".into()));
        }
        Ok(Self { parties, is_broken: false, waiting: Vec::new() })
    }

    fn break_it(&mut self, answers: &mut Answers) {
        self.is_broken = true;
        self.send_off(answers);
    }

    fn send_off(&mut self, answers: &mut Answers) {
        for ticket in self.waiting.drain(..) {
            answers.put(ticket, Err(Fault::Broken));
        }
    }
}

impl Kind for Barrier {
    fn call(&mut self, request: Request<'_>, answers: &mut Answers) -> Result<Step, Fault> {
        let Request { ticket, method, mut argument, may_wait, .. } = request;
        let payload = match method {
            methods::WAIT if self.is_broken => return Err(Fault::Broken),
            methods::WAIT => {
                let patience = Patience::read(&mut argument, may_wait)?;
                let place = self.waiting.len() as u64;
                if place + 1 < self.parties {
                    // Who does not wait for the others keeps them from ever being complete.
                    if patience.waits() {
                        self.waiting.push(ticket);
                    } else {
                        self.break_it(answers);
                    }
                    return patience.park();
                }
                for (place, ticket) in self.waiting.drain(..).enumerate() {
                    answers.put(ticket, Ok(Payload::count(place)));
                }
                Payload::number(place)
            }
            methods::ABORT => {
                self.break_it(answers);
                Payload::unit()
            }
            methods::RESET => {
                self.is_broken = false;
                self.send_off(answers);
                Payload::unit()
            }
            methods::N_WAITING => Payload::count(self.waiting.len()),
            methods::IS_BROKEN => Payload::flag(self.is_broken),
            methods::PARTIES => Payload::number(self.parties),
            _ => return Err(no_such_method(method)),
        };
        Ok(payload.into())
    }

    fn give_up(&mut self, ticket: Ticket, answers: &mut Answers) {
        self.waiting.retain(|waiting| *waiting != ticket);
        answers.put(ticket, Err(Fault::TimedOut));
        self.break_it(answers);
    }

    fn forget(&mut self, client: ClientId, answers: &mut Answers) {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.client != client);
        if self.waiting.len() < before {
            self.break_it(answers);
        }
    }
}
