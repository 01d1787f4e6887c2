//! The client's side: one connection from this process to a server, which all threads use.
//!
//! Whoever waits for a reply and finds nobody reading reads for all, until its own reply is there; then
//! it wakes one of those who still wait. So there is no thread for it, and a lone caller's reply crosses
//! no thread.

mod argument;
mod handle;
mod scope;
mod table;

use std::collections::HashMap;
use std::fmt;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

use ipc_core::robust::Thread as Generation;
use ipc_core::wire::{self, Limits};
use ipc_core::{Deadline, ProcessId};
use ipc_pipe::{Address, Connection, Key, RecvError, SendError, connect_deadline};
use rustix::event::{PollFd, PollFlags, poll};
use serde::de::DeserializeOwned;

use crate::error::{ConnectError, Error};
use crate::protocol::bytes::Reader;
use crate::protocol::methods::desk;
use crate::protocol::{self, Call, ClientHello, DESK, Fault, ObjectId, Reply, ServerHello};

pub(crate) use argument::{Argument, Request};
pub use handle::Handle;
pub(crate) use handle::{Place, deserialize, serialize};
pub(crate) use scope::{gathering, granting, serving};
pub(crate) use table::{connect, forget};

/// A connection to a server.
pub(crate) struct Client {
    connection: Connection<(), ()>,
    address: Address,
    key: Option<Key>,
    hello: ServerHello,
    /// The process that it belongs to.
    generation: u64,
    /// Locked for steps that do not wait.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    /// The calls whose replies nobody has taken yet.
    calls: HashMap<u64, Awaited>,
    is_read: bool,
    is_broken: bool,
    /// References that are given back with the next message: there was no room for a message of its own.
    unsent: Vec<u8>,
}

enum Awaited {
    /// By this thread.
    By(Thread),
    Arrived(Arrived),
}

/// A reply.
#[derive(Debug)]
pub(crate) struct Arrived {
    is_returned: bool,
    links: Vec<ObjectId>,
    bytes: Vec<u8>,
}

/// What a message is no longer than, but for one of a single call.
const MESSAGE_BYTES: usize = 256 << 10;

thread_local! {
    static ROOM: std::cell::Cell<Vec<u8>> = const { std::cell::Cell::new(Vec::new()) };
}

