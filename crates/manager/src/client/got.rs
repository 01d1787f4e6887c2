//! `Got`: what a call has returned.

use std::sync::Arc;

use ipc_core::wire;
use serde::de::DeserializeOwned;

use super::replies::Arrived;
use super::{Client, Handle, granting};
use crate::error::Error;
use crate::protocol::bytes::Reader;
use crate::protocol::{Fault, ObjectId};

/// What a call has returned, with references to the objects in it.
#[derive(Debug)]
pub(crate) struct Got {
    client: Arc<Client>,
    links: Vec<ObjectId>,
    bytes: Vec<u8>,
}

impl Got {
    /// What a reply says.
    pub(super) fn new(client: &Arc<Client>, arrived: Arrived) -> Result<Self, Error> {
        let Arrived { is_returned, links, bytes } = arrived;
        if is_returned {
            return Ok(Self { client: Arc::clone(client), links, bytes });
        }
        Err(wire::decode_plain::<Fault>(&bytes)?.into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value that it is.
    pub(crate) fn decode<T: DeserializeOwned>(self) -> Result<T, Error> {
        self.decode_from(0)
    }

    /// The value that is behind so many bytes.
    pub(crate) fn decode_from<T: DeserializeOwned>(mut self, at: usize) -> Result<T, Error> {
        let granted = std::mem::take(&mut self.links);
        let bytes = self.bytes.get(at..).ok_or(Error::Malformed)?;
        Ok(granting(&self.client, granted, || wire::decode_plain(bytes))?)
    }

    /// A handle to the object whose number it is.
    pub(crate) fn into_handle(self) -> Result<Arc<Handle>, Error> {
        let object = Reader::new(&self.bytes).number()?;
        Ok(Handle::new(Arc::clone(&self.client), object))
    }

    /// A handle to the only object that came with it, whose number it is.
    pub(crate) fn into_granted(mut self) -> Result<Arc<Handle>, Error> {
        let object = Reader::new(&self.bytes).number()?;
        if self.links != [object] {
            return Err(Error::Malformed);
        }
        self.links.clear();
        Ok(Handle::new(Arc::clone(&self.client), object))
    }
}

impl Drop for Got {
    fn drop(&mut self) {
        self.links.iter().for_each(|link| self.client.release(*link));
    }
}
