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

mod calls;
mod front;
mod guest;
mod home;
mod registry;
mod sys;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{Deadline, DeathWatch};
use ipc_pipe::{AcceptError, Key, Listener};
use serde::{Deserialize, Serialize};

use crate::object::user::{Maker, Types};
use crate::object::{Answers, ClientId, Kind, Ticket};
use crate::protocol::{ClientHello, ObjectId, ServerHello, VERSION};
use crate::stats::Counts;
use guest::{Guest, Received};
pub(crate) use home::Home;
use registry::Registry;
pub(crate) use sys::random;
use sys::{Interest, Many, Waker};
use work::{Task, Workers};

/// What a server is told before it begins.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// How long a message may be.
    pub(crate) max_bytes: usize,
    pub(crate) max_clients: usize,
    /// How many calls of one client may wait.
    pub(crate) max_waiting: usize,
    /// How many bytes may wait to be sent to a client before it is not heard any more; at four times
    /// that it is shown out.
    pub(crate) max_backlog: usize,
    /// How many threads run foreign code.
    pub(crate) workers: usize,
    /// How long a passage is kept whose sender is gone.
    pub(crate) passage_timeout: Duration,
    /// How long somebody may take to say hello.
    pub(crate) hello_timeout: Duration,
    /// Whether all clients are processes of this user, as the kernel says.
    pub(crate) are_clients_ours: bool,
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
    listener: Listener,
    waker: Arc<Waker>,
    stop: Stopper,
    /// When its other end is closed, the server ends.
    _lifeline: Option<OwnedFd>,
    rules: Rules,
    guests: HashMap<ClientId, Guest>,
    last_client: ClientId,
    registry: Registry,
    makers: HashMap<&'static str, Arc<dyn Maker>>,
    workers: Workers,
    /// The calls that wait, by the numbers of their tickets.
    parked: HashMap<u64, Parked>,
    last_ticket: u64,
    timers: BTreeMap<(Deadline, u64), Timer>,
    last_timer: u64,
    /// Those to whom something may have to be sent.
    to_flush: Vec<ClientId>,
    /// Those whose last message is not done yet: others have their turn first.
    unfinished: Vec<ClientId>,
    counts: Counts,
    /// Memory to receive with.
    room: Vec<u8>,
}

/// A call that waits.
struct Parked {
    ticket: Ticket,
    object: ObjectId,
    timer: Option<(Deadline, u64)>,
}

/// What a time is up for.
#[derive(Clone, Copy, Debug)]
enum Timer {
    /// A call that is parked.
    Call(u64),
    Passage(u64),
    Hello(ClientId),
    /// To let clients in again.
    Accept,
}

const LISTENER: u64 = 0;
const WAKER: u64 = 1;
const LIFELINE: u64 = 2;

/// The descriptors of a client are called by two numbers.
const FIRST_CLIENT: ClientId = 2;

