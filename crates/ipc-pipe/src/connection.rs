//! `Connection`: one of two ends, for values or bytes.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::wire::{
    self, DecodeError, Limits, PacketSocket, deserialize_fd, reject, serialize_fd,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use crate::error::{RecvError, RequestError, SendError};
use crate::items::items;
use crate::line::Line;
use crate::peer::Peer;
use crate::scratch::with_scratch;
use crate::sys::ready::Ready;

/// One end of a connection, which sends values of `S` and receives values of `R`.
///
/// Made in twos by [`pipe`](crate::pipe()) and [`channel`](crate::channel()), or between programs by a
/// [`Listener`](crate::Listener) and [`connect`](crate::connect()). A message comes whole,
/// and each comes to one receiver: any number of threads and processes may send and receive at the same
/// end at the same time, and none of them waits for another. Cloning makes another handle to the same
/// end; an end that is sent to another process, or inherited by a forked child, is the same end too.
///
/// Values may contain handles: files, sockets, segments, locks, queues, other ends. Bytes can be sent
/// as they are ([`send_bytes`](Self::send_bytes)), to be received as such. A message of more than
/// 32 KiB goes through memory, all but its beginning; a line keeps up to 16 MiB of that for the messages to
/// come, and whoever receives has as much mapped.
///
/// Who receives looks for some 50 microseconds before it sleeps, as long as that pays now and then:
/// two who answer each other at once need no wake-ups.
///
/// Over TCP there are no handles and no memory: messages are sent in frames, by one process, and threads
/// take turns. A forked child is told that the connection is its parent's.
///
/// # Process death
///
/// Who dies while it sends has sent the whole message, or nothing. Who dies while it receives has
/// taken the message, or left it to others. When the last who has the other end dies or closes it, what
/// was sent is received, and then there is [`RecvError::Disconnected`].
///
/// The commit point of both is the kernel's, in the one system call that sends or receives.
///
/// Over TCP who dies while it sends has sent a part, and the other side has [`RecvError::Truncated`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use ipc_pipe::{RecvError, pipe};
///
/// let (here, there) = pipe::<Vec<u8>, u64>()?;
/// assert!(matches!(there.try_recv(), Err(RecvError::Empty)));
/// here.send(&vec![1, 2, 3])?;
/// assert!(there.poll(Duration::from_secs(1))?);
/// let sum = there.recv()?.iter().map(|byte| u64::from(*byte)).sum();
/// there.send(&sum)?;
/// assert_eq!(here.recv_timeout(Duration::from_secs(1))?, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection<S, R> {
    line: Arc<Line>,
    limits: Limits,
    types: PhantomData<fn(S) -> R>,
}

/// An end that only sends; see [`Connection`].
pub type Sender<T> = Connection<T, Nothing>;

/// An end that only receives; see [`Connection`].
pub type Receiver<T> = Connection<Nothing, T>;

/// What goes the way that nothing goes: there is no value of it.
#[derive(Clone, Copy, Debug)]
pub enum Nothing {}

impl<S: Serialize, R> Connection<S, R> {
    /// Sends a value, waiting for room.
    ///
    /// The value keeps its handles: the receiver gets duplicates.
    ///
    /// # Errors
    ///
    /// [`SendError`] says why the value was not sent.
    pub fn send(&self, value: &S) -> Result<(), SendError> {
        self.send_deadline(value, Deadline::NEVER)
    }

    /// Sends a value if there is room now.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::Full`] if there is none.
    pub fn try_send(&self, value: &S) -> Result<(), SendError> {
        self.send_deadline(value, Deadline::now()).map_err(SendError::at_once)
    }

    /// Sends a value, waiting for room for so long at most.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::TimedOut`] if there was none in time.
    pub fn send_timeout(&self, value: &S, timeout: Duration) -> Result<(), SendError> {
        self.send_deadline(value, Deadline::after(timeout))
    }

