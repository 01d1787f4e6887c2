//! `shm_pipe()` and `ShmConnection`: a connection through shared memory.
//!
//! # States of an end's owner word
//!
//! | word | meaning |
//! |------|---------|
//! | `NOBODY` | nobody has used the end yet; it may travel |
//! | pid and start time | that process uses the end, or died using it |
//! | `LEFT` | it has left the end |
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `leave`, and the exchange of `claim` | `Door::is_gone`, `Door::sleep`, `has_left` | that all that was sent is there |

mod arrival;
mod door;
pub mod lane;
#[cfg(feature = "tokio")]
mod looks;
mod mapped;
pub(crate) mod ring;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{AcqRel, Acquire};
use ipc_core::robust::Thread;
use ipc_core::wire::{self, DecodeError, Limits, PacketSocket, reject};
use ipc_core::{Deadline, ProcessId, Segment};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use crate::error::{RecvError, RequestError, SendError};
use crate::line::{Arrived, Body, Line};
use crate::scratch::with_scratch;
use door::{Door, LEFT, NOBODY};
use mapped::Mapped;
use ring::{Partner, Reader, Record, Refused, Way, Writer};

/// Makes two ends of a connection through shared memory: the first sends `S` and receives `R`.
///
/// # Errors
///
/// If the process has too many descriptors, or the machine no memory.
///
/// # Examples
///
/// ```
/// use ipc_pipe::shm_pipe;
///
/// let (mut here, mut there) = shm_pipe::<u32, String>()?;
/// let thread = std::thread::spawn(move || {
///     while let Ok(number) = there.recv() {
///         there.send(&number.to_string()).unwrap();
///     }
/// });
/// assert_eq!(here.request(&7)?, "7");
/// drop(here);
/// thread.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn shm_pipe<S, R>() -> io::Result<(ShmConnection<S, R>, ShmConnection<R, S>)> {
    let mapped = Mapped::create().map_err(io::Error::other)?;
    let (first_line, second_line) = PacketSocket::pair()?;
    let (first_bell, second_bell) = PacketSocket::pair()?;
    let first = ShmConnection::new(mapped.clone(), 0, first_line, first_bell.into());
    Ok((first, ShmConnection::new(mapped, 1, second_line, second_bell.into())))
}

/// One end of a connection through shared memory, for two who talk all the time.
///
/// It does what a [`Connection`](crate::Connection) does, several times faster: nothing goes through the
/// system as long as both look. Who waits looks for some microseconds and then sleeps. What has handles
/// or is longer than 32 KiB goes as with a `Connection`, and all messages stay in order.
///
/// For that it has one user at each end: the process that first uses an end has it, and its methods take
/// `&mut self`. An end that nobody has used may travel; after that it is [`OtherProcess`] for all others,
/// forked children too. Prefer a `Connection` for anything that several use, or that waits with others.
///
/// # Process death
///
/// Who dies while it sends has sent the whole message, or nothing; the commit point is the store of the
/// message's header. When the process that uses the other end dies or leaves, what it had sent is
/// received, and then there is [`RecvError::Disconnected`], also if others still have that end. Who sends
/// to a process that was killed has [`SendError::Disconnected`] when there is no room any more, at the
/// latest.
///
/// A process that calls `exec` without having ended is not seen to be gone as long as others have its
/// end.
///
/// [`OtherProcess`]: RecvError::OtherProcess
pub struct ShmConnection<S, R> {
    mapped: Mapped,
    /// Which end it is: 0 or 1.
    side: usize,
    /// For messages that the ring does not take.
    line: Line,
    door: Door,
    writer: Writer,
    reader: Reader,
    /// The process in which this handle has the end; zero if it has not got it yet.
    generation: u64,
    limits: Limits,
    types: PhantomData<fn(S) -> R>,
}

impl<S: Serialize, R> ShmConnection<S, R> {
    /// Sends a value, waiting for room.
    ///
    /// # Errors
    ///
    /// [`SendError`] says why the value was not sent.
    pub fn send(&mut self, value: &S) -> Result<(), SendError> {
        self.send_deadline(value, Deadline::NEVER)
    }

    /// Sends a value if there is room now.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::Full`] if there is none.
    pub fn try_send(&mut self, value: &S) -> Result<(), SendError> {
        self.send_deadline(value, Deadline::now()).map_err(SendError::at_once)
    }

    /// Sends a value, waiting for room for so long at most.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::TimedOut`] if there was none in time.
    pub fn send_timeout(&mut self, value: &S, timeout: Duration) -> Result<(), SendError> {
        self.send_deadline(value, Deadline::after(timeout))
    }

