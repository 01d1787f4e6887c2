//! Events.

use super::{Answers, ClientId, Kind, Patience, Payload, Request, Step, Ticket, no_such_method};
use crate::protocol::Fault;
use crate::protocol::methods::event as methods;

/// An event.
#[derive(Debug, Default)]
pub(super) struct Event {
    is_set: bool,
    waiting: Vec<Ticket>,
}

impl Kind for Event {
    fn call(&mut self, request: Request<'_>, answers: &mut Answers) -> Result<Step, Fault> {
        let Request { ticket, method, mut argument, may_wait, .. } = request;
        let payload = match method {
            methods::SET => {
                self.is_set = true;
                for ticket in self.waiting.drain(..) {
                    answers.put(ticket, Ok(Payload::unit()));
                }
                Payload::unit()
            }
            methods::CLEAR => {
                self.is_set = false;
                Payload::unit()
            }
            methods::IS_SET => Payload::flag(self.is_set),
            methods::WAIT => {
                let patience = Patience::read(&mut argument, may_wait)?;
                if !self.is_set {
                    if patience.waits() {
                        self.waiting.push(ticket);
                    }
                    return patience.park();
                }
                Payload::unit()
            }
            _ => return Err(no_such_method(method)),
        };
        Ok(payload.into())
    }

    fn give_up(&mut self, ticket: Ticket, answers: &mut Answers) {
        self.waiting.retain(|waiting| *waiting != ticket);
        answers.put(ticket, Err(Fault::TimedOut));
    }

    fn forget(&mut self, client: ClientId, _: &mut Answers) {
        self.waiting.retain(|waiting| waiting.client != client);
    }
}