    /// Sends a value, waiting for room until the deadline.
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Self::send_timeout).
    pub fn send_deadline(&self, value: &S, deadline: Deadline) -> Result<(), SendError> {
        with_scratch(|scratch| {
            scratch.clear();
            let handles = wire::encode_into(value, scratch)?;
            let borrowed: Vec<BorrowedFd<'_>> = handles.iter().map(AsFd::as_fd).collect();
            self.line.send(scratch, &borrowed, deadline)
        })
    }

    /// Sends bytes as they are, waiting for room; they are received by
    /// [`recv_bytes`](Self::recv_bytes) or [`recv_bytes_into`](Self::recv_bytes_into).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), SendError> {
        self.send_bytes_deadline(bytes, Deadline::NEVER)
    }

    /// Sends bytes as they are, waiting for room until the deadline.
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Self::send_timeout).
    pub fn send_bytes_deadline(&self, bytes: &[u8], deadline: Deadline) -> Result<(), SendError> {
        self.line.send(bytes, &[], deadline)
    }
}

impl<S, R: DeserializeOwned> Connection<S, R> {
    /// Receives a value, waiting for it.
    ///
    /// # Errors
    ///
    /// [`RecvError::Disconnected`] at the end; the other variants say what is wrong.
    pub fn recv(&self) -> Result<R, RecvError> {
        self.recv_deadline(Deadline::NEVER)
    }

    /// Receives a value if there is one now.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::Empty`] if there is none.
    pub fn try_recv(&self) -> Result<R, RecvError> {
        self.recv_deadline(Deadline::now()).map_err(RecvError::at_once)
    }

    /// Receives a value, waiting for it for so long at most.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::TimedOut`] if none came in time.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<R, RecvError> {
        self.recv_deadline(Deadline::after(timeout))
    }

    /// Receives a value, waiting for it until the deadline.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn recv_deadline(&self, deadline: Deadline) -> Result<R, RecvError> {
        self.line.recv(&self.limits, deadline, |arrived| arrived.decode())
    }

    /// Receives bytes as they were sent, of which there may be so many at most, waiting for them.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::TooLong`] if there are more, which are lost.
    pub fn recv_bytes(&self, max: usize) -> Result<Vec<u8>, RecvError> {
        self.recv_bytes_deadline(max, Deadline::NEVER)
    }

    /// Receives bytes as they were sent, waiting for them until the deadline.
    ///
    /// # Errors
    ///
    /// As [`recv_bytes`](Self::recv_bytes); [`RecvError::TimedOut`] if none came in time.
    pub fn recv_bytes_deadline(
        &self,
        max: usize,
        deadline: Deadline,
    ) -> Result<Vec<u8>, RecvError> {
        self.line.recv(&self.limits, deadline, |arrived| arrived.into_bytes(max))
    }

    /// Receives bytes as they were sent into a buffer, waiting for them; returns how many they are.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::TooShort`] with the message if it does not fit.
    pub fn recv_bytes_into(&self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.recv_bytes_into_deadline(buffer, Deadline::NEVER)
    }

    /// Receives bytes as they were sent into a buffer, waiting for them until the deadline.
    ///
    /// # Errors
    ///
    /// As [`recv_bytes_into`](Self::recv_bytes_into); [`RecvError::TimedOut`] if none came in time.
    pub fn recv_bytes_into_deadline(
        &self,
        buffer: &mut [u8],
        deadline: Deadline,
    ) -> Result<usize, RecvError> {
        self.line
            .recv(&self.limits, deadline, |arrived| arrived.without_handles()?.copy_into(buffer))
    }

    /// The values as they come; it ends when nobody has the other end any more.
    pub fn iter(&self) -> impl Iterator<Item = Result<R, RecvError>> {
        items(|| self.recv())
    }
}

impl<S: Serialize, R: DeserializeOwned> Connection<S, R> {
    /// Sends a value and waits for the reply: the next value that comes.
    ///
    /// It is for an end whose only user this is; hence `&mut`.
    ///
    /// # Errors
    ///
    /// [`RequestError`] says whether the request was sent.
    pub fn request(&mut self, value: &S) -> Result<R, RequestError> {
        self.request_deadline(value, Deadline::NEVER)
    }

