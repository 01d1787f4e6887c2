//! Copies of the fork server: asked for, heard of, and kept until there is something to do.
//!
//! A request is one message on the server's channel. It carries the copy's end of the channel between
//! the copy and us; so every answer comes over a channel of its own, threads need not wait for each
//! other, and if the server dies each of them sees the end of its own channel. Of a copy that the
//! server did not come to tell of, the [board](Board) tells.
//!
//! A copy does nothing until it is told what. So one can be asked for in advance, a *spare*: when a
//! process is to be started it is there already. And a request that is not answered in time becomes
//! a spare of a later start.
//!
//! # States of a request
//!
//! | state   | held by                 | then                                                      |
//! |---------|-------------------------|-----------------------------------------------------------|
//! | asked   | a thread, or the spares | heard of; or there is none: refused, or the server is dead |
//! | heard   | a thread, or the spares | taken                                                     |
//! | taken   | a thread                | a child like any other, which is told its call            |
//!
//! What is among the spares when the server is dead, and nobody uses it any more, is seen out.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::wire::{MessageSocket, SendError};

use crate::child::Child;
use crate::children;
use crate::error::StartError;
use crate::exit::ExitStatus;
use crate::start::board::Board;
use crate::start::frame::{Order, Parcel, Report};
use crate::start::{self, Heard};
use crate::sys::poll;
use crate::sys::signal::Signal;
use crate::sys::wait::{self, Block};

/// The fork server of this process.
#[derive(Debug)]
pub(super) struct Server {
    channel: MessageSocket,
    process: Arc<Child>,
    board: Board,
    spares: Mutex<Spares>,
}

#[derive(Debug, Default)]
struct Spares {
    /// What the last request is called.
    last: u32,
    waiting: Vec<Request>,
}

/// A copy of the server that was asked for, and was told nothing yet.
#[derive(Debug)]
pub(super) struct Request {
    /// What it is called on the board.
    name: u32,
    /// To the copy.
    channel: MessageSocket,
    /// When the server should have told of it at last.
    patience: Deadline,
    /// The copy, once it was heard of.
    copy: Option<u32>,
}

/// A copy of the server, and the channel to it.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) pid: u32,
    pub(super) channel: MessageSocket,
}

/// Why there is no copy.
#[derive(Debug)]
pub(super) enum NoCopy {
    /// The system has no room for it.
    Refused(StartError),
    /// The time for the start is up.
    Late,
    /// The server died, or does nothing.
    Useless,
}

/// How long the server may take for an answer before another one is asked: it makes a copy of
/// itself, which is small.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What the system may refuse.
const ASK: &str = "ask the fork server";

/// How soon it is seen that the server was stopped.
const LOOK: Duration = Duration::from_millis(50);

impl Server {
    pub(super) fn new(channel: MessageSocket, process: Arc<Child>, board: Board) -> Self {
        Self { channel, process, board, spares: Mutex::default() }
    }

    /// The server itself.
    pub(super) fn process(&self) -> &Arc<Child> {
        &self.process
    }

    /// Whether it lives, and was not stopped.
    pub(super) fn is_well(&self) -> bool {
        wait::is_well(self.process.as_fd())
    }

    /// A copy that was asked for before; `None` if there is none.
    pub(super) fn take_spare(&self) -> Option<Request> {
        self.spares().waiting.pop()
    }

    /// Asks for a copy, which a later start is to have, if none is there and that can be done at once.
    pub(super) fn keep_a_spare(&self) {
        if self.spares().waiting.is_empty()
            && let Ok(request) = self.ask(Deadline::now())
        {
            self.keep(request);
        }
    }

    /// Leaves a request to a later start.
    fn keep(&self, request: Request) {
        self.spares().waiting.push(request);
    }

    /// Asks for a copy.
    pub(super) fn ask(&self, deadline: Deadline) -> Result<Request, NoCopy> {
        let refused = |error| NoCopy::Refused(StartError::System { action: ASK, error });
        let (channel, of_copy) = MessageSocket::pair().map_err(refused)?;
        let name = self.next_name();
        let order = Parcel::new(Order::Copy { request: name }, vec![of_copy.into()]).pack();
        let order = order.map_err(refused)?;
        let patience = Deadline::after(PATIENCE);
        loop {
            // So small a message is sent whole or not at all.
            match self.channel.send(&order, deadline.min(patience).min(Deadline::after(LOOK))) {
                Ok(()) => return Ok(Request { name, channel, patience, copy: None }),
                Err(SendError::TimedOut) if self.is_useless(patience) => break,
                Err(SendError::TimedOut) if deadline.is_past() => return Err(NoCopy::Late),
                Err(SendError::TimedOut) => {}
                Err(SendError::Io(error)) => return Err(refused(error)),
                Err(_) => break,
            }
        }
        Err(NoCopy::Useless)
    }

