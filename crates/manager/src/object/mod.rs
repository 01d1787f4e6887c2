//! What lives in the server: the sorts of objects, and what they have to do with calls.
//!
//! An object is called by one thread at a time, so its methods are atomic. It never waits: a call that
//! has to wait is *parked*, the object remembers its ticket, and answers it when another call, the end of
//! its time or the end of a client lets it. A call that runs foreign code is *work*: the object goes to a
//! thread for that, calls of it wait in line meanwhile, and calls of others go on.
//!
//! Values are bytes here: two are equal if their bytes are. What that means for users stands with the
//! proxies.

mod barrier;
mod dict;
mod event;
mod foreign;
mod iterator;
mod list;
mod lock;
#[cfg(feature = "pool")]
pub(crate) mod pool;
mod queue;
mod semaphore;
pub(crate) mod shared;
pub(crate) mod user;
mod value;
pub(crate) mod weight;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipc_core::Deadline;

use crate::client::Handle;
use crate::protocol::bytes::{Malformed, Reader, put_number};
use crate::protocol::{Fault, ObjectId};
use shared::Memory;
use weight::Weight;

/// A client, as the server counts them.
pub(crate) type ClientId = u64;

/// A call that has to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    pub(crate) client: ClientId,
    /// Of all calls that the server ever got: no two have the same.
    pub(crate) number: u64,
    /// The client's number for it.
    pub(crate) id: u64,
}

/// A call, as an object gets it.
#[derive(Debug)]
pub(crate) struct Request<'b> {
    pub(crate) ticket: Ticket,
    pub(crate) method: u64,
    pub(crate) argument: Reader<'b>,
    pub(crate) links: Vec<Link>,
    /// Whether it may be parked.
    pub(crate) may_wait: bool,
    /// Whether functions of the client's program may be run.
    #[cfg_attr(not(feature = "pool"), expect(dead_code, reason = "only pools ask for it"))]
    pub(crate) runs_functions: bool,
}

/// How far a call has come.
#[derive(Debug)]
pub(crate) enum Step {
    /// It is done, and returns this.
    Done(Payload),
    /// It waits; no longer than until then.
    Parked(Deadline),
    /// It is for [`Kind::work`].
    Work,
}

/// A sort of object.
pub(crate) trait Kind: Send {
    /// Does what a call asks for, without waiting for anything.
    fn call(&mut self, request: Request<'_>, answers: &mut Answers) -> Result<Step, Fault>;

    /// Does what a call asks for that needs foreign code, on a thread for that.
    fn work(&mut self, request: Request<'_>) -> Result<Payload, Fault> {
        Err(no_such_method(request.method))
    }

    /// The time of a parked call is up: answers it, or has it wait for something that will come.
    fn give_up(&mut self, ticket: Ticket, answers: &mut Answers) {
        answers.put(ticket, Err(Fault::TimedOut));
    }

    /// Its [bell](crate::server::Bell) was rung, by a thread of its own.
    fn hear(&mut self, _answers: &mut Answers) {}

    /// A client is gone, or has no proxy of this object any more: what it held is free, and none of its
    /// calls is to be answered.
    fn forget(&mut self, _client: ClientId, _answers: &mut Answers) {}

    /// Whether a method may make more of what is kept.
    fn stores(&self, _method: u64) -> bool {
        false
    }

    /// The memory that it is in, if clients may have that.
    fn memory(&self) -> Option<&Memory> {
        None
    }

    /// Whether its end is foreign code too.
    fn is_foreign(&self) -> bool {
        false
    }
}

/// Answers to calls that were parked, on their way.
#[derive(Debug, Default)]
pub(crate) struct Answers(Vec<(Ticket, Result<Payload, Fault>)>);

impl Answers {
    pub(crate) fn put(&mut self, ticket: Ticket, answer: Result<Payload, Fault>) {
        self.0.push((ticket, answer));
    }

    pub(crate) fn take(&mut self) -> Vec<(Ticket, Result<Payload, Fault>)> {
        std::mem::take(&mut self.0)
    }
}

/// A reference that bytes have to an object, until it is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) object: ObjectId,
    pub(crate) bin: Arc<Bin>,
}

/// Links that were dropped, for the server to count.
#[derive(Debug, Default)]
pub(crate) struct Bin(Mutex<Vec<ObjectId>>);

impl Bin {
    pub(crate) fn empty(&self) -> Vec<ObjectId> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.bin.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.object);
    }
}

/// A value that is kept: its bytes, and the objects that it leads to.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) links: Vec<Link>,
    _weight: Weight,
}

impl Stored {
    pub(crate) fn new(bytes: &[u8], links: Vec<Link>) -> Self {
        Self { bytes: bytes.into(), links, _weight: Weight::of(bytes.len()) }
    }
}

/// What a call returns.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    pub(crate) bytes: Vec<u8>,
    /// The objects that the bytes lead to: whoever gets the bytes gets a reference to each.
    pub(crate) grants: Vec<ObjectId>,
    /// What keeps these objects until then.
    pub(crate) links: Vec<Link>,
    /// The same, for objects that foreign code here has proxies of.
    pub(crate) proxies: Vec<Arc<Handle>>,
    /// An object that came of the call, whose number is what is returned.
    pub(crate) made: Option<Made>,
}

