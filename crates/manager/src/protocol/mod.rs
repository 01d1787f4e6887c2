//! What a client and the server say to each other.
//!
//! ```text
//! client                                        server
//!   hello: magic, version, process, wishes -->
//!                                          <--  hello: magic, version, who the server is, what it does
//!                                          <--  a lane, if it said so
//!   calls: number, object, method, links, argument   -->
//!                                          <--  replies: number, returned or failed, links, bytes
//! ```
//!
//! Who comes for the memory of an object says so in its hello, gets that, and nothing else:
//!
//! ```text
//!   hello: magic, version, nobody, object, secret    -->
//!                                          <--  the memory
//! ```
//!
//! A message is any number of calls, or of replies, one after the other. A call whose number is zero gets
//! no reply. Replies come when they are ready, in any order. *Links* are the objects whose proxies are in
//! the bytes: the server keeps them as long as it keeps the bytes, and whoever gets the bytes gets a
//! reference to each.
//!
//! Messages go through a socket, or, from then on when both want it, through a [lane](crate::carrier::lane).
//!
//! The hellos have one form for all time, to which something may be added behind, so that two versions can say to each other which they are.

pub(crate) mod bytes;
pub(crate) mod methods;
#[cfg(feature = "pool")]
pub(crate) mod pool;

use std::time::Duration;

use ipc_core::ProcessId;
use proc_core::{ExitStatus, PanicInfo};
use serde::{Deserialize, Serialize};

use bytes::{Malformed, Reader, put_block, put_number};

const MAGIC: &[u8; 8] = b"mp-mngr\0";

/// The version of everything but the hellos.
pub(crate) const VERSION: u32 = 1;

/// What else is to be said of a client, or of a server: that it wants or offers a lane.
const LANE: u64 = 1;

/// Of a client: that it has come for the memory of an object.
const MEMORY: u64 = 2;

/// An object in a server: never given out again.
pub(crate) type ObjectId = u64;

/// The server itself, to which the methods of [`methods::desk`] belong.
pub(crate) const DESK: ObjectId = 0;

/// The most links that a call or a reply has.
pub(crate) const MAX_LINKS: usize = 1 << 16;

/// What a client says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientHello {
    pub(crate) version: u32,
    /// Which process it is, for a server that can watch it.
    pub(crate) process: Option<ProcessId>,
    /// Whether it would like its messages to go through memory.
    pub(crate) wants_lane: bool,
    /// The memory that it has come for.
    pub(crate) memory: Option<Wanted>,
    /// The session that it goes on with.
    pub(crate) resume: Option<Resume>,
}

/// The memory of an object, for which only those ask who have had a reference to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) object: ObjectId,
    /// What the object has told these, and nobody guesses.
    pub(crate) secret: u64,
}

/// What a session is known by: numbers that nobody guesses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SessionId {
    pub(crate) high: u64,
    pub(crate) low: u64,
}

/// A session that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    pub(crate) session: SessionId,
    /// How many messages the client has received.
    pub(crate) n_received: u64,
}

/// A session, as a server tells of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Granted {
    /// Zeros if there is none, or not any more.
    pub(crate) id: SessionId,
    /// How many messages the server has received.
    pub(crate) n_received: u64,
    /// How many milliseconds it is kept when the connection is broken.
    pub(crate) grace: u64,
}

impl ClientHello {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        put_number(&mut bytes, self.version.into());
        let (pid, start) = self.process.map_or((0, 0), |id| (id.pid(), id.start_time()));
        put_number(&mut bytes, pid.into());
        put_number(&mut bytes, start);
        let memory = if self.memory.is_some() { MEMORY } else { 0 };
        put_number(&mut bytes, memory | u64::from(self.wants_lane));
        if let Some(Wanted { object, secret }) = self.memory {
            put_number(&mut bytes, object);
            put_number(&mut bytes, secret);
        }
        if let Some(Resume { session, n_received }) = self.resume {
            let numbers = [session.high, session.low, n_received];
            numbers.into_iter().for_each(|number| put_number(&mut bytes, number));
        }
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (mut reader, version) = opening(bytes)?;
        let pid = u32::try_from(reader.number()?).map_err(|_| Malformed)?;
        let start = reader.number()?;
        let process = (pid != 0).then(|| ProcessId::from_parts(pid, start));
        let wishes = reader.number_or_zero()?;
        let wants_lane = wishes & LANE != 0;
        let mut memory = None;
        if wishes & MEMORY != 0 {
            memory = Some(Wanted { object: reader.number()?, secret: reader.number()? });
        }
        let mut resume = None;
        if !reader.is_empty() {
            let session = SessionId { high: reader.number()?, low: reader.number()? };
            resume = Some(Resume { session, n_received: reader.number()? });
        }
        Ok(Self { version, process, wants_lane, memory, resume })
    }
}

