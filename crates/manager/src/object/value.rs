//! Single values.

use super::dict::has_proxies;
use super::{Answers, Kind, Link, Payload, Request, Step, Stored, foreign, no_such_method};
use crate::protocol::Fault;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::value as methods;

/// A value.
#[derive(Debug)]
pub(super) struct Value(Stored);

impl Value {
    pub(super) fn make(argument: Reader<'_>, links: Vec<Link>) -> Self {
        Self(Stored::new(argument.rest(), links))
    }
}

impl Kind for Value {
    fn call(&mut self, request: Request<'_>, _: &mut Answers) -> Result<Step, Fault> {
        let Request { method, mut argument, links, .. } = request;
        let payload = match method {
            methods::GET => Payload::value(&self.0),
            methods::SET => {
                self.0 = Stored::new(argument.rest(), links);
                Payload::unit()
            }
            methods::REPLACE => {
                let old = std::mem::replace(&mut self.0, Stored::new(argument.rest(), links));
                let mut payload = Payload::default();
                payload.append_owned(old);
                payload
            }
            methods::COMPARE_AND_SET => {
                let is_as_expected = *self.0.bytes == *argument.block()?;
                if is_as_expected {
                    self.0 = Stored::new(argument.rest(), links);
                }
                Payload::flag(is_as_expected)
            }
            methods::UPDATE => return Ok(Step::Work),
            _ => return Err(no_such_method(method)),
        };
        Ok(payload.into())
    }

    fn stores(&self, method: u64) -> bool {
        matches!(
            method,
            methods::SET | methods::REPLACE | methods::COMPARE_AND_SET | methods::UPDATE
        )
    }

    fn work(&mut self, request: Request<'_>) -> Result<Payload, Fault> {
        let mut argument = request.argument;
        let function = argument.block()?;
        if !self.0.links.is_empty() {
            return Err(has_proxies());
        }
        let new = foreign::call(function, &[&self.0.bytes, argument.rest()])?;
        self.0 = Stored::new(&new, Vec::new());
        Ok(Payload::bytes(new))
    }
}
