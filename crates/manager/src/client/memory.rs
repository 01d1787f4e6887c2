//! `Mapped`: the memory that an object is in, if this process has it.
//!
//! It comes once, when it is needed first, by a connection made for that. Who cannot have it calls the server,
//! which does the same there.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use ipc_core::wire::{DecodeError, Limits};
use ipc_core::{Deadline, Segment, SegmentError};
use ipc_pipe::{Address, Connection, connect_deadline};

use super::handle::{Handle, PATIENCE};
use super::{Argument, Client};
use crate::carrier::lane::Offer;
use crate::error::{ConnectError, Error};
use crate::protocol::bytes::Reader;
use crate::protocol::methods::shared;
use crate::protocol::{ClientHello, VERSION, Wanted};

/// What lies in the memory of an object.
pub(crate) trait InMemory: Sized {
    fn open(memory: &Segment) -> Result<Self, SegmentError>;
}

/// The memory that an object is in, as the clones of a proxy share it.
pub(crate) struct Mapped<M> {
    found: OnceLock<Found<M>>,
    /// Held by the thread that finds it.
    finding: Mutex<()>,
}

/// What has come of asking.
enum Found<M> {
    Here(M),
    /// This process cannot have it.
    Elsewhere,
    /// It is of other types: what it says of them, in place of what it should.
    Other {
        expected: u64,
        found: u64,
    },
}

impl<M: InMemory> Mapped<M> {
    /// The memory, if this process has it, or can have it now.
    #[inline]
    pub(crate) fn get(&self, handle: &Arc<Handle>) -> Result<Option<&M>, Error> {
        match self.found.get() {
            Some(Found::Here(memory)) => Ok(Some(memory)),
            _ => self.find(handle),
        }
    }

    #[cold]
    fn find(&self, handle: &Arc<Handle>) -> Result<Option<&M>, Error> {
        if self.found.get().is_none() {
            // Who is at it may be a thread of the process that this one was forked from. So nobody waits for
            // it, and the server can be called meanwhile.
            let Ok(_finding) = self.finding.try_lock() else { return Ok(None) };
            // If another thread was faster, it has found the same.
            self.found.set(Found::of(handle)).ok();
        }
        match self.found.get() {
            Some(Found::Here(memory)) => Ok(Some(memory)),
            Some(&Found::Other { expected, found }) => {
                let error = SegmentError::WrongType { expected, found };
                Err(DecodeError::Segment(error).into())
            }
            Some(Found::Elsewhere) | None => Ok(None),
        }
    }
}

impl<M: InMemory> Found<M> {
    fn of(handle: &Arc<Handle>) -> Self {
        match fetch(handle).map(|memory| M::open(&memory)) {
            Some(Ok(memory)) => Self::Here(memory),
            Some(Err(SegmentError::WrongType { expected, found })) => {
                Self::Other { expected, found }
            }
            Some(Err(_)) | None => Self::Elsewhere,
        }
    }
}

impl<M> Default for Mapped<M> {
    fn default() -> Self {
        Self { found: OnceLock::new(), finding: Mutex::new(()) }
    }
}

impl<M> fmt::Debug for Mapped<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mapped").finish_non_exhaustive()
    }
}

/// Gets the memory of an object, if the server is on this machine, and both have the descriptors for it.
fn fetch(handle: &Arc<Handle>) -> Option<Segment> {
    let here = handle.here().ok()?;
    let client = here.client();
    if matches!(client.door().address, Address::Tcp(_)) {
        return None;
    }
    let got = here.call(shared::MEMORY, Argument::new()).ok()?;
    let secret = Reader::new(got.bytes()).number().ok()?;
    receive(client, Wanted { object: here.object(), secret }).ok()?
}

/// Comes for memory as a stranger, who gets nothing else.
fn receive(client: &Client, wanted: Wanted) -> Result<Offer, ConnectError> {
    let (door, deadline) = (client.door(), Deadline::after(PATIENCE));
    let socket: Connection<(), Offer> =
        connect_deadline(&door.address, door.key.as_ref(), deadline)?;
    let socket = socket.with_limits(Limits::NONE);
    let (version, process, wants_lane, resume) = (VERSION, None, false, None);
    let hello = ClientHello { version, process, wants_lane, memory: Some(wanted), resume };
    let gone = |_| ConnectError::NotAManager;
    socket.send_bytes_deadline(&hello.to_bytes(), deadline).map_err(gone)?;
    socket.recv_deadline(deadline).map_err(|_| ConnectError::NotAManager)
}