/// What a server says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerHello {
    pub(crate) version: u32,
    /// Which server it is, of all that there ever are.
    pub(crate) server: u64,
    /// How long a message may be.
    pub(crate) max_bytes: u64,
    /// Whether it runs functions of the client's program.
    pub(crate) runs_functions: bool,
    /// Whether the next that it sends is a lane, if it has the memory.
    pub(crate) offers_lane: bool,
    pub(crate) session: Granted,
}

impl ServerHello {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        put_number(&mut bytes, self.version.into());
        put_number(&mut bytes, self.server);
        put_number(&mut bytes, self.max_bytes);
        put_number(&mut bytes, self.runs_functions.into());
        put_number(&mut bytes, self.offers_lane.into());
        let Granted { id, n_received, grace } = self.session;
        let numbers = [id.high, id.low, n_received, grace];
        numbers.into_iter().for_each(|number| put_number(&mut bytes, number));
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (mut reader, version) = opening(bytes)?;
        let (server, max_bytes) = (reader.number()?, reader.number()?);
        let runs_functions = reader.number()? != 0;
        let offers_lane = reader.number_or_zero()? & LANE != 0;
        let id = SessionId { high: reader.number_or_zero()?, low: reader.number_or_zero()? };
        let (n_received, grace) = (reader.number_or_zero()?, reader.number_or_zero()?);
        let session = Granted { id, n_received, grace };
        Ok(Self { version, server, max_bytes, runs_functions, offers_lane, session })
    }
}

fn opening(bytes: &[u8]) -> Result<(Reader<'_>, u32), Malformed> {
    let mut reader = Reader::new(bytes.strip_prefix(MAGIC).ok_or(Malformed)?);
    let version = u32::try_from(reader.number()?).map_err(|_| Malformed)?;
    Ok((reader, version))
}

/// A call, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call<'b> {
    /// The client's number for it; zero if no reply is wanted.
    pub(crate) id: u64,
    pub(crate) object: ObjectId,
    pub(crate) method: u64,
    pub(crate) links: Vec<ObjectId>,
    pub(crate) argument: &'b [u8],
}

impl<'b> Call<'b> {
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        put_number(bytes, self.id);
        put_number(bytes, self.object);
        put_number(bytes, self.method);
        put_links(bytes, &self.links);
        put_block(bytes, self.argument);
    }

    pub(crate) fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        let (id, object, method) = (reader.number()?, reader.number()?, reader.number()?);
        let links = read_links(reader)?;
        Ok(Self { id, object, method, links, argument: reader.block()? })
    }
}

/// A reply, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply<'b> {
    /// The number of the call.
    pub(crate) id: u64,
    /// Whether the bytes are what was returned, or a [`Fault`].
    pub(crate) is_returned: bool,
    pub(crate) links: Vec<ObjectId>,
    pub(crate) bytes: &'b [u8],
}

impl<'b> Reply<'b> {
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        put_number(bytes, self.id);
        bytes.push(self.is_returned.into());
        put_links(bytes, &self.links);
        put_block(bytes, self.bytes);
    }

    pub(crate) fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        let (id, is_returned) = (reader.number()?, reader.byte()? != 0);
        let links = read_links(reader)?;
        Ok(Self { id, is_returned, links, bytes: reader.block()? })
    }
}

fn put_links(bytes: &mut Vec<u8>, links: &[ObjectId]) {
    put_number(bytes, links.len() as u64);
    links.iter().for_each(|link| put_number(bytes, *link));
}

fn read_links(reader: &mut Reader<'_>) -> Result<Vec<ObjectId>, Malformed> {
    let count = reader.count()?;
    // Each takes a byte at least.
    if count > MAX_LINKS || count > reader.rest().len() {
        return Err(Malformed);
    }
    (0..count).map(|_| reader.number()).collect()
}

