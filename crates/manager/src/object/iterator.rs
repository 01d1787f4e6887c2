//! Iterators that a user's objects have returned: each is an object of its own, which one client has.
//!
//! | state | a call | next |
//! |-------|--------|------|
//! | it goes on | returns some items | it goes on |
//! | it goes on | `next` panics, or an item cannot be sent | it has failed; items that came before are returned |
//! | it goes on | there are no more items | it is over |
//! | it has failed | is told why | it is over |
//! | it is over | returns nothing | it is over |
//!
//! What a call returns is bounded three ways: by the number that is asked for, by bytes, and by the time that
//! items take to come.

use std::any::type_name;
use std::time::{Duration, Instant};

use proc_core::PanicInfo;
use serde::Serialize;

use super::dict::PAGE_BYTES;
use super::{Answers, Kind, Made, Payload, Request, Step, no_such_method};
use crate::protocol::Fault;
use crate::protocol::bytes::put_number;
use crate::protocol::methods::iterator as methods;
use crate::server::Home;

/// No call returns more items.
const MOST_ITEMS: u64 = 1 << 12;

/// When its items have taken so long, a call asks for no further.
const LONG: Duration = Duration::from_millis(1);

/// An iterator.
pub(super) struct Iteration<I> {
    items: I,
    home: Home,
    is_over: bool,
    /// Why it is over, until somebody has been told.
    fault: Option<Fault>,
}

impl<I> Iteration<I>
where
    I: Iterator<Item: Serialize> + Send + 'static,
{
    pub(super) fn over(items: I, home: Home) -> Made {
        let label = format!("iterator<{}>", type_name::<I::Item>());
        Made { label, object: Box::new(Self { items, home, is_over: false, fault: None }) }
    }

    /// The next item, encoded.
    fn next(&mut self) -> Result<Option<Payload>, Fault> {
        let Self { items, home, .. } = self;
        let step = || home.enter(|| items.next().map(|item| home.encode(&item)).transpose());
        PanicInfo::catch(step).unwrap_or_else(|panic| Err(Fault::Panicked(panic)))
    }
}

impl<I> Kind for Iteration<I>
where
    I: Iterator<Item: Serialize> + Send + 'static,
{
    fn call(&mut self, request: Request<'_>, _: &mut Answers) -> Result<Step, Fault> {
        match request.method {
            methods::NEXT => Ok(Step::Work),
            other => Err(no_such_method(other)),
        }
    }

    /// Whether that was all; how many items there are; and they.
    fn work(&mut self, mut request: Request<'_>) -> Result<Payload, Fault> {
        let most = request.argument.number()?.clamp(1, MOST_ITEMS);
        let (mut items, mut count) = (Payload::default(), 0_u64);
        let began = Instant::now();
        while !self.is_over && count < most {
            match self.next() {
                Ok(Some(item)) => items.append_returned(item),
                Ok(None) => {
                    self.is_over = true;
                    break;
                }
                Err(fault) => {
                    (self.is_over, self.fault) = (true, Some(fault));
                    break;
                }
            }
            count += 1;
            if items.bytes.len() >= PAGE_BYTES || began.elapsed() >= LONG {
                break;
            }
        }
        if count == 0
            && let Some(fault) = self.fault.take()
        {
            return Err(fault);
        }
        let mut page = Payload::flag(self.is_over && self.fault.is_none());
        put_number(&mut page.bytes, count);
        page.append_returned(items);
        Ok(page)
    }

    fn is_foreign(&self) -> bool {
        true
    }
}
