//! Lists, and arrays, which are lists whose length does not change.

use std::collections::VecDeque;

use super::dict::{PAGE_BYTES, has_proxies};
use super::{Answers, Kind, Payload, Request, Step, Stored, foreign, no_such_method};
use crate::protocol::Fault;
use crate::protocol::bytes::{Reader, put_number};
use crate::protocol::methods::list as methods;

/// A list.
#[derive(Debug)]
pub(super) struct List {
    items: VecDeque<Stored>,
    is_fixed: bool,
}

impl List {
    /// A list, fixed or not, of the blocks that follow.
    pub(super) fn make(mut argument: Reader<'_>) -> Result<Self, Fault> {
        let is_fixed = argument.byte()? != 0;
        let mut list = Self { items: VecDeque::new(), is_fixed };
        list.extend(argument)?;
        Ok(list)
    }

    fn extend(&mut self, mut argument: Reader<'_>) -> Result<(), Fault> {
        while !argument.is_empty() {
            self.items.push_back(Stored::new(argument.block()?, Vec::new()));
        }
        Ok(())
    }

    fn item(&mut self, index: u64) -> Result<&mut Stored, Fault> {
        let len = self.items.len() as u64;
        let found = usize::try_from(index).ok().and_then(|index| self.items.get_mut(index));
        found.ok_or(Fault::OutOfRange(len))
    }

    /// An index at which an item is, or, if `or_end`, one can be put.
    fn index(&self, index: u64, or_end: bool) -> Result<usize, Fault> {
        let end = self.items.len() + usize::from(or_end);
        let found = usize::try_from(index).ok().filter(|index| *index < end);
        found.ok_or(Fault::OutOfRange(self.items.len() as u64))
    }

    /// The items from an index on, as many as fill a page and are wanted: how many there are in all, how
    /// many they are, and they.
    fn page(&self, from: usize, most: usize) -> Payload {
        let mut items = Payload::default();
        let mut count = 0_u64;
        for item in self.items.iter().skip(from).take(most) {
            items.append(item);
            count += 1;
            if items.bytes.len() >= PAGE_BYTES {
                break;
            }
        }
        let mut page = Payload { grants: items.grants, ..Payload::default() };
        put_number(&mut page.bytes, self.items.len() as u64);
        put_number(&mut page.bytes, count);
        page.bytes.extend(items.bytes);
        page
    }

    /// What changes the length, and may not where that is fixed.
    fn change_length(&mut self, request: Request<'_>) -> Result<Payload, Fault> {
        let Request { method, mut argument, links, .. } = request;
        if self.is_fixed {
            return Err(Fault::Refused("the length of an array does not change".into()));
        }
        Ok(match method {
            methods::PUSH => {
                self.items.push_back(Stored::new(argument.rest(), links));
                Payload::unit()
            }
            methods::POP => {
                let is_front = argument.byte()? != 0;
                let popped = if is_front { self.items.pop_front() } else { self.items.pop_back() };
                Payload::option_owned(popped)
            }
            methods::INSERT => {
                let index = self.index(argument.number()?, true)?;
                self.items.insert(index, Stored::new(argument.rest(), links));
                Payload::unit()
            }
            methods::REMOVE => {
                let index = self.index(argument.number()?, false)?;
                let mut payload = Payload::default();
                self.items.remove(index).into_iter().for_each(|item| payload.append_owned(item));
                payload
            }
            methods::CLEAR => {
                self.items.clear();
                Payload::unit()
            }
            methods::TRUNCATE => {
                self.items.truncate(argument.count()?);
                Payload::unit()
            }
            methods::EXTEND => {
                self.extend(argument)?;
                Payload::unit()
            }
            _ => return Err(no_such_method(method)),
        })
    }
}

impl Kind for List {
    fn call(&mut self, request: Request<'_>, _: &mut Answers) -> Result<Step, Fault> {
        let mut argument = request.argument;
        let payload = match request.method {
            methods::GET => {
                let index = usize::try_from(argument.number()?).ok();
                Payload::option(index.and_then(|index| self.items.get(index)))
            }
            methods::SET => {
                let item = self.item(argument.number()?)?;
                let old = std::mem::replace(item, Stored::new(argument.rest(), request.links));
                let mut payload = Payload::default();
                payload.append_owned(old);
                payload
            }
            methods::LEN => Payload::count(self.items.len()),
            methods::PAGE => self.page(argument.count()?, argument.count()?),
            methods::COMPARE_AND_SET => {
                let item = self.item(argument.number()?)?;
                let is_as_expected = *item.bytes == *argument.block()?;
                if is_as_expected {
                    *item = Stored::new(argument.rest(), request.links);
                }
                Payload::flag(is_as_expected)
            }
            methods::REVERSE => {
                self.items.make_contiguous().reverse();
                Payload::unit()
            }
            methods::FIND => {
                let wanted = argument.rest();
                let found = self.items.iter().position(|item| *item.bytes == *wanted);
                let mut payload = Payload::flag(found.is_some());
                found.into_iter().for_each(|at| put_number(&mut payload.bytes, at as u64));
                payload
            }
            methods::UPDATE => return Ok(Step::Work),
            _ => self.change_length(request)?,
        };
        Ok(payload.into())
    }

    fn stores(&self, method: u64) -> bool {
        matches!(
            method,
            methods::SET
                | methods::PUSH
                | methods::INSERT
                | methods::EXTEND
                | methods::COMPARE_AND_SET
                | methods::UPDATE
        )
    }

    fn work(&mut self, request: Request<'_>) -> Result<Payload, Fault> {
        let mut argument = request.argument;
        let (function, index) = (argument.block()?, argument.number()?);
        let item = self.item(index)?;
        if !item.links.is_empty() {
            return Err(has_proxies());
        }
        let new = foreign::call(function, &[&item.bytes, argument.rest()])?;
        *item = Stored::new(&new, Vec::new());
        Ok(Payload::bytes(new))
    }
}
