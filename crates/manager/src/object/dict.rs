//! Dicts: keys and values as bytes, in the order in which the keys came.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::weight::Weight;
use super::{Answers, Kind, Payload, Request, Step, Stored, foreign, no_such_method};
use crate::protocol::Fault;
use crate::protocol::bytes::{Reader, put_number};
use crate::protocol::methods::dict as methods;

/// A dict.
#[derive(Debug, Default)]
pub(super) struct Dict {
    entries: HashMap<Arc<[u8]>, Entry>,
    /// The keys by their places.
    order: BTreeMap<u64, Arc<[u8]>>,
    /// No key has come to this place yet. Places begin at 1, so that 0 lies before all.
    last_place: u64,
}

#[derive(Debug)]
struct Entry {
    place: u64,
    value: Stored,
    /// Of the key.
    _weight: Weight,
}

/// A page is full when it has so many bytes.
pub(super) const PAGE_BYTES: usize = 64 << 10;

impl Dict {
    fn insert(&mut self, key: &[u8], value: Stored) -> Option<Stored> {
        if let Some(entry) = self.entries.get_mut(key) {
            return Some(std::mem::replace(&mut entry.value, value));
        }
        self.last_place += 1;
        let key: Arc<[u8]> = key.into();
        self.order.insert(self.last_place, Arc::clone(&key));
        let _weight = Weight::of(key.len());
        self.entries.insert(key, Entry { place: self.last_place, value, _weight });
        None
    }

    fn get(&self, key: &[u8]) -> Option<&Stored> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    fn remove(&mut self, key: &[u8]) -> Option<Stored> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.place);
        Some(entry.value)
    }

    /// The entries behind a place, as many as fill a page: where the page ends, or zero if nothing comes
    /// behind it; how many they are; and they.
    fn page(&self, after: u64, with_values: bool) -> Payload {
        let mut entries = Payload::default();
        let (mut count, mut last) = (0_u64, 0);
        let mut behind = self.order.range(after.saturating_add(1)..);
        for (place, key) in behind.by_ref() {
            entries.bytes.extend_from_slice(key);
            if let Some(value) = self.get(key).filter(|_| with_values) {
                entries.append(value);
            }
            (count, last) = (count + 1, *place);
            if entries.bytes.len() >= PAGE_BYTES {
                break;
            }
        }
        let mut page = Payload { grants: entries.grants, ..Payload::default() };
        put_number(&mut page.bytes, if behind.next().is_some() { last } else { 0 });
        put_number(&mut page.bytes, count);
        page.bytes.extend(entries.bytes);
        page
    }
}

impl Kind for Dict {
    fn call(&mut self, request: Request<'_>, _: &mut Answers) -> Result<Step, Fault> {
        let Request { method, mut argument, links, .. } = request;
        let payload = match method {
            methods::GET => Payload::option(self.get(argument.rest())),
            methods::SET => {
                let key = argument.block()?;
                self.insert(key, Stored::new(argument.rest(), links));
                Payload::unit()
            }
            methods::INSERT => {
                let key = argument.block()?;
                Payload::option_owned(self.insert(key, Stored::new(argument.rest(), links)))
            }
            methods::REMOVE => Payload::option_owned(self.remove(argument.rest())),
            methods::CONTAINS => Payload::flag(self.entries.contains_key(argument.rest())),
            methods::LEN => Payload::count(self.entries.len()),
            methods::CLEAR => {
                self.entries.clear();
                self.order.clear();
                Payload::unit()
            }
            methods::GET_OR_INSERT => {
                let key = argument.block()?;
                if self.get(key).is_none() {
                    self.insert(key, Stored::new(argument.rest(), links));
                }
                self.get(key).map(Payload::value).unwrap_or_default()
            }
            methods::COMPARE_AND_SET => {
                let key = argument.block()?;
                let expected = read_option(&mut argument)?;
                let is_as_expected = self.get(key).map(|stored| &*stored.bytes) == expected;
                if is_as_expected {
                    match argument.byte()? {
                        0 => drop(self.remove(key)),
                        _ => drop(self.insert(key, Stored::new(argument.rest(), links))),
                    }
                }
                Payload::flag(is_as_expected)
            }
            methods::PAGE => {
                let with_values = argument.byte()? != 0;
                self.page(argument.number()?, with_values)
            }
            methods::POP => {
                let last = self.order.last_key_value().map(|(_, key)| Arc::clone(key));
                let mut payload = Payload::flag(last.is_some());
                if let Some(key) = last {
                    payload.bytes.extend_from_slice(&key);
                    self.remove(&key).into_iter().for_each(|value| payload.append_owned(value));
                }
                payload
            }
            methods::EXTEND => {
                while !argument.is_empty() {
                    let (key, value) = (argument.block()?, argument.block()?);
                    self.insert(key, Stored::new(value, Vec::new()));
                }
                Payload::unit()
            }
            methods::UPDATE => return Ok(Step::Work),
            _ => return Err(no_such_method(method)),
        };
        Ok(payload.into())
    }

    fn stores(&self, method: u64) -> bool {
        matches!(
            method,
            methods::SET
                | methods::INSERT
                | methods::GET_OR_INSERT
                | methods::COMPARE_AND_SET
                | methods::EXTEND
                | methods::UPDATE
        )
    }

    fn work(&mut self, request: Request<'_>) -> Result<Payload, Fault> {
        let mut argument = request.argument;
        let (function, key) = (argument.block()?, argument.block()?);
        let old = self.get(key);
        if old.is_some_and(|old| !old.links.is_empty()) {
            return Err(has_proxies());
        }
        let new = match old {
            Some(old) => foreign::call(function, &[&[1], &old.bytes, argument.rest()])?,
            None => foreign::call(function, &[&[0], argument.rest()])?,
        };
        match Reader::new(&new).byte()? {
            0 => drop(self.remove(key)),
            _ => drop(self.insert(key, Stored::new(new.get(1..).unwrap_or_default(), Vec::new()))),
        }
        Ok(Payload::bytes(new))
    }
}

/// A value that may be there, as a byte and a block.
pub(super) fn read_option<'b>(reader: &mut Reader<'b>) -> Result<Option<&'b [u8]>, Fault> {
    Ok(match reader.byte()? {
        0 => None,
        _ => Some(reader.block()?),
    })
}

pub(super) fn has_proxies() -> Fault {
    Fault::Refused("a value with proxies in it cannot be changed by a function".into())
}