    /// Sends a value and waits for the reply until the deadline.
    ///
    /// A reply that comes later is the next value that is received: after a time-out the connection
    /// is of use only to who can tell replies from one another.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub fn request_deadline(&mut self, value: &S, deadline: Deadline) -> Result<R, RequestError> {
        self.send_deadline(value, deadline)?;
        Ok(self.recv_deadline(deadline)?)
    }
}

impl<S, R> Connection<S, R> {
    /// An end whose other end is trusted like this process.
    pub(crate) fn new(line: Line) -> Self {
        Self { line: Arc::new(line), limits: Limits::NONE, types: PhantomData }
    }

    /// Sets how large a message may be that is received at this handle.
    ///
    /// There is no limit at first where the other end was made by this program. Whatever it is, no
    /// more memory is taken than the sender has really sent.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Makes two handles of it: one that sends, and one that receives.
    ///
    /// The end is closed when both are.
    #[must_use]
    pub fn split(self) -> (Sender<S>, Receiver<R>) {
        let Self { line, limits, .. } = self;
        let sender = Connection { line: Arc::clone(&line), limits, types: PhantomData };
        (sender, Connection { line, limits, types: PhantomData })
    }

    /// Closes this handle, as dropping it does.
    pub fn close(self) {}

    /// Waits until there is something to receive, or nobody has the other end any more; `false` if
    /// the time is up first.
    ///
    /// # Errors
    ///
    /// If the system has no memory to answer.
    pub fn poll(&self, timeout: Duration) -> io::Result<bool> {
        self.line.is(Ready::Read, Deadline::after(timeout))
    }

    /// Whether there is something to receive now, or nobody has the other end any more.
    ///
    /// # Errors
    ///
    /// If the system has no memory to answer.
    pub fn readable(&self) -> io::Result<bool> {
        self.line.is(Ready::Read, Deadline::now())
    }

    /// Whether there is room to send now, or nobody has the other end any more.
    ///
    /// # Errors
    ///
    /// If the system has no memory to answer.
    pub fn writable(&self) -> io::Result<bool> {
        self.line.is(Ready::Write, Deadline::now())
    }

    /// Who made the other end, as the kernel says; `None` over TCP.
    ///
    /// # Errors
    ///
    /// If the kernel does not say.
    pub fn peer(&self) -> io::Result<Option<Peer>> {
        self.line.peer()
    }

    /// Whether nobody has the other end any more. There may still be something to receive.
    ///
    /// # Errors
    ///
    /// If the system has no memory to answer.
    pub fn closed(&self) -> io::Result<bool> {
        self.line.is(Ready::HangUp, Deadline::now())
    }
}

#[cfg(feature = "tokio")]
impl<S, R> Connection<S, R> {
    pub(crate) const fn line(&self) -> &Arc<Line> {
        &self.line
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl<S, R> Clone for Connection<S, R> {
    fn clone(&self) -> Self {
        Self { line: Arc::clone(&self.line), limits: self.limits, types: PhantomData }
    }
}

impl<S, R> AsFd for Connection<S, R> {
    /// The socket: readable when there is something to receive, or the end.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

impl<S, R> AsRawFd for Connection<S, R> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<S, R> TryFrom<OwnedFd> for Connection<S, R> {
    type Error = io::Error;

    /// Takes over a Unix socket of packets, whose other end is one of these too.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self::new(Line::packets(PacketSocket::from_fd(fd)?)))
    }
}

impl<S, R> fmt::Debug for Connection<S, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").field("line", &self.line).finish_non_exhaustive()
    }
}

impl<S, R> Serialize for Connection<S, R> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        if !self.line.can_travel() {
            return Err(ser::Error::custom("a connection over TCP stays in its process"));
        }
        serialize_fd(self.as_fd(), serializer)
    }
}

impl<'de, S, R> Deserialize<'de> for Connection<S, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fd = deserialize_fd(deserializer)?;
        let expected = "connection";
        Self::try_from(fd).map_err(|_| reject(DecodeError::WrongHandle { expected }))
    }
}
