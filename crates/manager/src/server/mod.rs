//! The server: one thread that does what clients ask for, and some that run foreign code.
//!
//! It waits for all its connections at once and never for one of them. What a client sends is done in the
//! order in which it came; replies that find no room wait (`guest`), and a client for which too much
//! waits is not heard until it has read some of it. Objects never wait either (see [`object`]); so nobody
//! holds up anybody.
//!
//! A client's end is the end of its connection, or of its process, whichever is seen first: a child that
//! it forked may have its socket still. Then its references are given up, its calls are dropped, and each
//! object it had a reference to forgets it, which frees what it held. Whoever has no reference to an
//! object cannot have anything of it, so nothing is left out.

mod bell;
mod calls;
mod carrier;
mod descriptors;
mod entrance;
mod front;
mod guest;
mod home;
mod local;
mod looks;
mod registry;
mod remote;
mod sessions;
mod sys;
mod timers;
mod visits;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::primitive::{AtomicU32, Spin};
use ipc_pipe::Address;
#[cfg(feature = "pool")]
use proc_core::Function;
use serde::{Deserialize, Serialize};

use crate::carrier::courtesy::Courtesy;
use crate::ids::IdMap;
#[cfg(feature = "pool")]
use crate::object::pool::PoolMaker;
use crate::object::user::{Maker, Types};
use crate::object::{Answers, ClientId, Kind, Ticket};
use crate::protocol::{ObjectId, SessionId};
use crate::remote::Door;
use crate::stats::Counts;
pub(crate) use bell::Bell;
use bell::Board;
use descriptors::Descriptors;
pub(crate) use entrance::Entrance;
use guest::Guest;
pub(crate) use home::Home;
use looks::Pace;
use registry::Registry;
use sys::{Interest, Many};
pub(crate) use sys::{Waker, random};
use timers::Timer;
use work::{Task, Workers};

/// What a server is told before it begins.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// How long a message may be.
    pub(crate) max_bytes: usize,
    pub(crate) max_clients: usize,
    /// How many clients may have a lane.
    pub(crate) max_lanes: usize,
    /// How many calls of one client may wait.
    pub(crate) max_waiting: usize,
    /// How many bytes may wait to be sent to a client before it is not heard any more; at four times
    /// that it is shown out.
    pub(crate) max_backlog: usize,
    /// How many bytes objects may keep.
    pub(crate) max_kept: u64,
    /// How many bytes they may keep of one client's.
    pub(crate) max_kept_for_client: u64,
    /// How many threads run foreign code.
    pub(crate) workers: usize,
    /// How many workers pools may have, all together.
    pub(crate) max_pool_workers: usize,
    /// How long a passage is kept whose sender is gone.
    pub(crate) passage_timeout: Duration,
    /// How long somebody may take to say hello.
    pub(crate) hello_timeout: Duration,
    /// How long a session is kept whose connection is broken.
    pub(crate) reconnect_grace: Duration,
}

/// What is made in a server beside what every server has.
#[derive(Debug)]
pub(crate) struct Things<'p> {
    pub(crate) types: &'p Types,
    /// Functions that pools run also for remote clients, by their names.
    #[cfg(feature = "pool")]
    pub(crate) tasks: Vec<(String, Function)>,
    /// Who gets in: workers of pools do.
    #[cfg(feature = "pool")]
    pub(crate) site: &'p crate::host::Site,
}

/// Ends a server, from another thread.
#[derive(Clone, Debug)]
pub(crate) struct Stopper(Arc<Stop>);

#[derive(Debug)]
struct Stop {
    waker: Arc<Waker>,
    is_asked: std::sync::Mutex<bool>,
}

/// A server.
pub(crate) struct Server {
    id: u64,
    many: Many,
    entrance: Entrance,
    waker: Arc<Waker>,
    stop: Stopper,
    /// When its other end is closed, the server ends.
    _lifeline: Option<OwnedFd>,
    descriptors: Descriptors,
    rules: Rules,
    guests: IdMap<Guest>,
    last_client: ClientId,
    /// Whose the sessions are.
    sessions: HashMap<SessionId, ClientId>,
    registry: Registry,
    makers: HashMap<&'static str, Arc<dyn Maker>>,
    #[cfg(feature = "pool")]
    pools: Arc<dyn Maker>,
    /// Where objects ring.
    board: Arc<Board>,
    workers: Workers,
    /// The calls that wait, by the numbers of their tickets.
    parked: IdMap<Parked>,
    last_ticket: u64,
    timers: BTreeMap<(Deadline, u64), Timer>,
    last_timer: u64,
    /// Those to whom something may have to be sent.
    to_flush: Vec<ClientId>,
    /// Those whose last message is not done yet: others have their turn first.
    unfinished: Vec<ClientId>,
    /// Those from whom something may come of which their files say nothing.
    looked_at: Vec<ClientId>,
    /// The looks that were in vain since the last that was not, and how many.
    spin: Option<(Spin, u32)>,
    /// Whether it has paid to look.
    spin_note: AtomicU32,
    courtesy: Courtesy,
    pace: Pace,
    /// How many processors this process may use.
    n_processors: usize,
    /// How many clients have a lane.
    n_lanes: usize,
    counts: Counts,
    /// What objects keep, but for what was not taken from the balance of this thread yet.
    n_kept_bytes: i64,
    /// Memory to receive with.
    room: Vec<u8>,
}

