//! Who waits for which reply.

use std::collections::HashSet;
use std::thread::Thread;

use crate::client::Argument;
use crate::error::Error;
use crate::ids::IdMap;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::desk;
use crate::protocol::{Call, DESK, ObjectId, Reply};

/// The calls of a client that are under way.
#[derive(Default)]
pub(super) struct State {
    pub(super) last_id: u64,
    /// The calls whose replies nobody has taken yet.
    pub(super) calls: IdMap<Awaited>,
    /// How many tasks wait.
    #[cfg(feature = "tokio")]
    pub(super) n_tasks: usize,
    /// Whether there is a thread that reads for tasks.
    #[cfg(feature = "tokio")]
    pub(super) has_driver: bool,
    /// That thread, while another reads.
    #[cfg(feature = "tokio")]
    pub(super) driver: Option<Thread>,
    pub(super) is_read: bool,
    /// Threads that wait for room to send while another reads.
    pub(super) stuck: Vec<Thread>,
    pub(super) is_broken: bool,
    /// The calls of which the server has got nothing, when the connection is broken.
    pub(super) never_sent: HashSet<u64>,
    /// References that are given back with the next message: there was no room for a message of its own.
    pub(super) unsent: Vec<u8>,
}

/// A call whose reply nobody has taken yet: it is awaited, or has come.
pub(super) enum Awaited {
    By(Waiter),
    Arrived(Arrived),
}

/// Who waits for a reply.
#[derive(Clone)]
pub(super) enum Waiter {
    Thread(Thread),
    #[cfg(feature = "tokio")]
    Task(std::task::Waker),
    /// A task that has not asked yet.
    #[cfg(feature = "tokio")]
    Nobody,
}

impl Waiter {
    fn wake(&self) {
        match self {
            Self::Thread(thread) => thread.unpark(),
            #[cfg(feature = "tokio")]
            Self::Task(task) => task.wake_by_ref(),
            #[cfg(feature = "tokio")]
            Self::Nobody => {}
        }
    }
}

/// A reply.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) is_returned: bool,
    pub(super) links: Vec<ObjectId>,
    pub(super) bytes: Vec<u8>,
}

impl State {
    /// Takes the reply to a call, if it has come. Who asks is the thread that awaits it.
    pub(super) fn take(&mut self, id: u64) -> Option<Arrived> {
        match self.calls.get(&id)? {
            Awaited::By(_) => None,
            Awaited::Arrived(_) => match self.calls.remove(&id)? {
                Awaited::Arrived(arrived) => Some(arrived),
                Awaited::By(_) => None,
            },
        }
    }

    /// Puts the replies of a message where they are waited for; `false` if it is none.
    pub(super) fn deposit(&mut self, message: &[u8]) -> bool {
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
            if let Awaited::By(waiter) = std::mem::replace(awaited, Awaited::Arrived(arrived)) {
                waiter.wake();
            }
        }
        true
    }

    /// Wakes one of those who wait, to be the one who reads.
    pub(super) fn wake_another(&self) {
        let mut awaited = self.calls.values();
        let waiting = awaited.find_map(|awaited| match awaited {
            Awaited::By(Waiter::Thread(thread)) => Some(thread),
            _ => None,
        });
        #[cfg(feature = "tokio")]
        let waiting = waiting.or(self.driver.as_ref());
        waiting.into_iter().for_each(Thread::unpark);
    }

    /// What became of a call when the connection is broken.
    pub(super) fn outcome_of(&self, id: u64) -> Error {
        if self.never_sent.contains(&id) { Error::Disconnected } else { Error::Lost }
    }

    /// Notes which calls are in messages of which the server has got nothing.
    pub(super) fn note_never_sent(&mut self, messages: &[Vec<u8>]) {
        for message in messages {
            let mut reader = Reader::new(message);
            while let Ok(call) = Call::read(&mut reader) {
                self.never_sent.insert(call.id);
            }
        }
    }

    pub(super) fn break_off(&mut self) {
        self.is_broken = true;
        for awaited in self.calls.values() {
            if let Awaited::By(waiter) = awaited {
                waiter.wake();
            }
        }
        #[cfg(feature = "tokio")]
        self.driver.iter().for_each(Thread::unpark);
    }
}

/// Appends a call that gets no reply.
pub(super) fn append(object: ObjectId, method: u64, argument: &Argument, message: &mut Vec<u8>) {
    let (id, links) = (0, Vec::new());
    Call { id, object, method, links, argument: &argument.bytes }.append_to(message);
}
