//! Dicts and lists in shared memory, as the server has them.
//!
//! The server makes the memory, and gives it to clients of its machine, who then need it no more. For the others it
//! does in the memory what they ask for. Whatever clients have written there, nothing here waits for them or
//! believes them: what is somebody's turn is [`Fault::NotNow`], and the client tries again.

mod dict;
mod list;

use std::sync::Arc;

use ipc_core::{Segment, SegmentError};
use shm_value::{AccessError, ByteMap, ByteVec, ChangeError};

use super::user::Maker;
use super::weight::Weight;
use super::{Kind, Request};
use crate::protocol::Fault;
use crate::protocol::bytes::Reader;
use crate::server::{Bell, random};
use dict::Dict;
use list::List;

/// The memory of an object, for clients.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) segment: Segment,
    /// By which those ask for it who have, or had, a reference to the object.
    pub(crate) secret: u64,
}

impl Memory {
    fn new(segment: &Segment) -> Result<Self, Fault> {
        let secret = random().map_err(|error| Fault::Refused(error.to_string()))?;
        Ok(Self { segment: segment.clone(), secret })
    }
}

/// What is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    capacity: usize,
    /// The length of a key, if they have keys.
    key_len: Option<usize>,
    value_len: usize,
    /// What their memory says of the types.
    type_hash: u64,
}

/// The same, when it is put on the account of a client.
#[derive(Debug)]
pub(crate) struct Weighed {
    plan: Plan,
    weight: Arc<Weight>,
}

impl Plan {
    /// What a client says for one of these sorts; `None` if it is another.
    pub(crate) fn read(sort: &str, mut argument: Reader<'_>) -> Result<Option<Self>, Fault> {
        let has_keys = match sort {
            "shm_dict" => true,
            "shm_list" => false,
            _ => return Ok(None),
        };
        let capacity = argument.count()?;
        let key_len = if has_keys { Some(argument.count()?) } else { None };
        let (value_len, type_hash) = (argument.count()?, argument.number()?);
        if key_len.unwrap_or(value_len) == 0 {
            return Err(Fault::BadArgument(
                "keys, and items of lists, have a byte at least".into(),
            ));
        }
        Ok(Some(Self { capacity, key_len, value_len, type_hash }))
    }

    /// How many bytes it takes.
    pub(crate) fn n_bytes(self) -> Result<usize, Fault> {
        let Self { capacity, key_len, value_len, .. } = self;
        Ok(match key_len {
            Some(key_len) => ByteMap::n_bytes(capacity, key_len, value_len)?,
            None => ByteVec::n_bytes(capacity, value_len),
        })
    }

    /// Puts it on the account of the client for which things are kept now.
    pub(crate) fn weighed(self) -> Result<Weighed, Fault> {
        Ok(Weighed { plan: self, weight: Arc::new(Weight::of(self.n_bytes()?)) })
    }
}

impl Maker for Weighed {
    fn make(&self, _: Request<'_>, _: Bell) -> Result<Box<dyn Kind>, Fault> {
        let Plan { capacity, key_len, value_len, type_hash } = self.plan;
        let weight = Arc::clone(&self.weight);
        Ok(match key_len {
            Some(key_len) => {
                let map = ByteMap::with_capacity(capacity, key_len, value_len, type_hash)?;
                Box::new(Dict::new(map, key_len, weight)?)
            }
            None => {
                let items = ByteVec::with_capacity(capacity, value_len, type_hash)?;
                Box::new(List::new(items, weight)?)
            }
        })
    }
}

impl From<ChangeError> for Fault {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Full => Self::NoRoom,
            ChangeError::OutOfBounds { len, .. } => Self::OutOfRange(len as u64),
            ChangeError::Access(AccessError::Busy) => Self::NotNow,
            ChangeError::Access(AccessError::Corrupt) => Self::Corrupt,
            ChangeError::Access(AccessError::WouldDeadlock) => Self::WouldDeadlock,
            ChangeError::Access(_) => Self::Refused(error.to_string()),
            _ => Self::BadArgument(error.to_string()),
        }
    }
}

impl From<AccessError> for Fault {
    fn from(error: AccessError) -> Self {
        ChangeError::from(error).into()
    }
}

impl From<SegmentError> for Fault {
    fn from(error: SegmentError) -> Self {
        Self::Refused(error.to_string())
    }
}