/// A call that waits.
struct Parked {
    ticket: Ticket,
    object: ObjectId,
    timer: Option<(Deadline, u64)>,
}

const LISTENER: u64 = 0;
const WAKER: u64 = 1;
const LIFELINE: u64 = 2;

/// The descriptors of a client are called by two numbers.
const FIRST_CLIENT: ClientId = 2;

/// Most messages are shorter.
const ROOM_BYTES: usize = 64 << 10;

impl Stopper {
    /// Has the server end soon.
    pub(crate) fn stop(&self) {
        *self.0.is_asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
        self.0.waker.wake();
    }

    fn is_asked(&self) -> bool {
        *self.0.is_asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Server {
    pub(crate) fn new(
        entrance: Entrance,
        door: Door,
        things: Things<'_>,
        rules: Rules,
        lifeline: Option<OwnedFd>,
    ) -> io::Result<Self> {
        let many = Many::new()?;
        let waker = Arc::new(Waker::new()?);
        many.add(&entrance, LISTENER, Interest::Read)?;
        many.add(&*waker, WAKER, Interest::Read)?;
        if let Some(lifeline) = &lifeline {
            many.add(lifeline, LIFELINE, Interest::Read)?;
        }
        let id = random()?;
        #[cfg(feature = "pool")]
        let pools = {
            let (site, tasks) = (things.site, things.tasks);
            PoolMaker::new(id, &door.address, site, tasks, rules.max_pool_workers)
        };
        let home = Home::new(id, door);
        let stop = Stop { waker: Arc::clone(&waker), is_asked: false.into() };
        Ok(Self {
            id,
            many,
            entrance,
            stop: Stopper(Arc::new(stop)),
            // Who has a lifeline has a process of its own.
            descriptors: Descriptors::new(lifeline.is_some()),
            _lifeline: lifeline,
            rules,
            guests: IdMap::default(),
            last_client: FIRST_CLIENT,
            sessions: HashMap::new(),
            registry: Registry::default(),
            makers: things.types.makers(&home),
            #[cfg(feature = "pool")]
            pools: Arc::new(pools),
            board: Arc::new(Board::new(Arc::clone(&waker))),
            workers: Workers::new(rules.workers, Arc::clone(&waker)),
            waker,
            parked: IdMap::default(),
            last_ticket: 0,
            timers: BTreeMap::new(),
            last_timer: 0,
            to_flush: Vec::new(),
            unfinished: Vec::new(),
            looked_at: Vec::new(),
            spin: None,
            spin_note: AtomicU32::new(0),
            courtesy: Courtesy::default(),
            pace: Pace::new(),
            n_processors: sys::n_processors(),
            n_lanes: 0,
            counts: Counts::default(),
            n_kept_bytes: 0,
            room: vec![0; ROOM_BYTES],
        })
    }

    /// Where it can be connected to.
    pub(crate) fn address(&self) -> &Address {
        self.entrance.address()
    }

    /// Who can end it.
    pub(crate) fn stopper(&self) -> Stopper {
        self.stop.clone()
    }

    /// Serves until it is stopped.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while !self.stop.is_asked() {
            let next = match self.timers.first_key_value() {
                _ if !self.unfinished.is_empty() || !self.looked_at.is_empty() => Deadline::now(),
                Some(((next, _), _)) => *next,
                None => Deadline::NEVER,
            };
            for name in self.many.wait(next)? {
                match name {
                    LISTENER => self.admit(),
                    WAKER => {
                        self.take_finished();
                        self.answer_bells();
                    }
                    LIFELINE => self.stop.stop(),
                    name if name % 2 == 0 => self.hear(name / 2),
                    name => self.see_death(name / 2),
                }
            }
            for id in std::mem::take(&mut self.unfinished) {
                self.serve(id);
            }
            self.ring();
            self.empty_bin();
            self.flush();
            self.look_around();
        }
        self.guests.values_mut().for_each(|guest| guest.carrier.say_goodbye());
        Ok(())
    }

    /// Has an object forget a client.
    fn have_forgotten(&mut self, object: ObjectId, client: ClientId) {
        let Some(slot) = self.registry.slots.get_mut(&object) else { return };
        let mut answers = Answers::default();
        match &mut slot.object {
            Some(object) => object.forget(client, &mut answers),
            None => slot.to_forget.push(client),
        }
        self.answer_all(&mut answers);
    }

    /// Takes references away from an object, and ends it if these were the last.
    fn unrefer(&mut self, object: ObjectId, count: u64) {
        let ended = self.registry.unrefer(object, count);
        self.bury(ended);
    }

    /// Drops objects, where foreign code runs if that is some.
    fn bury(&self, objects: impl IntoIterator<Item = Box<dyn Kind>>) {
        for object in objects {
            if object.is_foreign() {
                self.workers.give(Task::Bury(object));
            }
        }
    }

    fn empty_bin(&mut self) {
        let foreign = self.registry.empty_bin();
        self.bury(foreign);
    }
}
