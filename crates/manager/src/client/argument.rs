//! What a call carries, put together.

use std::sync::Arc;

use ipc_core::Deadline;
use ipc_core::wire;
use proc_core::Function;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::handle::Handle;
use super::scope::{forbidding, gathering};
use crate::error::Error;
use crate::object::Patience;
use crate::protocol::ObjectId;
use crate::protocol::bytes::{put_block, put_number};

/// A call that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) object: ObjectId,
    pub(crate) method: u64,
    pub(crate) argument: Argument,
}

/// What a call carries.
#[derive(Debug, Default)]
pub(crate) struct Argument {
    pub(crate) bytes: Vec<u8>,
    /// The objects of the same server whose proxies are in the bytes.
    pub(crate) links: Vec<ObjectId>,
    /// Which are kept until the server has the call.
    handles: Vec<Arc<Handle>>,
}

impl Argument {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn number(mut self, number: u64) -> Self {
        put_number(&mut self.bytes, number);
        self
    }

    pub(crate) fn len_of<T>(self) -> Self {
        self.number(size_of::<T>() as u64)
    }

    pub(crate) fn flag(mut self, flag: bool) -> Self {
        self.bytes.push(flag.into());
        self
    }

    pub(crate) fn block(mut self, block: &[u8]) -> Self {
        put_block(&mut self.bytes, block);
        self
    }

    /// Appends bytes as they are, up to the end.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn patience(mut self, deadline: Deadline) -> Self {
        Patience::append(deadline, &mut self.bytes);
        self
    }

    /// Appends a value for that server, up to the end.
    pub(crate) fn value<T: Serialize + ?Sized>(
        mut self,
        server: u64,
        value: &T,
    ) -> Result<Self, Error> {
        let bytes = &mut self.bytes;
        let (encoded, gathered) = gathering(server, || wire::encode_plain(value, bytes));
        encoded?;
        self.links.extend(gathered.iter().map(|handle| handle.object()));
        self.handles.extend(gathered);
        Ok(self)
    }

    /// Appends a value for that server as a block.
    pub(crate) fn value_block<T: Serialize + ?Sized>(
        self,
        server: u64,
        value: &T,
    ) -> Result<Self, Error> {
        let Self { bytes, links, handles } = self;
        let part = Self { bytes: Vec::new(), links, handles }.value(server, value)?;
        let mut whole = bytes;
        put_block(&mut whole, &part.bytes);
        Ok(Self { bytes: whole, ..part })
    }

    /// This, and behind it another.
    pub(crate) fn followed_by(mut self, other: Self) -> Self {
        self.bytes.extend(other.bytes);
        self.links.extend(other.links);
        self.handles.extend(other.handles);
        self
    }

    /// An error if there are proxies in it.
    pub(crate) fn without_proxies(&self) -> Result<(), Error> {
        if self.links.is_empty() {
            return Ok(());
        }
        Err(Error::Refused("proxies are put in one by one".into()))
    }

    /// Appends a key, or another value without proxies, up to the end.
    pub(crate) fn key<T: Serialize + ?Sized>(mut self, key: &T) -> Result<Self, Error> {
        forbidding(|| wire::encode_plain(key, &mut self.bytes))?;
        Ok(self)
    }

    /// Appends a key as a block.
    pub(crate) fn key_block<T: Serialize + ?Sized>(self, key: &T) -> Result<Self, Error> {
        let block = Self::new().key(key)?;
        Ok(self.block(&block.bytes))
    }

    /// Appends the name of a function as a block.
    pub(crate) fn function<A, R>(self, function: fn(A) -> R) -> Result<Self, Error>
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        let why = "the function is not one of the program";
        let name = Function::of(function).ok_or_else(|| Error::Refused(why.into()))?;
        self.key_block(&name)
    }
}
