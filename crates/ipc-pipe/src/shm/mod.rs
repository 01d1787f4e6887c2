//! `shm_pipe()` and `ShmConnection`: a connection through shared memory.
//!
//! | file | job |
//! |------|-----|
//! | `mod` | the connection: its two halves, and the line beside them |
//! | `sending`, `receiving` | what it does |
//! | `arrival` | a descriptor for what comes |
//! | `looks` | looking without waiting, for tasks |
//! | `travel` | an end in a message |
//! | `half` | who has a half of a way |
//! | `owner` | the words that say which process that is |
//! | `door` | how one half calls the other, and knows that it is gone |
//! | `ring` | the protocol of a way |
//! | `mapped` | its words and bytes in a segment |
//! | `lane` | the same for event loops |

mod arrival;
mod door;
mod half;
pub mod lane;
#[cfg(feature = "tokio")]
mod looks;
mod mapped;
mod owner;
mod receiving;
pub(crate) mod ring;
mod sending;
mod travel;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use ipc_core::robust::Thread;
use ipc_core::wire::{Limits, PacketSocket};
use ipc_core::{Deadline, ProcessId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connection::Nothing;
use crate::error::RequestError;
use crate::line::Line;
use crate::peer::Peer;
use half::Half;
#[cfg(feature = "tokio")]
pub(crate) use half::Other;
use mapped::{Mapped, Role};
use owner::{of_whole, owner_word};
use ring::{Partner as _, Reader, Writer};

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
    let (first_writer, second_reader) = PacketSocket::pair()?;
    let (second_writer, first_reader) = PacketSocket::pair()?;
    let bells = [Some(first_writer.into()), Some(first_reader.into())];
    let first = ShmConnection::new(mapped.clone(), 0, first_line, bells);
    let bells = [Some(second_writer.into()), Some(second_reader.into())];
    Ok((first, ShmConnection::new(mapped, 1, second_line, bells)))
}

/// One end of a connection through shared memory, for two who talk all the time.
///
/// It does what a [`Connection`](crate::Connection) does, several times faster: nothing goes through the
/// system as long as both look. Who waits looks for some microseconds and then sleeps. What has handles
/// or is longer than 32 KiB goes as with a `Connection`, and all messages stay in order.
///
/// For that it has one user at each end: the process that first uses an end has it, and its methods take
/// `&mut self`. An end that nobody has used may travel; after that it is [`OtherProcess`] for all others,
/// forked children too. [`split`](Self::split) makes two of it, of which each has a user of its own: two
/// threads, or, before the first use, two processes. Prefer a `Connection` for anything that several use,
/// or that waits with others.
///
/// So this is what a `Connection` has and this has not: it cannot be cloned, for a clone is a second user;
/// and it is more than one descriptor, so it is not made of one, and has none of its own to wait for:
/// [`arrival`](Self::arrival) makes one. Two who meet by an address send each other an end through the
/// connection that they have got.
///
/// # Process death
///
/// Who dies while it sends has sent the whole message, or nothing; the commit point is the store of the
/// message's header. When the process that uses the other end dies or leaves, what it had sent is
/// received, and then there is [`RecvError::Disconnected`], also if others still have that end. Who sends
/// to a process that was killed has [`SendError::Disconnected`] when there is no room any more, at the
/// latest. Of an end that was split this holds for each half: the death of who sends ends the receiving at
/// the other side, and that of who receives the sending.
///
/// A process that calls `exec` without having ended is not seen to be gone as long as others have its
/// end.
///
/// [`OtherProcess`]: crate::RecvError::OtherProcess
/// [`RecvError::Disconnected`]: crate::RecvError::Disconnected
/// [`SendError::Disconnected`]: crate::SendError::Disconnected
pub struct ShmConnection<S, R> {
    mapped: Mapped,
    /// Which end it is: 0 or 1.
    side: usize,
    /// For messages that the ring does not take.
    line: Arc<Line>,
    /// The half that sends; nothing if another has it, since the end was split.
    sends: Option<Half<Writer>>,
    /// The half that receives; nothing if another has it.
    receives: Option<Half<Reader>>,
    limits: Limits,
    types: PhantomData<fn(S) -> R>,
}