    /// Waits until the copy is known. A request that may still be answered is kept for later.
    pub(super) fn hear(&self, mut request: Request, deadline: Deadline) -> Result<Copy, NoCopy> {
        let none = loop {
            match request.listen() {
                Listened::Nothing => {}
                Listened::Copy(pid) => return Ok(Copy { pid, channel: request.channel }),
                Listened::Refused(error) => {
                    let action = "copy the fork server";
                    return Err(NoCopy::Refused(StartError::System { action, error }));
                }
                Listened::End => break NoCopy::Useless,
            }
            let until = request.patience.min(deadline).min(Deadline::after(LOOK));
            let server = Some(self.process.as_fd());
            match poll::poll_two(server, request.channel.as_fd(), until) {
                Ok(ready) if ready.second => {}
                // It has said and written all that it ever will.
                Ok(ready) if ready.first => {
                    let pid = request.look(&self.board).ok_or(NoCopy::Useless)?;
                    return Ok(Copy { pid, channel: request.channel });
                }
                Ok(_) if self.is_useless(request.patience) => break NoCopy::Useless,
                Ok(_) if deadline.is_past() => break NoCopy::Late,
                Ok(_) => {}
                Err(_) => break NoCopy::Useless,
            }
        };
        self.keep(request);
        Err(none)
    }

    /// Whether the server was stopped, or has done nothing for too long.
    fn is_useless(&self, patience: Deadline) -> bool {
        patience.is_past() || wait::is_stopped(self.process.as_fd())
    }

    /// The copies that were told nothing yet, as far as there are any by now.
    pub(super) fn spare_copies(&self) -> Vec<u32> {
        let mut spares = self.spares();
        spares.waiting.iter_mut().filter_map(|request| request.look(&self.board)).collect()
    }

    /// Whether this is the number of a copy that was told nothing, and has ended; then its status is
    /// taken.
    pub(super) fn reap_spare(&self, pid: u32) -> bool {
        let mut spares = self.spares();
        let place = spares.waiting.iter_mut().position(|it| it.look(&self.board) == Some(pid));
        let Some(place) = place else { return false };
        if !matches!(wait::wait_pid(pid, Block::No), Ok(Some(_))) {
            return false;
        }
        spares.waiting.remove(place);
        true
    }

    /// Kills the server if it lives, and says how it ended.
    pub(super) fn end(&self) -> ExitStatus {
        // It has nothing to lose. If it is dead already, all the better.
        let _killed = self.process.signal(Signal::KILL);
        start::end(&self.process)
    }

    #[cfg(test)]
    pub(super) fn send_raw(&self, message: &ipc_core::wire::Message) {
        self.channel.send(message, Deadline::NEVER).unwrap();
    }

    fn next_name(&self) -> u32 {
        let mut spares = self.spares();
        spares.last = spares.last.wrapping_add(1);
        spares.last
    }

    fn spares(&self) -> MutexGuard<'_, Spares> {
        // Each change is one step.
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    /// Sees the server out, and the copies that nobody has told anything.
    fn drop(&mut self) {
        self.end();
        for mut request in std::mem::take(&mut self.spares().waiting) {
            if let Some(pid) = request.look(&self.board) {
                Copy { pid, channel: request.channel }.see_out();
            }
        }
    }
}

impl Copy {
    /// Kills a copy that was told nothing, and takes its status.
    pub(super) fn see_out(self) {
        /// It has nothing to do but to end.
        const GRACE: Duration = Duration::from_secs(1);

        let Ok(child) = start::adopt(self.pid) else {
            // Its status is taken, or there is no descriptor for it.
            return start::discard(self.pid);
        };
        // Nobody else has the other end of its channel, so as long as that is open the number is its
        // own. If it is not, the copy is dead, and need not be killed.
        if matches!(poll::is_ready(&self.channel), Ok(false)) {
            // It fails only if it is dead by now.
            let _killed = child.signal(Signal::KILL);
        }
        // If a debugger holds it, its status is taken when another child starts.
        if !matches!(child.wait(Deadline::after(GRACE)), Ok(Some(_))) {
            children::abandon(&child);
        }
    }
}

/// What was heard of a request.
enum Listened {
    Nothing,
    Copy(u32),
    Refused(io::Error),
    /// There is no copy, nor will there be one while the server lives.
    End,
}

impl Request {
    /// Looks whether the server has told of the copy.
    fn listen(&mut self) -> Listened {
        if let Some(pid) = self.copy {
            return Listened::Copy(pid);
        }
        match start::hear(&self.channel) {
            Heard::Nothing => Listened::Nothing,
            Heard::Report(Parcel { words: Report::Copied { pid }, .. }) => {
                self.copy = Some(pid);
                Listened::Copy(pid)
            }
            Heard::Report(Parcel { words: Report::NotCopied { error }, .. }) => {
                Listened::Refused(io::Error::from_raw_os_error(error))
            }
            // A copy says nothing before it was told what to do.
            Heard::Report(_) | Heard::Lost(_) | Heard::End => Listened::End,
        }
    }

    /// The copy, as the server has told, or as it stands on the board; `None` if there is none yet.
    fn look(&mut self, board: &Board) -> Option<u32> {
        match self.listen() {
            Listened::Copy(pid) => Some(pid),
            _ => board.made_for(self.name),
        }
    }
}