    /// Sends a value, waiting for room until the deadline.
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Self::send_timeout).
    pub fn send_deadline(&mut self, value: &S, deadline: Deadline) -> Result<(), SendError> {
        with_scratch(|scratch| {
            scratch.clear();
            let handles = wire::encode_into(value, scratch)?;
            self.send_parts(scratch, &handles, deadline)
        })
    }

    /// Sends bytes as they are, waiting for room.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.send_bytes_deadline(bytes, Deadline::NEVER)
    }

    /// Sends bytes as they are, waiting for room until the deadline.
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Self::send_timeout).
    pub fn send_bytes_deadline(
        &mut self,
        bytes: &[u8],
        deadline: Deadline,
    ) -> Result<(), SendError> {
        self.send_parts(bytes, &[], deadline)
    }

    /// Whether there is room for a short message now, or nobody is at the other end any more.
    ///
    /// # Errors
    ///
    /// [`SendError::OtherProcess`], [`SendError::Corrupt`] and [`SendError::Io`].
    pub fn writable(&mut self) -> Result<bool, SendError> {
        if !self.claim()? {
            return Err(SendError::OtherProcess);
        }
        let (way, theirs) = (self.mapped.way_from(self.side), self.mapped.owner(1 - self.side));
        let mut partner = Other { door: &mut self.door, theirs };
        match self.writer.await_room(&way, &mut partner, 0, Deadline::now()) {
            Ok(()) | Err(Refused::Gone) => Ok(true),
            Err(Refused::TimedOut) => Ok(false),
            Err(Refused::Corrupt) => Err(SendError::Corrupt),
        }
    }

    pub(crate) fn send_parts(
        &mut self,
        bytes: &[u8],
        handles: &[OwnedFd],
        deadline: Deadline,
    ) -> Result<(), SendError> {
        match self.claim() {
            Ok(true) => {}
            Ok(false) => return Err(SendError::OtherProcess),
            Err(error) => return Err(error.into()),
        }
        let (way, theirs) = (self.mapped.way_from(self.side), self.mapped.owner(1 - self.side));
        if has_left(theirs) {
            return Err(SendError::Disconnected);
        }
        let mut partner = Other { door: &mut self.door, theirs };
        let len = len_here(&way, bytes, handles);
        self.writer.await_room(&way, &mut partner, len.unwrap_or(0), deadline)?;
        if len.is_some() {
            self.writer.put(&way, &partner, bytes);
        } else {
            use std::os::fd::AsFd as _;
            let handles: Vec<_> = handles.iter().map(|handle| handle.as_fd()).collect();
            self.line.send(bytes, &handles, deadline)?;
            self.writer.put_elsewhere(&way, &partner);
        }
        Ok(())
    }
}

impl<S, R: DeserializeOwned> ShmConnection<S, R> {
    /// Receives a value, waiting for it.
    ///
    /// # Errors
    ///
    /// [`RecvError::Disconnected`] at the end; the other variants say what is wrong.
    pub fn recv(&mut self) -> Result<R, RecvError> {
        self.recv_deadline(Deadline::NEVER)
    }

    /// Receives a value if there is one now.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::Empty`] if there is none.
    pub fn try_recv(&mut self) -> Result<R, RecvError> {
        self.recv_deadline(Deadline::now()).map_err(RecvError::at_once)
    }

