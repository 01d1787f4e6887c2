//! Dicts in shared memory: what the server does in them for clients that cannot.

use std::sync::Arc;

use shm_value::ByteMap;

use super::Memory;
use crate::object::dict::{PAGE_BYTES, read_option};
use crate::object::weight::Weight;
use crate::object::{Answers, Kind, Payload, Request, Step, no_such_method};
use crate::protocol::Fault;
use crate::protocol::bytes::{Reader, put_number};
use crate::protocol::methods::{dict as methods, shared};

/// A dict in shared memory.
#[derive(Debug)]
pub(super) struct Dict {
    map: ByteMap,
    key_len: usize,
    memory: Memory,
    _weight: Arc<Weight>,
}

/// A page comes from so many slots at most: others have their turn.
const PAGE_SLOTS: usize = 1 << 14;

impl Dict {
    pub(super) fn new(map: ByteMap, key_len: usize, weight: Arc<Weight>) -> Result<Self, Fault> {
        let memory = Memory::new(map.segment())?;
        Ok(Self { map, key_len, memory, _weight: weight })
    }

    fn compare_and_set(&self, mut argument: Reader<'_>) -> Result<bool, Fault> {
        let key = argument.block()?;
        let expected = read_option(&mut argument)?;
        let new = if argument.byte()? == 0 { None } else { Some(argument.rest()) };
        let mut is_as_expected = false;
        self.map.alter(key, |old| {
            is_as_expected = old == expected;
            if is_as_expected { new } else { old }.map(<[u8]>::to_vec)
        })?;
        Ok(is_as_expected)
    }

    /// The entries in the slots from one on: where the next page begins, or zero if there is none; and they.
    fn page(&self, from: usize, with_values: bool) -> Result<Payload, Fault> {
        let (mut entries, mut next) = (Vec::new(), from);
        let end = from.saturating_add(PAGE_SLOTS).min(self.map.n_slots());
        while next < end && entries.len() < PAGE_BYTES {
            match self.map.slot(next) {
                Ok(Some(entry)) if with_values => entries.extend(entry),
                Ok(Some(entry)) => entries.extend(entry.into_iter().take(self.key_len)),
                Ok(None) => {}
                // What is before it has been seen.
                Err(_) if next > from => break,
                Err(error) => return Err(error.into()),
            }
            next += 1;
        }
        let mut page = Payload::default();
        put_number(&mut page.bytes, if next < self.map.n_slots() { next as u64 } else { 0 });
        page.bytes.extend(entries);
        Ok(page)
    }
}

impl Kind for Dict {
    fn call(&mut self, request: Request<'_>, _: &mut Answers) -> Result<Step, Fault> {
        let Request { method, mut argument, .. } = request;
        let map = &self.map;
        let payload = match method {
            shared::MEMORY => Payload::number(self.memory.secret),
            methods::GET => option(map.get(argument.rest())?),
            methods::SET => {
                map.insert(argument.block()?, argument.rest())?;
                Payload::unit()
            }
            methods::INSERT => option(map.insert(argument.block()?, argument.rest())?),
            methods::REMOVE => option(map.remove(argument.rest())?),
            methods::CONTAINS => Payload::flag(map.get(argument.rest())?.is_some()),
            methods::LEN => Payload::count(map.len()?),
            methods::CLEAR => {
                map.clear()?;
                Payload::unit()
            }
            methods::GET_OR_INSERT => {
                let (key, new) = (argument.block()?, argument.rest());
                let old = map.alter(key, |old| Some(old.unwrap_or(new).to_vec()))?;
                Payload::bytes(old.unwrap_or_else(|| new.to_vec()))
            }
            methods::COMPARE_AND_SET => Payload::flag(self.compare_and_set(argument)?),
            methods::PAGE => {
                let with_values = argument.byte()? != 0;
                self.page(argument.count()?, with_values)?
            }
            methods::EXTEND => {
                while !argument.is_empty() {
                    map.insert(argument.block()?, argument.block()?)?;
                }
                Payload::unit()
            }
            _ => return Err(no_such_method(method)),
        };
        Ok(payload.into())
    }

    fn memory(&self) -> Option<&Memory> {
        Some(&self.memory)
    }
}

/// A value that may be there, as the codec has an `Option`.
pub(super) fn option(value: Option<Vec<u8>>) -> Payload {
    let mut payload = Payload::flag(value.is_some());
    payload.bytes.extend(value.unwrap_or_default());
    payload
}
