//! Lanes: messages through memory, beside the socket that the memory came by.
//!
//! The socket has three things left to do. A message without bytes is a *call*: the lane has changed, and
//! the other side had said that it is about to sleep. A message that is too long for the lane goes
//! through the socket, and a mark in the lane says when it is its turn. And the end of the socket is the
//! end of the other side.
//!
//! Who sends such a message sends its mark before the next one; so if two have come there is a mark to be
//! seen, and who sends a second without it is none of ours. More than two are never kept.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use ipc_core::{Deadline, Segment};
use ipc_pipe::Connection;
use ipc_pipe::lane::{self, Lane, Message, Partner, Refused};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::courtesy::Courtesy;
use super::{Received, Sent, send_now};

/// What a server sends after its hello to who asked for a lane.
pub(crate) type Offer = Option<Segment>;

/// How many packets are received at a time.
const AT_ONCE: usize = 64;

/// A socket has no room for more packets than that.
const MOST_CALLS: usize = 1024;

/// What one side sends by.
#[derive(Debug)]
pub(crate) struct Mouth {
    writer: lane::Writer,
    /// For how many bytes there was no room; zero for a mark.
    wanted: usize,
    /// Whether the last message found no room in the socket.
    pub(crate) is_socket_full: bool,
}

/// What one side receives by.
#[derive(Debug)]
pub(crate) struct Ear {
    reader: lane::Reader,
    heard: Heard,
    courtesy: Courtesy,
}

/// What came through the socket.
#[derive(Debug, Default)]
struct Heard {
    /// Messages that have not had their turn.
    elsewhere: VecDeque<Vec<u8>>,
    is_over: bool,
}

/// Both, apart.
pub(crate) fn split(lane: Lane) -> (Mouth, Ear) {
    let Lane { writer, reader } = lane;
    let mouth = Mouth { writer, wanted: 0, is_socket_full: false };
    let ear = Ear { reader, heard: Heard::default(), courtesy: Courtesy::default() };
    (mouth, ear)
}

impl Mouth {
    /// Sends a message, if there is room for it.
    pub(crate) fn send<S: Serialize, R>(
        &mut self,
        socket: &Connection<S, R>,
        message: &[u8],
    ) -> io::Result<Sent> {
        let other = Awake::new(socket);
        self.is_socket_full = false;
        let sent = if message.len() <= lane::LONGEST {
            self.wanted = message.len();
            self.writer.try_put(&other, message)
        } else {
            self.wanted = 0;
            match self.writer.has_room(0) {
                Ok(true) => match send_now(socket, message)? {
                    Sent::Taken => self.writer.try_mark(&other),
                    sent => {
                        self.is_socket_full = sent == Sent::NoRoom;
                        return Ok(sent);
                    }
                },
                no_room => no_room,
            }
        };
        Ok(match sent {
            Ok(true) => Sent::Taken,
            Ok(false) => Sent::NoRoom,
            Err(_) => Sent::Gone,
        })
    }

    /// Whether there is room now for what there was none for; if not, the other side calls when there is.
    pub(crate) fn look_for_room<S: Serialize, R>(&mut self, socket: &Connection<S, R>) -> bool {
        let mut other = Awake::new(socket);
        // What is wrong is found out by who sends.
        !self.is_socket_full
            && (self.writer.announce(&mut other, self.wanted) != Ok(false) || other.may_miss_us)
    }
}

