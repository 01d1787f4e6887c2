//! A client, as the server has it: its connection, and what it has here.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use ipc_core::{Deadline, DeathWatch};
use ipc_pipe::{Connection, RecvError, SendError};

use super::sys::Interest;
use crate::protocol::{ObjectId, Reply};

/// A client.
pub(super) struct Guest {
    pub(super) connection: Connection<(), ()>,
    /// Whether it has said hello.
    pub(super) is_greeted: bool,
    /// Whether functions of its program may be run.
    pub(super) runs_functions: bool,
    /// How many references it has to each object.
    pub(super) refs: HashMap<ObjectId, u64>,
    /// Its calls that are parked, by the numbers of their tickets.
    pub(super) parked: BTreeSet<u64>,
    /// What it has sent and nobody has come for.
    pub(super) passages: HashSet<u64>,
    /// How many of its calls wait for their object or for a thread.
    pub(super) n_in_line: usize,
    /// A message of which some calls are still to be done.
    pub(super) inbox: Vec<u8>,
    /// So many of its bytes are done.
    pub(super) n_done: usize,
    /// Replies for the next message.
    replies: Vec<u8>,
    /// Messages that found no room yet.
    backlog: VecDeque<Vec<u8>>,
    n_backlog_bytes: usize,
    /// Whether it is among those to whom something may have to be sent.
    pub(super) has_news: bool,
    /// What is waited for at its connection.
    pub(super) interest: Interest,
    /// Sees the end of its process.
    pub(super) watch: Option<DeathWatch>,
}

/// What came of receiving.
pub(super) enum Received {
    Message,
    Nothing,
    /// The client is gone, or is none.
    End,
}

/// Messages of replies are not longer, but for single replies that are: so much goes through a socket, which
/// limits how much is on its way, and not beside it.
const MESSAGE_BYTES: usize = 30 << 10;

impl Guest {
    pub(super) fn new(connection: Connection<(), ()>) -> Self {
        Self {
            connection,
            is_greeted: false,
            runs_functions: false,
            refs: HashMap::new(),
            parked: BTreeSet::new(),
            passages: HashSet::new(),
            n_in_line: 0,
            inbox: Vec::new(),
            n_done: 0,
            replies: Vec::new(),
            backlog: VecDeque::new(),
            n_backlog_bytes: 0,
            has_news: false,
            interest: Interest::Read,
            watch: None,
        }
    }

    /// Receives a message into the inbox, if there is one; `room` is memory to do it with.
    pub(super) fn receive(&mut self, room: &mut [u8]) -> Received {
        self.n_done = 0;
        self.inbox.clear();
        match self.connection.recv_bytes_into_deadline(room, Deadline::now()) {
            Ok(len) => self.inbox.extend_from_slice(room.get(..len).unwrap_or_default()),
            Err(RecvError::TooShort { message }) => self.inbox = message,
            Err(error) if error.is_timed_out() => return Received::Nothing,
            Err(_) => return Received::End,
        }
        Received::Message
    }

    /// Whether all calls that came are done.
    pub(super) fn is_inbox_done(&self) -> bool {
        self.n_done >= self.inbox.len()
    }

    /// How many bytes wait to be sent.
    pub(super) fn n_waiting_bytes(&self) -> usize {
        self.n_backlog_bytes + self.replies.len()
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Adds a reply to the next message.
    pub(super) fn reply(&mut self, reply: &Reply<'_>) {
        let before = self.replies.len();
        reply.append_to(&mut self.replies);
        if self.replies.len() > MESSAGE_BYTES && before > 0 {
            let next = self.replies.split_off(before);
            self.seal();
            self.replies = next;
        }
    }

    fn seal(&mut self) {
        if !self.replies.is_empty() {
            let message = std::mem::take(&mut self.replies);
            self.n_backlog_bytes += message.len();
            self.backlog.push_back(message);
        }
    }

    /// Sends bytes as a message, before all replies.
    pub(super) fn say(&mut self, message: Vec<u8>) {
        self.n_backlog_bytes += message.len();
        self.backlog.push_back(message);
    }

    /// Sends what finds room; an error if the client is gone.
    pub(super) fn flush(&mut self) -> Result<(), SendError> {
        if self.backlog.is_empty() && !self.replies.is_empty() {
            // The usual case: all goes at once, and the memory is used again.
            match self.connection.send_bytes_deadline(&self.replies, Deadline::now()) {
                Ok(()) => {
                    self.replies.clear();
                    return Ok(());
                }
                Err(error) if error.is_timed_out() => {}
                Err(error) => return Err(error),
            }
        }
        self.seal();
        while let Some(message) = self.backlog.front() {
            match self.connection.send_bytes_deadline(message, Deadline::now()) {
                Ok(()) => {
                    self.n_backlog_bytes -= message.len();
                    drop(self.backlog.pop_front());
                }
                Err(error) if error.is_timed_out() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