/// Why a call returned nothing, as the server says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// There is no such object, or none that the client has a reference to.
    NoSuchObject,
    NoSuchMethod(String),
    /// There is no type of that name for objects.
    NoSuchType(String),
    /// Nothing is published under that name.
    NoSuchName,
    NameTaken,
    /// What is published there is of another type, which is told.
    OtherType(String),
    /// The argument is not one of the method's.
    BadArgument(String),
    /// Foreign code panicked.
    Panicked(PanicInfo),
    /// The time was up.
    TimedOut,
    /// There is nothing now, or no room now.
    NotNow,
    /// The queue is closed.
    Closed,
    /// There is no such index.
    OutOfRange(u64),
    /// The thread has the lock already.
    WouldDeadlock,
    /// The lock, permit or item is not in the caller's hands.
    NotHeld,
    /// More was given back than was ever there.
    TooMany,
    /// The barrier is broken.
    Broken,
    /// The server does not do that, and says why.
    Refused(String),
    /// Objects keep so many bytes already.
    Full {
        kept: u64,
        limit: u64,
    },
    /// Objects keep so many bytes of this client's already.
    ShareFull {
        kept: u64,
        limit: u64,
    },
    /// The worker of a pool died that ran a task.
    WorkerDied {
        pid: u32,
        status: ExitStatus,
    },
    /// A task took longer than it was to.
    TookTooLong(Duration),
    Cancelled,
    /// The pool was terminated first.
    Terminated,
    /// There is no room for one more in the object's memory.
    NoRoom,
    /// In the object's memory is what cannot be there.
    Corrupt,
}

impl From<Malformed> for Fault {
    fn from(Malformed: Malformed) -> Self {
        Self::BadArgument("it is cut short, or too long".into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn calls_come_as_they_were_sent(
            id: u64, object: u64, method: u64, links in prop::collection::vec(any::<u64>(), 0..5),
            argument: Vec<u8>,
        ) {
            let call = Call { id, object, method, links, argument: &argument };
            let mut bytes = Vec::new();
            call.append_to(&mut bytes);
            call.append_to(&mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(Call::read(&mut reader), Ok(call.clone()));
            prop_assert_eq!(Call::read(&mut reader), Ok(call));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn replies_come_as_they_were_sent(
            id: u64, is_returned: bool, links in prop::collection::vec(any::<u64>(), 0..5),
            body: Vec<u8>,
        ) {
            let reply = Reply { id, is_returned, links, bytes: &body };
            let mut bytes = Vec::new();
            reply.append_to(&mut bytes);
            prop_assert_eq!(Reply::read(&mut Reader::new(&bytes)), Ok(reply));
        }

        #[test]
        fn any_bytes_are_a_call_or_refused(bytes: Vec<u8>) {
            Call::read(&mut Reader::new(&bytes)).ok();
            Reply::read(&mut Reader::new(&bytes)).ok();
            ClientHello::parse(&bytes).ok();
            ServerHello::parse(&bytes).ok();
        }
    }

    #[test]
    fn hellos_come_as_they_were_said() {
        for process in [None, Some(ProcessId::from_parts(7, 1 << 40))] {
            for n_received in [None, Some(0), Some(u64::MAX)] {
                let session = SessionId { high: 1 << 63, low: 5 };
                let resume = n_received.map(|n_received| Resume { session, n_received });
                let wants_lane = n_received.is_some();
                let memory = process.map(|_| Wanted { object: 9, secret: u64::MAX });
                let hello = ClientHello { version: 3, process, wants_lane, memory, resume };
                assert_eq!(ClientHello::parse(&hello.to_bytes()), Ok(hello));
            }
        }
        let id = SessionId { high: u64::MAX, low: 0 };
        let session = Granted { id, n_received: 4, grace: 10_000 };
        let (version, server) = (3, 1 << 60);
        let (runs_functions, offers_lane, max_bytes) = (true, true, 9);
        let hello =
            ServerHello { version, server, max_bytes, runs_functions, offers_lane, session };
        assert_eq!(ServerHello::parse(&hello.to_bytes()), Ok(hello));
        assert_eq!(ClientHello::parse(b"GET / HTTP/1.1\r\n"), Err(Malformed));
        // What is not said is nothing.
        let short = ServerHello::parse(&[MAGIC, &[3, 1, 9, 0][..]].concat()).unwrap();
        assert_eq!(short.session, Granted::default());
    }

    #[test]
    fn a_count_of_links_that_are_not_there_takes_no_memory() {
        let mut bytes = vec![1, 1, 1];
        put_number(&mut bytes, u64::MAX);
        assert_eq!(Call::read(&mut Reader::new(&bytes)), Err(Malformed));
    }
}
