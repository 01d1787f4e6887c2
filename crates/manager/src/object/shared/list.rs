//! Lists in shared memory: what the server does in them for clients that cannot.

use std::sync::Arc;

use shm_value::ByteVec;

use super::Memory;
use super::dict::option;
use crate::object::dict::PAGE_BYTES;
use crate::object::weight::Weight;
use crate::object::{Answers, Kind, Payload, Request, Step, no_such_method};
use crate::protocol::Fault;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::{list as methods, shared};

/// A list in shared memory.
#[derive(Debug)]
pub(super) struct List {
    items: ByteVec,
    memory: Memory,
    _weight: Arc<Weight>,
}

impl List {
    pub(super) fn new(items: ByteVec, weight: Arc<Weight>) -> Result<Self, Fault> {
        let memory = Memory::new(items.segment())?;
        Ok(Self { items, memory, _weight: weight })
    }

    fn compare_and_set(&self, mut argument: Reader<'_>) -> Result<bool, Fault> {
        let (index, expected) = (argument.count()?, argument.block()?);
        let old = self.items.alter(index, |old| (old == expected).then(|| argument.rest()))?;
        Ok(old == expected)
    }

    /// The items from an index on, as many as fill a page: how many there are in all, and they.
    fn page(&self, from: usize) -> Result<Payload, Fault> {
        let mut items = Vec::new();
        for index in from.. {
            match self.items.get(index) {
                Ok(Some(item)) => items.extend(item),
                Ok(None) => break,
                // What is before it has been seen.
                Err(_) if index > from => break,
                Err(error) => return Err(error.into()),
            }
            if items.len() >= PAGE_BYTES {
                break;
            }
        }
        let mut page = Payload::count(self.items.len());
        page.bytes.extend(items);
        Ok(page)
    }
}

impl Kind for List {
    fn call(&mut self, request: Request<'_>, _: &mut Answers) -> Result<Step, Fault> {
        let Request { method, mut argument, .. } = request;
        let items = &self.items;
        let payload = match method {
            shared::MEMORY => Payload::number(self.memory.secret),
            methods::GET => option(items.get(argument.count()?)?),
            methods::SET => {
                let index = argument.count()?;
                Payload::bytes(items.alter(index, |_| Some(argument.rest()))?)
            }
            methods::PUSH => {
                items.push(&[argument.rest()])?;
                Payload::unit()
            }
            methods::POP => option(items.pop()?),
            methods::LEN => Payload::count(items.len()),
            methods::CLEAR => {
                items.truncate(0)?;
                Payload::unit()
            }
            methods::TRUNCATE => {
                items.truncate(argument.count()?)?;
                Payload::unit()
            }
            methods::EXTEND => {
                let mut more = Vec::new();
                while !argument.is_empty() {
                    more.push(argument.block()?);
                }
                items.push(&more)?;
                Payload::unit()
            }
            methods::COMPARE_AND_SET => Payload::flag(self.compare_and_set(argument)?),
            methods::PAGE => self.page(argument.count()?)?,
            _ => return Err(no_such_method(method)),
        };
        Ok(payload.into())
    }

    fn memory(&self) -> Option<&Memory> {
        Some(&self.memory)
    }
}
