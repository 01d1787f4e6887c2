//! A client, as the server has it: its carrier, and what it has here.

use std::collections::{BTreeSet, HashSet, VecDeque};

use ipc_core::{Deadline, DeathWatch};

use super::carrier::Carrier;
use super::sys::Interest;
use crate::carrier::{Received, Sent};
use crate::ids::IdMap;
use crate::protocol::{Reply, SessionId};

/// A client.
pub(super) struct Guest {
    pub(super) carrier: Box<dyn Carrier>,
    /// Whether it has said hello.
    pub(super) is_greeted: bool,
    /// Whether functions of its program may be run.
    pub(super) runs_functions: bool,
    /// How many references it has to each object.
    pub(super) refs: IdMap<u64>,
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
    /// What is waited for at its carrier.
    pub(super) interest: Interest,
    /// Whether it is among those who are looked at.
    pub(super) is_looked_at: bool,
    /// How many bytes objects keep on its account.
    pub(super) n_kept_bytes: i64,
    /// Sees the end of its process.
    pub(super) watch: Option<DeathWatch>,
    /// After the end of its process: how many turns it has left, for what it had sent.
    pub(super) last_turns: Option<u32>,
    /// What its session is known by.
    pub(super) session: Option<SessionId>,
    /// When it is gone for good, while its connection is broken.
    pub(super) away: Option<(Deadline, u64)>,
}

/// Messages of replies are not longer, but for single replies that are: so much goes through a socket, which
/// limits how much is on its way, and not beside it.
const MESSAGE_BYTES: usize = 30 << 10;

impl Guest {
    pub(super) fn new(carrier: Box<dyn Carrier>) -> Self {
        Self {
            carrier,
            is_greeted: false,
            runs_functions: false,
            refs: IdMap::default(),
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
            is_looked_at: false,
            n_kept_bytes: 0,
            watch: None,
            last_turns: None,
            session: None,
            away: None,
        }
    }

    /// Receives a message into the inbox, if there is one; `room` is memory to do it with.
    pub(super) fn receive(&mut self, room: &mut [u8]) -> Received {
        self.n_done = 0;
        self.inbox.clear();
        self.carrier.receive(&mut self.inbox, room)
    }

    /// Whether all calls that came are done.
    pub(super) fn is_inbox_done(&self) -> bool {
        self.n_done >= self.inbox.len()
    }

    /// Whether there is something to do for it of which its carrier's file says nothing.
    pub(super) fn is_unfinished(&self) -> bool {
        let is_anything = !self.is_inbox_done() || self.carrier.has_more();
        (is_anything && !self.has_backlog()) || self.last_turns.is_some()
    }

    /// How many bytes wait to be sent.
    pub(super) fn n_waiting_bytes(&self) -> usize {
        self.n_backlog_bytes + self.replies.len() + self.carrier.n_unsent()
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty() || self.carrier.n_unsent() > 0
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

    /// Sends what finds room; `false` if the client is gone.
    pub(super) fn flush(&mut self) -> bool {
        match self.carrier.flush() {
            Sent::Taken => {}
            Sent::NoRoom => {
                self.seal();
                return true;
            }
            Sent::Gone => return false,
        }
        if self.backlog.is_empty() && !self.replies.is_empty() {
            // The usual case: all goes at once, and the memory is used again.
            match self.carrier.send(&self.replies) {
                Sent::Taken => {
                    self.replies.clear();
                    return true;
                }
                Sent::NoRoom => {}
                Sent::Gone => return false,
            }
        }
        self.seal();
        while let Some(message) = self.backlog.front() {
            match self.carrier.send(message) {
                Sent::Taken => {
                    self.n_backlog_bytes -= message.len();
                    drop(self.backlog.pop_front());
                }
                Sent::NoRoom => break,
                Sent::Gone => return false,
            }
        }
        true
    }
}