/// When there are no descriptors for clients, it is tried again after so long.
const NEXT_ACCEPT: Duration = Duration::from_millis(100);

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
        listener: Listener,
        key: Option<Key>,
        types: &Types,
        rules: Rules,
        lifeline: Option<OwnedFd>,
    ) -> io::Result<Self> {
        let many = Many::new()?;
        let waker = Arc::new(Waker::new()?);
        many.add(&listener, LISTENER, Interest::Read)?;
        many.add(&*waker, WAKER, Interest::Read)?;
        if let Some(lifeline) = &lifeline {
            many.add(lifeline, LIFELINE, Interest::Read)?;
        }
        let id = random()?;
        let home = Home::new(id, listener.address().clone(), key);
        let stop = Stop { waker: Arc::clone(&waker), is_asked: false.into() };
        Ok(Self {
            id,
            many,
            listener,
            stop: Stopper(Arc::new(stop)),
            _lifeline: lifeline,
            rules,
            guests: HashMap::new(),
            last_client: FIRST_CLIENT,
            registry: Registry::default(),
            makers: types.makers(&home),
            workers: Workers::new(rules.workers, Arc::clone(&waker)),
            waker,
            parked: HashMap::new(),
            last_ticket: 0,
            timers: BTreeMap::new(),
            last_timer: 0,
            to_flush: Vec::new(),
            unfinished: Vec::new(),
            counts: Counts::default(),
            room: vec![0; ROOM_BYTES],
        })
    }

    /// Who can end it.
    pub(crate) fn stopper(&self) -> Stopper {
        self.stop.clone()
    }

    /// Serves until it is stopped.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while !self.stop.is_asked() {
            let next = match self.timers.first_key_value() {
                _ if !self.unfinished.is_empty() => Deadline::now(),
                Some(((next, _), _)) => *next,
                None => Deadline::NEVER,
            };
            for name in self.many.wait(next)? {
                match name {
                    LISTENER => self.admit(),
                    WAKER => self.take_finished(),
                    LIFELINE => self.stop.stop(),
                    name if name % 2 == 0 => self.serve(name / 2),
                    name => self.show_out(name / 2),
                }
            }
            for id in std::mem::take(&mut self.unfinished) {
                self.serve(id);
            }
            self.ring();
            self.empty_bin();
            self.flush();
        }
        Ok(())
    }

    /// Lets those in who have proved who they are.
    fn admit(&mut self) {
        loop {
            let connection = match self.listener.try_accept::<(), ()>() {
                Ok(connection) => connection,
                Err(AcceptError::Io(_)) => {
                    // There are no descriptors now. Those who want in wait, and it is tried again.
                    self.many.change(&self.listener, LISTENER, Interest::Nothing).ok();
                    self.set_timer(Deadline::after(NEXT_ACCEPT), Timer::Accept);
                    return;
                }
                Err(_) => return,
            };
            if self.guests.len() >= self.rules.max_clients {
                self.counts.refused += 1;
                continue;
            }
            let limits = ipc_core::wire::Limits { max_bytes: self.rules.max_bytes, max_handles: 0 };
            let guest = Guest::new(connection.with_limits(limits));
            self.last_client += 1;
            let id = self.last_client;
            if self.many.add(&guest.connection, 2 * id, Interest::Read).is_ok() {
                self.guests.insert(id, guest);
                self.set_timer(Deadline::after(self.rules.hello_timeout), Timer::Hello(id));
            }
        }
    }

    /// Gives a client its turn.
    fn serve(&mut self, id: ClientId) {
        if self.take_turn(id) {
            self.has_news(id);
        } else {
            self.show_out(id);
        }
    }

    /// Does one message of a client, or a part of it: if there are more, the kernel says so again. `false`
    /// if it is gone, or to be shown out.
    fn take_turn(&mut self, id: ClientId) -> bool {
        let Some(guest) = self.guests.get_mut(&id) else { return true };
        if guest.has_backlog() && guest.flush().is_err() {
            return false;
        }
        if guest.n_waiting_bytes() > self.rules.max_backlog {
            return true;
        }
        if guest.is_inbox_done() {
            match guest.receive(&mut self.room) {
                Received::Message => {}
                Received::Nothing => return true,
                Received::End => return false,
            }
        }
        if guest.is_greeted { self.do_calls(id) } else { self.greet(id) }
    }

    /// Notes that something may have to be sent to a client.
    fn has_news(&mut self, id: ClientId) {
        if let Some(guest) = self.guests.get_mut(&id)
            && !std::mem::replace(&mut guest.has_news, true)
        {
            self.to_flush.push(id);
        }
    }

    /// Hears a hello, and says one; `false` if that was none that lets somebody in.
    fn greet(&mut self, id: ClientId) -> bool {
        let Some(guest) = self.guests.get_mut(&id) else { return false };
        guest.n_done = guest.inbox.len();
        let Ok(theirs) = ClientHello::parse(&guest.inbox) else {
            self.counts.refused += 1;
            return false;
        };
        let max_bytes = self.rules.max_bytes as u64;
        let runs_functions = self.rules.are_clients_ours;
        let ours = ServerHello { version: VERSION, server: self.id, max_bytes, runs_functions };
        guest.say(ours.to_bytes());
        if theirs.version != VERSION {
            // It is told which version this is, and shown out.
            guest.flush().ok();
            self.counts.refused += 1;
            return false;
        }
        guest.is_greeted = true;
        guest.runs_functions = runs_functions;
        // The kernel says who it is; it adds since when.
        let peer = guest.connection.peer().ok().flatten().and_then(|peer| peer.pid);
        if let Some(process) = theirs.process.filter(|process| Some(process.pid()) == peer) {
            match DeathWatch::open(process) {
                Ok(Some(watch)) => {
                    if self.many.add(&watch, 2 * id + 1, Interest::Read).is_ok() {
                        guest.watch = Some(watch);
                    }
                }
                Ok(None) => return false,
                // There is no descriptor for it; the end of the connection has to do.
                Err(_) => {}
            }
        }
        true
    }

    /// Ends what a client has here.
    fn show_out(&mut self, id: ClientId) {
        let Some(guest) = self.guests.remove(&id) else { return };
        self.many.remove(&guest.connection).ok();
        if let Some(watch) = &guest.watch {
            self.many.remove(watch).ok();
        }
        for number in &guest.parked {
            if let Some(Parked { timer: Some(timer), .. }) = self.parked.remove(number) {
                self.timers.remove(&timer);
            }
        }
        self.time_passages(guest.passages.iter().copied());
        for (object, count) in &guest.refs {
            self.have_forgotten(*object, id);
            self.unrefer(*object, *count);
        }
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

    fn set_timer(&mut self, deadline: Deadline, timer: Timer) -> Option<(Deadline, u64)> {
        if deadline.is_never() {
            return None;
        }
        self.last_timer += 1;
        let name = (deadline, self.last_timer);
        self.timers.insert(name, timer);
        Some(name)
    }

    /// Does what it is time for.
    fn ring(&mut self) {
        while let Some(first) = self.timers.first_entry() {
            if !first.key().0.is_past() {
                break;
            }
            match first.remove() {
                Timer::Call(number) => self.give_up(number),
                Timer::Passage(passage) => {
                    let ended = self.end_passage(passage);
                    ended.into_iter().for_each(|passage| self.unrefer(passage.object, 1));
                }
                Timer::Accept => {
                    self.many.change(&self.listener, LISTENER, Interest::Read).ok();
                }
                Timer::Hello(client) => {
                    if self.guests.get(&client).is_some_and(|guest| !guest.is_greeted) {
                        self.counts.refused += 1;
                        self.show_out(client);
                    }
                }
            }
        }
    }

    /// Sends what there is for clients, and hears those again for whom there is room.
    fn flush(&mut self) {
        while let Some(id) = self.to_flush.pop() {
            let Some(guest) = self.guests.get_mut(&id) else { continue };
            guest.has_news = false;
            let is_gone = guest.flush().is_err();
            if is_gone || guest.n_waiting_bytes() > self.rules.max_backlog.saturating_mul(4) {
                self.counts.refused += u64::from(!is_gone);
                self.show_out(id);
                continue;
            }
            let interest = if guest.has_backlog() { Interest::Write } else { Interest::Read };
            if !guest.has_backlog() && !guest.is_inbox_done() {
                self.unfinished.push(id);
            }
            if interest != guest.interest {
                guest.interest = interest;
                if self.many.change(&guest.connection, 2 * id, interest).is_err() {
                    self.show_out(id);
                }
            }
        }
    }
}