/// The half of an end that only sends; see [`ShmConnection::split`].
pub type ShmSender<T> = ShmConnection<T, Nothing>;

/// The half of an end that only receives; see [`ShmConnection::split`].
pub type ShmReceiver<T> = ShmConnection<Nothing, T>;

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
    /// An end with the bells of the halves that it has: that which sends, and that which receives.
    fn new(mapped: Mapped, side: usize, line: PacketSocket, bells: [Option<OwnedFd>; 2]) -> Self {
        let [sends, receives] = bells;
        let sends = sends.map(|bell| Half::new(mapped.clone(), side, Role::Writer, bell));
        let receives = receives.map(|bell| Half::new(mapped.clone(), 1 - side, Role::Reader, bell));
        let (line, limits, types) = (Arc::new(Line::packets(line)), Limits::NONE, PhantomData);
        Self { mapped, side, line, sends, receives, limits, types }
    }

    /// Sets how large a message may be that is received at this end; there is no limit at first.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Makes two of it: one that sends, and one that receives.
    ///
    /// Each has a user of its own. Of an end that was used it is this process, in whatever threads; the
    /// halves of one that was not may go to two processes. The end is closed when both are; the other side
    /// is told of each: that nothing comes any more, or that nobody receives.
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_pipe::shm_pipe;
    ///
    /// let (here, mut there) = shm_pipe::<u32, u32>()?;
    /// let (mut sender, mut receiver) = here.split();
    /// let asking = std::thread::spawn(move || (1..=3).try_for_each(|number| sender.send(&number)));
    /// for _ in 0..3 {
    ///     let number = there.recv()?;
    ///     there.send(&(number * 10))?;
    /// }
    /// drop(there);
    /// asking.join().unwrap()?;
    /// let answers: Result<Vec<u32>, _> = receiver.iter().collect();
    /// assert_eq!(answers?, [10, 20, 30]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (ShmSender<S>, ShmReceiver<R>) {
        let Self { mapped, side, line, sends, receives, limits, .. } = self;
        let sender = ShmConnection {
            mapped: mapped.clone(),
            side,
            line: Arc::clone(&line),
            sends,
            receives: None,
            limits,
            types: PhantomData,
        };
        let receiver =
            ShmConnection { mapped, side, line, sends: None, receives, limits, types: PhantomData };
        (sender, receiver)
    }

    /// Closes the end, as dropping it does.
    pub fn close(self) {}

    /// Whether nobody is at the other end any more. There may still be something to receive.
    ///
    /// Of a half it says whether nobody has that half of the other end which it talks to.
    pub fn closed(&mut self) -> bool {
        self.sends.as_mut().is_none_or(|half| half.other().is_gone())
            && self.receives.as_mut().is_none_or(|half| half.other().is_gone())
    }

    /// Who made the other end, as the kernel says: it was who called [`shm_pipe`].
    ///
    /// # Errors
    ///
    /// If the kernel does not say.
    pub fn peer(&self) -> io::Result<Option<Peer>> {
        self.line.peer()
    }

    /// Has all halves that are here from now on, if no other handle has them. Who wants both begins with
    /// that which sends, so that of two who want a whole end one gets nothing.
    #[cold]
    fn claim(&mut self, generation: u64) -> io::Result<()> {
        let me = owner_word(ProcessId::current()?);
        let (sends, receives) = (&mut self.sends, &mut self.receives);
        // Whoever sleeps at the other side watches this process from here on.
        if let Some(half) = sends.as_ref().filter(|half| !half.was_used()) {
            half.announce(me)?;
        }
        if let Some(half) = receives.as_ref().filter(|half| !half.was_used()) {
            half.announce(me)?;
        }
        let word = if receives.is_some() { of_whole(me) } else { me };
        if sends.as_mut().is_none_or(|half| half.claim(word, generation))
            && let Some(half) = receives
        {
            half.claim(me, generation);
        }
        Ok(())
    }
}

impl<S, R> fmt::Debug for ShmConnection<S, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ShmConnection")
            .field("segment", &self.mapped.segment().id())
            .field("side", &self.side)
            .field("sends", &self.sends.is_some())
            .field("receives", &self.receives.is_some())
            .finish_non_exhaustive()
    }
}