/// An object that has no place yet.
pub(crate) struct Made {
    pub(crate) label: String,
    pub(crate) object: Box<dyn Kind>,
}

impl fmt::Debug for Made {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Made").field("label", &self.label).finish_non_exhaustive()
    }
}

impl Payload {
    /// Nothing, which takes no bytes.
    pub(crate) fn unit() -> Self {
        Self::default()
    }

    pub(crate) fn bytes(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }

    pub(crate) fn flag(flag: bool) -> Self {
        Self::bytes(vec![flag.into()])
    }

    pub(crate) fn number(number: u64) -> Self {
        let mut payload = Self::default();
        put_number(&mut payload.bytes, number);
        payload
    }

    pub(crate) fn count(count: usize) -> Self {
        Self::number(count as u64)
    }

    /// Appends a value that stays where it is.
    pub(crate) fn append(&mut self, stored: &Stored) {
        self.bytes.extend_from_slice(&stored.bytes);
        self.grants.extend(stored.links.iter().map(|link| link.object));
    }

    /// Appends what foreign code has returned.
    fn append_returned(&mut self, returned: Self) {
        self.bytes.extend(returned.bytes);
        self.grants.extend(returned.grants);
        self.proxies.extend(returned.proxies);
    }

    /// Appends a value that goes.
    pub(crate) fn append_owned(&mut self, stored: Stored) {
        self.append(&stored);
        self.links.extend(stored.links);
    }

    /// A value that stays where it is.
    pub(crate) fn value(stored: &Stored) -> Self {
        let mut payload = Self::default();
        payload.append(stored);
        payload
    }

    /// A value that may be there, and stays, as the codec has an `Option`.
    pub(crate) fn option(stored: Option<&Stored>) -> Self {
        let mut payload = Self::flag(stored.is_some());
        stored.into_iter().for_each(|stored| payload.append(stored));
        payload
    }

    /// A value that may be there, and goes, as the codec has an `Option`.
    pub(crate) fn option_owned(stored: Option<Stored>) -> Self {
        let mut payload = Self::flag(stored.is_some());
        stored.into_iter().for_each(|stored| payload.append_owned(stored));
        payload
    }
}

impl From<Payload> for Step {
    fn from(payload: Payload) -> Self {
        Self::Done(payload)
    }
}

/// How long a call is ready to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    Until(Deadline),
    /// It is, but so many calls of its client wait that it may not.
    Refused,
}

impl Patience {
    /// What a client appends for a deadline.
    pub(crate) fn append(deadline: Deadline, bytes: &mut Vec<u8>) {
        let number = match deadline.remaining() {
            None => 1,
            Some(left) if left.is_zero() => 0,
            Some(left) => u64::try_from(left.as_nanos()).unwrap_or(u64::MAX).saturating_add(1),
        };
        put_number(bytes, number);
    }

    pub(crate) fn read(reader: &mut Reader<'_>, may_wait: bool) -> Result<Self, Malformed> {
        Ok(match reader.number()? {
            0 => Self::None,
            _ if !may_wait => Self::Refused,
            1 => Self::Until(Deadline::NEVER),
            more => Self::Until(Deadline::after(Duration::from_nanos(more - 1))),
        })
    }

    /// A call that would wait now.
    pub(crate) fn park(self) -> Result<Step, Fault> {
        match self {
            Self::None => Err(Fault::NotNow),
            Self::Until(deadline) => Ok(Step::Parked(deadline)),
            Self::Refused => Err(too_many_waiting()),
        }
    }

    /// Whether the call waits if it has to.
    pub(crate) fn waits(self) -> bool {
        matches!(self, Self::Until(_))
    }
}

pub(crate) fn too_many_waiting() -> Fault {
    Fault::Refused("too many calls wait already".into())
}

pub(crate) fn no_such_method(method: u64) -> Fault {
    Fault::NoSuchMethod(format!("number {method}"))
}

/// Makes an object of one of the sorts that every server has; `None` if it has no sort of that name.
pub(crate) fn make(
    sort: &str,
    argument: Reader<'_>,
    links: Vec<Link>,
) -> Result<Option<Box<dyn Kind>>, Fault> {
    Ok(Some(match sort {
        "dict" => Box::new(dict::Dict::default()),
        "list" => Box::new(list::List::make(argument)?),
        "value" => Box::new(value::Value::make(argument, links)),
        "queue" => Box::new(queue::Queue::make(argument)?),
        "lock" => Box::new(lock::Lock::default()),
        "condition" => Box::new(lock::Lock::default()),
        "semaphore" => Box::new(semaphore::Semaphore::make(argument)?),
        "event" => Box::new(event::Event::default()),
        "barrier" => Box::new(barrier::Barrier::make(argument)?),
        _ => return Ok(None),
    }))
}