    /// Receives a value, waiting for it for so long at most.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::TimedOut`] if none came in time.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<R, RecvError> {
        self.recv_deadline(Deadline::after(timeout))
    }

    /// Receives a value, waiting for it until the deadline.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn recv_deadline(&mut self, deadline: Deadline) -> Result<R, RecvError> {
        self.recv_with(deadline, |arrived| arrived.decode())
    }

    /// Receives bytes as they were sent, of which there may be so many at most, waiting for them.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::TooLong`] if there are more, which are lost.
    pub fn recv_bytes(&mut self, max: usize) -> Result<Vec<u8>, RecvError> {
        self.recv_bytes_deadline(max, Deadline::NEVER)
    }

    /// Receives bytes as they were sent, waiting for them until the deadline.
    ///
    /// # Errors
    ///
    /// As [`recv_bytes`](Self::recv_bytes); [`RecvError::TimedOut`] if none came in time.
    pub fn recv_bytes_deadline(
        &mut self,
        max: usize,
        deadline: Deadline,
    ) -> Result<Vec<u8>, RecvError> {
        self.recv_with(deadline, |arrived| arrived.into_bytes(max))
    }

    /// Receives bytes as they were sent into a buffer, waiting for them; returns how many they are.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::TooShort`] with the message if it does not fit.
    pub fn recv_bytes_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        let record = self.await_record(Deadline::NEVER)?;
        if let Record::Here(len) = record
            && let Some(room) = buffer.get_mut(..len).filter(|_| len <= self.limits.max_bytes)
        {
            let way = self.mapped.way_from(1 - self.side);
            let partner = Other { door: &mut self.door, theirs: self.mapped.owner(1 - self.side) };
            self.reader.read_into(&way, room);
            self.reader.advance(&way, &partner, record);
            return Ok(len);
        }
        self.take(record, |arrived| arrived.without_handles()?.copy_into(buffer))
    }

    /// Waits until there is something to receive, or nobody is at the other end any more; `false` if
    /// the time is up first.
    ///
    /// # Errors
    ///
    /// [`RecvError::OtherProcess`], [`RecvError::Corrupt`] and [`RecvError::Io`].
    pub fn poll(&mut self, timeout: Duration) -> Result<bool, RecvError> {
        match self.await_record(Deadline::after(timeout)) {
            Ok(_) | Err(RecvError::Disconnected) => Ok(true),
            Err(RecvError::TimedOut) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether there is something to receive now, or nobody is at the other end any more.
    ///
    /// # Errors
    ///
    /// As [`poll`](Self::poll).
    pub fn readable(&mut self) -> Result<bool, RecvError> {
        self.poll(Duration::ZERO)
    }

    fn await_record(&mut self, deadline: Deadline) -> Result<Record, RecvError> {
        if !self.claim()? {
            return Err(RecvError::OtherProcess);
        }
        let (way, theirs) = (self.mapped.way_from(1 - self.side), self.mapped.owner(1 - self.side));
        let mut partner = Other { door: &mut self.door, theirs };
        Ok(self.reader.await_record(&way, &mut partner, deadline)?)
    }

    pub(crate) fn recv_with<T>(
        &mut self,
        deadline: Deadline,
        take: impl FnOnce(Arrived<'_>) -> Result<T, RecvError>,
    ) -> Result<T, RecvError> {
        let record = self.await_record(deadline)?;
        self.take(record, take)
    }

    /// Takes the next record, which is that.
    fn take<T>(
        &mut self,
        record: Record,
        take: impl FnOnce(Arrived<'_>) -> Result<T, RecvError>,
    ) -> Result<T, RecvError> {
        let (way, theirs) = (self.mapped.way_from(1 - self.side), self.mapped.owner(1 - self.side));
        let partner = Other { door: &mut self.door, theirs };
        let Record::Here(len) = record else {
            let received = self.line.recv(&self.limits, Deadline::now(), take);
            self.reader.advance(&way, &partner, record);
            return match received {
                // It was sent before the record was.
                Err(RecvError::TimedOut | RecvError::Disconnected) => Err(RecvError::Corrupt),
                received => received,
            };
        };
        with_scratch(|scratch| {
            scratch.clear();
            self.reader.read(&way, record, scratch);
            self.reader.advance(&way, &partner, record);
            if len > self.limits.max_bytes {
                return Err(RecvError::TooLong { len: len as u64, limit: self.limits.max_bytes });
            }
            take(Arrived { body: Body::Here(scratch), handles: Vec::new() })
        })
    }
}

impl<S: Serialize, R: DeserializeOwned> ShmConnection<S, R> {
    /// Sends a value and waits for the reply: the next value that comes.
    ///
    /// # Errors
    ///
    /// [`RequestError`] says whether the request was sent.
    pub fn request(&mut self, value: &S) -> Result<R, RequestError> {
        self.request_deadline(value, Deadline::NEVER)
    }

    /// Sends a value and waits for the reply until the deadline.
    ///
    /// A reply that comes later is the next value that is received.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub fn request_deadline(&mut self, value: &S, deadline: Deadline) -> Result<R, RequestError> {
        self.send_deadline(value, deadline)?;
        Ok(self.recv_deadline(deadline)?)
    }
}

impl<S, R> ShmConnection<S, R> {
    fn new(mapped: Mapped, side: usize, line: PacketSocket, bell: OwnedFd) -> Self {
        Self {
            mapped,
            side,
            line: Line::packets(line),
            door: Door::new(bell),
            writer: Writer::default(),
            reader: Reader::default(),
            generation: 0,
            limits: Limits::NONE,
            types: PhantomData,
        }
    }

    /// Sets how large a message may be that is received at this end; there is no limit at first.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Closes the end, as dropping it does.
    pub fn close(self) {}

    /// Whether nobody is at the other end any more. There may still be something to receive.
    pub fn closed(&mut self) -> bool {
        let theirs = self.mapped.owner(1 - self.side);
        self.door.is_gone(theirs)
    }

    /// Has the end from now on, if no other handle has it; whether this one has.
    fn claim(&mut self) -> io::Result<bool> {
        let generation = Thread::current().generation();
        if self.generation == generation { Ok(true) } else { self.claim_first(generation) }
    }

    #[cold]
    fn claim_first(&mut self, generation: u64) -> io::Result<bool> {
        let owner = self.mapped.owner(self.side);
        // E1 acquire.
        if self.generation != 0 || owner.load(Acquire) != NOBODY {
            return Ok(false);
        }
        let me = door::owner_word(ProcessId::current()?);
        self.door.announce_owner(me)?;
        // E1 release, E1 acquire.
        let is_ours = owner.compare_exchange(NOBODY, me, AcqRel, Acquire).is_ok();
        if is_ours {
            self.generation = generation;
        }
        Ok(is_ours)
    }
}

/// How many bytes a message has in the ring; nothing if it does not go there.
fn len_here(way: &impl Way, bytes: &[u8], handles: &[OwnedFd]) -> Option<usize> {
    let goes_here = handles.is_empty() && bytes.len() <= ring::longest(way.n_units());
    goes_here.then_some(bytes.len())
}

fn has_left(theirs: &AtomicU64) -> bool {
    // E1 acquire.
    theirs.load(Acquire) == LEFT
}

impl<S, R> Drop for ShmConnection<S, R> {
    fn drop(&mut self) {
        // What a forked child has inherited, or nobody has used, is not left by this.
        if self.generation == Thread::current().generation() {
            // E1 release.
            self.mapped.owner(self.side).swap_and_fence(LEFT);
            self.door.call();
        }
    }
}

/// The other end, as the ring asks for it.
struct Other<'c> {
    door: &'c mut Door,
    /// Its owner word.
    theirs: &'c AtomicU64,
}

impl Partner for Other<'_> {
    fn call(&self) {
        self.door.call();
    }

    fn sleep(&mut self, deadline: Deadline) -> bool {
        self.door.sleep(self.theirs, deadline)
    }

    fn is_gone(&mut self) -> bool {
        self.door.is_gone(self.theirs)
    }

    fn may_miss_sleepers(&mut self) {
        self.door.look_now_and_then();
    }
}