impl Ear {
    /// Whether there is something to receive, or the end.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        self.heard.is_over || self.reader.has_message() != Ok(false)
    }

    /// Whether there is something to receive, or the end; if not, the other side calls when there is.
    pub(crate) fn rest<S: Serialize, R>(&self, socket: &Connection<S, R>) -> bool {
        let mut other = Awake::new(socket);
        self.heard.is_over || self.reader.announce(&mut other) != Ok(false) || other.may_miss_us
    }

    /// Receives a message, if there is one in the lane.
    pub(crate) fn receive<S: Serialize, R: DeserializeOwned>(
        &mut self,
        socket: &Connection<S, R>,
        inbox: &mut Vec<u8>,
    ) -> Received {
        let Self { reader, heard, .. } = self;
        match reader.take(&Awake::new(socket), inbox) {
            Ok(Some(Message::Here)) => Received::Message,
            Ok(Some(Message::Elsewhere)) => {
                // It was sent before its mark was; only calls may have been sent before it.
                let mut calls = 0..MOST_CALLS;
                while heard.elsewhere.is_empty()
                    && calls.next().is_some()
                    && heard.listen(socket, reader, Deadline::now())
                {}
                heard.elsewhere.pop_front().map_or(Received::End, |message| {
                    *inbox = message;
                    Received::Message
                })
            }
            Ok(None) if !heard.is_over => Received::Nothing,
            _ => Received::End,
        }
    }

    /// Takes note of what has come through the socket: of so much at a time that nobody is kept busy by it.
    pub(crate) fn listen<S, R: DeserializeOwned>(&mut self, socket: &Connection<S, R>) {
        let Self { reader, heard, .. } = self;
        let listened = (0..AT_ONCE).find(|_| !heard.listen(socket, reader, Deadline::now()));
        if listened.is_some() && heard.elsewhere.len() > 1 {
            // Nothing is received as long as these wait, not the end either; and a mark must be there.
            let is_unmarked = reader.has_message() == Ok(false);
            heard.is_over |= is_unmarked || socket.closed().unwrap_or(true);
        }
    }

    /// Whether the other side is gone, or none of ours. There may be something to receive.
    pub(crate) fn is_over(&self) -> bool {
        self.heard.is_over
    }

    /// Waits until there is something to receive, or the end; or, for a shorter time, until the deadline
    /// or a call.
    pub(crate) fn wait<S: Serialize, R: DeserializeOwned>(
        &mut self,
        socket: &Connection<S, R>,
        deadline: Deadline,
    ) {
        let Self { reader, heard, courtesy } = self;
        // What cannot be is found out by who receives.
        if courtesy.looks(|| reader.has_message() != Ok(false)) {
            return;
        }
        // The server may need the processor for the reply.
        courtesy.offer();
        let mut other = Sleeper { other: Awake::new(socket), reader, heard };
        let waited = reader.wait(&mut other, deadline);
        if matches!(waited, Err(Refused::Corrupt)) {
            self.heard.is_over = true;
        }
    }
}

impl Heard {
    /// Listens to the socket until the deadline; whether something came, and there may be more.
    fn listen<S, R: DeserializeOwned>(
        &mut self,
        socket: &Connection<S, R>,
        reader: &lane::Reader,
        deadline: Deadline,
    ) -> bool {
        if self.is_over || self.elsewhere.len() > 1 {
            return false;
        }
        match socket.recv_bytes_deadline(usize::MAX, deadline) {
            Ok(message) if message.is_empty() => {}
            Ok(message) => {
                self.is_over = !self.elsewhere.is_empty() && reader.has_message() != Ok(true);
                self.elsewhere.push_back(message);
            }
            Err(error) if error.is_timed_out() => return false,
            Err(_) => self.is_over = true,
        }
        !self.is_over
    }
}

/// The other side, for who does not sleep.
struct Awake<'s, S, R> {
    socket: &'s Connection<S, R>,
    /// Whether it may not call who says that it is about to sleep: then there may be something always, and
    /// a server looks for it all the time. That is so only where fences were granted as the lane was made.
    may_miss_us: bool,
}

/// The other side, for who sleeps once at most.
struct Sleeper<'s, S, R> {
    other: Awake<'s, S, R>,
    reader: &'s lane::Reader,
    heard: &'s mut Heard,
}

/// So long sleeps who may not be called.
const NEXT_LOOK: Duration = Duration::from_millis(10);

impl<'s, S, R> Awake<'s, S, R> {
    fn new(socket: &'s Connection<S, R>) -> Self {
        Self { socket, may_miss_us: false }
    }
}

impl<S: Serialize, R> Partner for Awake<'_, S, R> {
    fn call(&self) {
        // If there is no room, there is something to hear; if nobody is there, nobody sleeps.
        self.socket.send_bytes_deadline(&[], Deadline::now()).ok();
    }

    fn sleep(&mut self, _: Deadline) -> bool {
        false
    }

    fn is_gone(&mut self) -> bool {
        false
    }

    fn may_miss_sleepers(&mut self) {
        self.may_miss_us = true;
    }
}

impl<S: Serialize, R: DeserializeOwned> Partner for Sleeper<'_, S, R> {
    fn call(&self) {
        self.other.call();
    }

    fn sleep(&mut self, deadline: Deadline) -> bool {
        let may_miss_us = self.other.may_miss_us;
        let next_look = if may_miss_us { Deadline::after(NEXT_LOOK) } else { Deadline::NEVER };
        self.heard.listen(self.other.socket, self.reader, deadline.min(next_look));
        // It may have been a call to who waits for room.
        false
    }

    fn is_gone(&mut self) -> bool {
        self.heard.is_over
    }

    fn may_miss_sleepers(&mut self) {
        self.other.may_miss_sleepers();
    }
}