impl Client {
    /// Connects, and says hello.
    fn open(
        address: &Address,
        key: Option<&Key>,
        deadline: Deadline,
    ) -> Result<Self, ConnectError> {
        let connection: Connection<(), ()> = connect_deadline(address, key, deadline)?;
        let connection = connection.with_limits(Limits::NONE);
        let process = ProcessId::current().ok();
        let ours = ClientHello { version: protocol::VERSION, process };
        let gone = |_| ConnectError::NotAManager;
        connection.send_bytes_deadline(&ours.to_bytes(), deadline).map_err(gone)?;
        let said = connection.recv_bytes_deadline(1024, deadline).map_err(|error| {
            let timed_out = ipc_pipe::ConnectError::TimedOut;
            if error.is_timed_out() { timed_out.into() } else { ConnectError::NotAManager }
        })?;
        let hello = ServerHello::parse(&said).map_err(|_| ConnectError::NotAManager)?;
        if hello.version != protocol::VERSION {
            let (ours, theirs) = (protocol::VERSION, hello.version);
            return Err(ConnectError::OtherVersion { ours, theirs });
        }
        Ok(Self {
            connection,
            address: address.clone(),
            key: key.cloned(),
            hello,
            generation: Generation::current().generation(),
            state: Mutex::default(),
        })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Which server it is a client of.
    pub(crate) fn server(&self) -> u64 {
        self.hello.server
    }

    /// Whether it belongs to this process, and not to one that this was forked from.
    pub(crate) fn is_ours(&self) -> bool {
        Generation::current().generation() == self.generation
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.state().is_broken || self.connection.closed().unwrap_or(true)
    }

    /// Calls a method of the server itself.
    pub(crate) fn call_desk(
        self: &Arc<Self>,
        method: u64,
        argument: Argument,
    ) -> Result<Got, Error> {
        self.call(&Request { object: DESK, method, argument })
    }

    /// Calls, and waits for the reply.
    pub(crate) fn call(self: &Arc<Self>, request: &Request) -> Result<Got, Error> {
        let mut got = self.call_all(std::slice::from_ref(request))?;
        got.pop().ok_or(Error::Malformed)?
    }

    /// Sends all the calls before it waits for any of the replies, which are in the order of the calls.
    pub(crate) fn call_all(
        self: &Arc<Self>,
        requests: &[Request],
    ) -> Result<Vec<Result<Got, Error>>, Error> {
        let first = self.expect(requests.len() as u64)?;
        if let Err(error) = self.send_all(first, requests) {
            self.give_up_on(first, requests.len() as u64);
            return Err(error);
        }
        let ids = first..first + requests.len() as u64;
        let replies = ids.map(|id| {
            let Arrived { is_returned, links, bytes } = self.await_reply(id)?;
            if is_returned {
                return Ok(Got { client: Arc::clone(self), links, bytes });
            }
            Err(wire::decode_plain::<Fault>(&bytes)?.into())
        });
        Ok(replies.collect())
    }

    /// Gives a reference back, without waiting for anything.
    pub(crate) fn release(&self, object: ObjectId) {
        self.tell(DESK, desk::LET_GO, &Argument::new().number(object));
    }

    /// Calls without waiting for anything, and never hears what came of it.
    pub(crate) fn tell(&self, object: ObjectId, method: u64, argument: &Argument) {
        let mut message = self.unsent();
        append(object, method, argument, &mut message);
        if let Err(error) = self.connection.send_bytes_deadline(&message, Deadline::now())
            && error.is_timed_out()
        {
            self.state().unsent.extend(message);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A step has no code of others in it, so a panic cannot leave one half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsent(&self) -> Vec<u8> {
        std::mem::take(&mut self.state().unsent)
    }

    /// Numbers for so many calls, whose replies this thread waits for; returns the first.
    fn expect(&self, count: u64) -> Result<u64, Error> {
        let mut state = self.state();
        if state.is_broken {
            return Err(Error::Disconnected);
        }
        let first = state.last_id + 1;
        state.last_id += count;
        let me = thread::current();
        state.calls.extend((first..first + count).map(|id| (id, Awaited::By(me.clone()))));
        Ok(first)
    }

    fn give_up_on(&self, first: u64, count: u64) {
        let mut state = self.state();
        (first..first + count).for_each(|id| drop(state.calls.remove(&id)));
    }

    fn send_all(&self, first: u64, requests: &[Request]) -> Result<(), Error> {
        let limit = usize::try_from(self.hello.max_bytes).unwrap_or(usize::MAX);
        let mut message = self.unsent();
        for (id, request) in (first..).zip(requests) {
            let Request { object, method, argument } = request;
            let links = argument.links.clone();
            let call =
                Call { id, object: *object, method: *method, links, argument: &argument.bytes };
            let before = message.len();
            call.append_to(&mut message);
            if message.len() - before > limit {
                return Err(Error::TooLong { len: message.len() - before, limit });
            }
            if message.len() > MESSAGE_BYTES && before > 0 {
                let next = message.split_off(before);
                self.send(&message)?;
                message = next;
            }
        }
        self.send(&message)
    }

    /// Sends a message, and takes in replies as long as there is no room for it: the server may be
    /// waiting for that.
    fn send(&self, message: &[u8]) -> Result<(), Error> {
        loop {
            match self.connection.send_bytes_deadline(message, Deadline::now()) {
                Ok(()) => return Ok(()),
                Err(error) if error.is_timed_out() => {}
                Err(SendError::Disconnected) => {
                    self.break_off();
                    return Err(Error::Disconnected);
                }
                Err(SendError::Io(error)) => return Err(error.into()),
                Err(_) => return Err(Error::Disconnected),
            }
            let flags = PollFlags::IN | PollFlags::OUT;
            let mut entry = [PollFd::from_borrowed_fd(self.connection.as_fd(), flags)];
            rustix::io::retry_on_intr(|| poll(&mut entry, None)).map_err(std::io::Error::from)?;
            let [entry] = entry;
            if entry.revents().contains(PollFlags::IN) && !self.read_if_nobody_does() {
                thread::yield_now();
            }
        }
    }

    fn read_if_nobody_does(&self) -> bool {
        let mut state = self.state();
        let reads = !std::mem::replace(&mut state.is_read, true);
        drop(state);
        if reads {
            self.read(Deadline::now()).wake_another();
        }
        reads
    }

    fn await_reply(&self, id: u64) -> Result<Arrived, Error> {
        let mut state = self.state();
        loop {
            match state.calls.remove(&id) {
                Some(Awaited::Arrived(arrived)) => {
                    if !state.is_read {
                        state.wake_another();
                    }
                    return Ok(arrived);
                }
                _ if state.is_broken => return Err(Error::Lost),
                _ => drop(state.calls.insert(id, Awaited::By(thread::current()))),
            }
            if std::mem::replace(&mut state.is_read, true) {
                drop(state);
                thread::park();
                state = self.state();
            } else {
                drop(state);
                state = self.read(Deadline::NEVER);
            }
        }
    }

    /// Receives a message and puts the replies where they are waited for. Who calls is the one who reads.
    fn read(&self, deadline: Deadline) -> MutexGuard<'_, State> {
        // A value's own code may call while it is decoded, but not while this is lent.
        let mut room = ROOM.try_with(std::cell::Cell::take).unwrap_or_default();
        room.resize(ROOM_BYTES, 0);
        let received = self.connection.recv_bytes_into_deadline(&mut room, deadline);
        let mut state = self.state();
        state.is_read = false;
        let is_well = match &received {
            Ok(len) => state.deposit(room.get(..*len).unwrap_or_default()),
            Err(RecvError::TooShort { message }) => state.deposit(message),
            Err(error) => error.is_timed_out(),
        };
        if !is_well {
            state.break_off();
        }
        ROOM.try_with(|cell| cell.set(room)).ok();
        state
    }

    fn break_off(&self) {
        self.state().break_off();
    }
}

/// Replies are seldom longer.
const ROOM_BYTES: usize = 64 << 10;

impl State {
    /// Puts the replies of a message where they are waited for; `false` if it is none.
    fn deposit(&mut self, message: &[u8]) -> bool {
        let mut reader = Reader::new(message);
        while !reader.is_empty() {
            let Ok(reply) = Reply::read(&mut reader) else { return false };
            let Reply { id, is_returned, links, bytes } = reply;
            let Some(awaited) = self.calls.get_mut(&id) else {
                // Who has given up on a reply does not want what is in it.
                for link in links {
                    let argument = Argument::new().number(link);
                    append(DESK, desk::LET_GO, &argument, &mut self.unsent);
                }
                continue;
            };
            let arrived = Arrived { is_returned, links, bytes: bytes.to_vec() };
            if let Awaited::By(thread) = std::mem::replace(awaited, Awaited::Arrived(arrived)) {
                thread.unpark();
            }
        }
        true
    }

    /// Wakes one of those who wait, to be the one who reads.
    fn wake_another(&self) {
        let mut awaited = self.calls.values();
        if let Some(thread) = awaited.find_map(|awaited| match awaited {
            Awaited::By(thread) => Some(thread),
            Awaited::Arrived(_) => None,
        }) {
            thread.unpark();
        }
    }

    fn break_off(&mut self) {
        self.is_broken = true;
        for awaited in self.calls.values() {
            if let Awaited::By(thread) = awaited {
                thread.unpark();
            }
        }
    }
}

/// Appends a call that gets no reply.
fn append(object: ObjectId, method: u64, argument: &Argument, message: &mut Vec<u8>) {
    let (id, links) = (0, Vec::new());
    Call { id, object, method, links, argument: &argument.bytes }.append_to(message);
}

/// What a call has returned, with references to the objects in it.
#[derive(Debug)]
pub(crate) struct Got {
    client: Arc<Client>,
    links: Vec<ObjectId>,
    bytes: Vec<u8>,
}

impl Got {
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
}

impl Drop for Got {
    fn drop(&mut self) {
        self.links.iter().for_each(|link| self.client.release(*link));
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}
