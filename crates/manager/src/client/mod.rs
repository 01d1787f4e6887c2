//! The client's side: one connection from this process to a server, which all threads use.
//!
//! Whoever waits for a reply and finds nobody reading reads for all, until its own reply is there; then
//! it wakes one of those who still wait. So there is no thread for it, and a lone caller's reply crosses
//! no thread.

mod argument;
mod carrier;
mod got;
mod handle;
mod hello;
mod lane;
mod memory;
mod remote;
mod replies;
mod scope;
mod table;
#[cfg(feature = "tokio")]
mod tasks;

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use ipc_core::Deadline;
use ipc_core::robust::Thread as Generation;
use ipc_pipe::Address;

use crate::carrier::{Received, Sent};
use crate::error::{ConnectError, Error};
use crate::protocol::methods::desk;
use crate::protocol::{Call, DESK, ObjectId, ServerHello};
use crate::remote::Door;
use carrier::Carrier;
use hello::meet;
use remote::Remote;
use replies::{Arrived, Awaited, State, Waiter, append};

pub(crate) use argument::{Argument, Request};
pub(crate) use got::Got;
pub use handle::Handle;
pub(crate) use handle::{Place, deserialize, serialize};
pub(crate) use memory::{InMemory, Mapped};
pub(crate) use scope::{gathering, granting, serving};
pub(crate) use table::{connect, forget};

/// A connection to a server.
pub(crate) struct Client {
    carrier: Box<dyn Carrier>,
    door: Door,
    hello: ServerHello,
    /// The process that it belongs to.
    generation: u64,
    /// Locked for steps that do not wait.
    state: Mutex<State>,
}

// What may change behind a shared reference is locked, here and in the carriers, and whoever finds a lock
// that was held in a panic goes on with a state that each step leaves whole.
impl UnwindSafe for Client {}
impl RefUnwindSafe for Client {}

impl Client {
    /// Connects, and says hello.
    fn open(door: &Door, deadline: Deadline) -> Result<Self, ConnectError> {
        let (hello, carrier): (_, Box<dyn Carrier>) = match door.address {
            Address::Tcp(address) => {
                let (remote, hello) = Remote::open(door, address, deadline)?;
                (hello, Box::new(remote))
            }
            _ => meet(door, deadline)?,
        };
        let (door, generation) = (door.clone(), Generation::current().generation());
        Ok(Self { carrier, door, hello, generation, state: Mutex::default() })
    }

    /// How to get to the server once more.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// Where others find the server.
    pub(crate) fn address(&self) -> &Address {
        self.door.known_as()
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
        self.state().is_broken || self.carrier.is_closed()
    }

    /// Whether the connection is broken, and there may be another.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.carrier.is_cut_off()
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
        let first = self.expect(requests.len() as u64, &Waiter::Thread(thread::current()))?;
        if let Err(error) = self.send_all(first, requests) {
            self.give_up_on(first, requests.len() as u64);
            return Err(error);
        }
        let ids = first..first + requests.len() as u64;
        Ok(ids.map(|id| Got::new(self, self.await_reply(id)?)).collect())
    }

    /// Gives a reference back, without waiting for anything.
    pub(crate) fn release(&self, object: ObjectId) {
        self.tell(DESK, desk::LET_GO, &Argument::new().number(object));
    }

    /// Calls without waiting for anything, and never hears what came of it.
    pub(crate) fn tell(&self, object: ObjectId, method: u64, argument: &Argument) {
        let mut message = self.unsent();
        append(object, method, argument, &mut message);
        if matches!(self.carrier.send(&message), Ok(Sent::NoRoom)) {
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

    /// Numbers for so many calls, whose replies somebody waits for; returns the first.
    fn expect(&self, count: u64, waiter: &Waiter) -> Result<u64, Error> {
        let mut state = self.state();
        if state.is_broken {
            return Err(Error::Disconnected);
        }
        let first = state.last_id + 1;
        state.last_id += count;
        state.calls.extend((first..first + count).map(|id| (id, Awaited::By(waiter.clone()))));
        Ok(first)
    }

    fn give_up_on(&self, first: u64, count: u64) {
        let mut state = self.state();
        (first..first + count).for_each(|id| drop(state.calls.remove(&id)));
    }

    fn send_all(&self, first: u64, requests: &[Request]) -> Result<(), Error> {
        self.messages(first, requests)?.iter().try_for_each(|message| self.send(message))
    }

    /// The messages that calls go in.
    fn messages(&self, first: u64, requests: &[Request]) -> Result<Vec<Vec<u8>>, Error> {
        let limit = usize::try_from(self.hello.max_bytes).unwrap_or(usize::MAX);
        let most = self.carrier.piece_bytes();
        let (mut messages, mut message) = (Vec::new(), self.unsent());
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
            if message.len() > most && before > 0 {
                let next = message.split_off(before);
                messages.push(message);
                message = next;
            }
        }
        messages.push(message);
        Ok(messages)
    }

    /// Sends a message, and takes in replies as long as there is no room for it: the server may be
    /// waiting for that.
    fn send(&self, message: &[u8]) -> Result<(), Error> {
        loop {
            match self.carrier.send(message)? {
                Sent::Taken => return Ok(()),
                Sent::NoRoom => self.await_room()?,
                Sent::Gone => {
                    self.break_off();
                    return Err(Error::Disconnected);
                }
            }
        }
    }

    fn await_room(&self) -> Result<(), Error> {
        let mut state = self.state();
        if state.is_broken {
            return Err(Error::Disconnected);
        }
        if !std::mem::replace(&mut state.is_read, true) {
            drop(state);
            let waited = self.carrier.wait();
            self.read(Deadline::now()).wake_another();
            return Ok(waited?);
        }
        // Whoever reads now wakes this thread afterwards, at the latest.
        state.stuck.push(thread::current());
        drop(state);
        if !self.carrier.wait_for_room()? {
            thread::park();
        }
        Ok(())
    }

    fn await_reply(&self, id: u64) -> Result<Arrived, Error> {
        let mut state = self.state();
        loop {
            if let Some(arrived) = state.take(id) {
                if !state.is_read {
                    state.wake_another();
                }
                return Ok(arrived);
            }
            if state.is_broken {
                return Err(state.outcome_of(id));
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
        let (mut state, mut is_well) = (None, true);
        let received = self.carrier.receive(deadline, &mut |message| {
            is_well = state.insert(self.state()).deposit(message);
        });
        let mut state = state.unwrap_or_else(|| self.state());
        state.is_read = false;
        state.stuck.drain(..).for_each(|thread| thread.unpark());
        if !is_well || received == Received::End {
            state.note_never_sent(&self.carrier.never_sent());
            state.break_off();
        }
        state
    }

    fn break_off(&self) {
        self.state().break_off();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("address", self.address()).finish_non_exhaustive()
    }
}