impl From<Refused> for SendError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TimedOut => Self::TimedOut,
            Refused::Gone => Self::Disconnected,
            Refused::Corrupt => Self::Corrupt,
        }
    }
}

impl From<Refused> for RecvError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TimedOut => Self::TimedOut,
            Refused::Gone => Self::Disconnected,
            Refused::Corrupt => Self::Corrupt,
        }
    }
}

impl<S, R> fmt::Debug for ShmConnection<S, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ShmConnection")
            .field("segment", &self.mapped.segment().id())
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}

/// An end as it travels.
#[derive(Serialize, Deserialize)]
struct Parts {
    is_second: bool,
    segment: Segment,
    #[serde(with = "ipc_core::wire::owned_fd")]
    line: OwnedFd,
    #[serde(with = "ipc_core::wire::owned_fd")]
    bell: OwnedFd,
}

impl<S, R> Serialize for ShmConnection<S, R> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        use std::os::fd::AsFd as _;
        if self.generation != 0 {
            return Err(ser::Error::custom("an end that was used stays in its process"));
        }
        let duplicate = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned();
        let parts = Parts {
            is_second: self.side == 1,
            segment: self.mapped.segment().clone(),
            line: duplicate(self.line.as_fd()).map_err(ser::Error::custom)?,
            bell: duplicate(self.door.as_fd()).map_err(ser::Error::custom)?,
        };
        parts.serialize(serializer)
    }
}

impl<'de, S, R> Deserialize<'de> for ShmConnection<S, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = Parts::deserialize(deserializer)?;
        let wrong = |_| reject(DecodeError::WrongHandle { expected: "socket of packets" });
        let line = PacketSocket::from_fd(parts.line).map_err(wrong)?;
        let bell = PacketSocket::from_fd(parts.bell).map_err(wrong)?;
        let mapped =
            Mapped::open(parts.segment).map_err(|error| reject(DecodeError::Segment(error)))?;
        Ok(Self::new(mapped, usize::from(parts.is_second), line, bell.into()))
    }
}
