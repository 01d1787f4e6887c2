//! A carrier to a server on another machine: a session, which goes on through another connection when one
//! breaks.
//!
//! Whoever receives reads, writes what others have left, and connects anew. Others only write, and nudge who
//! receives if there is something left to be written.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::robust::Thread as Generation;
use rustix::event::{PollFd, PollFlags};

use super::carrier::Carrier;
use super::hello::understand;
use crate::carrier::{Received, Sent};
use crate::error::ConnectError;
use crate::protocol::{ClientHello, Resume, ServerHello, SessionId, VERSION};
use crate::remote::frame::Frame;
use crate::remote::{Door, Session, Stop, Wire, open, poll_until, pump, push_out};
use crate::server::Waker;

/// A carrier to a server on another machine.
pub(super) struct Remote {
    door: Door,
    address: SocketAddr,
    server: u64,
    session: SessionId,
    /// How long it is tried to connect anew.
    patience: Duration,
    /// Wakes who receives: there is something to be written.
    nudge: Waker,
    /// The process that it belongs to.
    generation: u64,
    /// Locked for steps that do not wait.
    state: Mutex<State>,
}

struct State {
    session: Session,
    wire: Option<Wire>,
    /// Until when it is tried to connect anew; while there is no wire.
    give_up: Deadline,
    is_over: bool,
    /// Memory to read with.
    room: Vec<u8>,
}

const ROOM_BYTES: usize = 64 << 10;

/// The pauses between attempts to connect anew.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl Remote {
    /// Connects for the first time; and what the server said.
    pub(super) fn open(
        door: &Door,
        address: SocketAddr,
        deadline: Deadline,
    ) -> Result<(Self, ServerHello), ConnectError> {
        let (wire, said) = open(door, address, &hello(None).to_bytes(), deadline)?;
        let theirs = understand(&said)?;
        let grace = Duration::from_millis(theirs.session.grace);
        let state = State {
            session: Session::default(),
            wire: Some(wire),
            give_up: Deadline::NEVER,
            is_over: false,
            room: vec![0; ROOM_BYTES],
        };
        let remote = Self {
            door: door.clone(),
            address,
            server: theirs.server,
            session: theirs.session.id,
            patience: door.patience.map_or(grace, |patience| patience.min(grace)),
            nudge: Waker::new()?,
            generation: Generation::current().generation(),
            state: Mutex::new(state),
        };
        Ok((remote, theirs))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A step has no code of others in it, so a panic cannot leave one half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects anew, before the deadline.
    fn reconnect(&self, deadline: Deadline) {
        let give_up = self.state().give_up;
        let mut pause = FIRST_PAUSE;
        while !give_up.is_past() && !deadline.is_past() {
            let attempt = Deadline::after(self.door.network_timeout).min(give_up).min(deadline);
            let n_received = self.state().session.n_received();
            let hello = hello(Some(Resume { session: self.session, n_received }));
            match open(&self.door, self.address, &hello.to_bytes(), attempt) {
                Ok((wire, said)) => {
                    let theirs = understand(&said).ok();
                    self.state().go_on(wire, theirs.filter(|theirs| self.is_it(theirs)));
                    return;
                }
                Err(error) if error.is_for_now() => {}
                Err(_) => break,
            }
            // Nothing is waited for but the time.
            let next = Deadline::after(pause).min(give_up).min(deadline);
            poll_until(&mut [], next).ok();
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if !deadline.is_past() || give_up.is_past() {
            self.state().is_over = true;
        }
    }

    /// Whether that is the server, and it has the session still.
    fn is_it(&self, theirs: &ServerHello) -> bool {
        theirs.server == self.server && theirs.session.id == self.session
    }
}

fn hello(resume: Option<Resume>) -> ClientHello {
    // Which process it is means nothing on another machine.
    ClientHello { version: VERSION, process: None, wants_lane: false, memory: None, resume }
}

impl State {
    /// Goes on through another connection, if the server has the session still.
    fn go_on(&mut self, wire: Wire, theirs: Option<ServerHello>) {
        let resumed =
            theirs.is_some_and(|theirs| self.session.resume(theirs.session.n_received).is_ok());
        self.is_over |= !resumed;
        self.wire = Some(wire).filter(|_| resumed);
    }

    fn lose(&mut self, patience: Duration) {
        self.wire = None;
        self.give_up = Deadline::after(patience);
        self.is_over |= patience.is_zero();
    }

    /// Writes and reads what there is.
    fn pump(&mut self, patience: Duration) {
        let Self { wire: Some(wire), session, room, .. } = self else { return };
        match pump(wire, session, usize::MAX, room) {
            Ok(()) => {}
            Err(Stop::Broken) => self.lose(patience),
            Err(Stop::Malformed) => self.is_over = true,
        }
    }
}

impl Carrier for Remote {
    fn send(&self, message: &[u8]) -> io::Result<Sent> {
        let mut state = self.state();
        if state.is_over {
            return Ok(Sent::Gone);
        }
        state.session.push(message.to_vec());
        let State { wire: Some(wire), session, .. } = &mut *state else { return Ok(Sent::Taken) };
        let is_broken = push_out(wire, session).is_err();
        if is_broken || wire.wants_write() {
            // Who receives does the rest: nobody here waits.
            self.nudge.wake();
        }
        if is_broken {
            state.lose(self.patience);
        }
        Ok(Sent::Taken)
    }

    fn receive(&self, deadline: Deadline, take: &mut dyn FnMut(&[u8])) -> Received {
        loop {
            let mut state = self.state();
            state.pump(self.patience);
            if let Some(message) = state.session.pop() {
                drop(state);
                take(&message);
                return Received::Message;
            }
            if state.is_over || state.session.is_over() {
                state.is_over = true;
                return Received::End;
            }
            let Some(wire) = &state.wire else {
                drop(state);
                if deadline.is_past() {
                    return Received::Nothing;
                }
                self.reconnect(deadline);
                continue;
            };
            let out = if wire.wants_write() { PollFlags::OUT } else { PollFlags::empty() };
            let stream = Arc::clone(wire.stream());
            drop(state);
            let mut files = [
                PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN | out),
                PollFd::from_borrowed_fd(self.nudge.as_fd(), PollFlags::IN),
            ];
            match poll_until(&mut files, deadline) {
                Ok(true) => self.nudge.reset(),
                Ok(false) => return Received::Nothing,
                Err(_) => return Received::End,
            }
        }
    }

    fn wait(&self) -> io::Result<()> {
        // There is room always.
        Ok(())
    }

    fn wait_for_room(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn is_closed(&self) -> bool {
        self.state().is_over
    }

    fn is_cut_off(&self) -> bool {
        let Some(stream) = self.state().wire.as_ref().map(|wire| Arc::clone(wire.stream())) else {
            return true;
        };
        let mut files = [PollFd::new(&stream, PollFlags::RDHUP)];
        poll_until(&mut files, Deadline::now()).unwrap_or(true)
    }

    fn never_sent(&self) -> Vec<Vec<u8>> {
        self.state().session.never_written().map(<[u8]>::to_vec).collect()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // What a forked child inherited is its parent's.
        if Generation::current().generation() != self.generation {
            return;
        }
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State { wire: Some(wire), session, is_over: false, .. } = state
            && push_out(wire, session).is_ok()
        {
            Frame::Goodbye.append_to(&mut wire.out);
            // If it does not get through, the server waits for a while.
            wire.write().ok();
        }
    }
}
