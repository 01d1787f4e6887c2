//! The fork server, as its user sees it.
//!
//! A request is one message on the server's channel. It carries the child's end of the channel
//! between the child and us; so every answer comes over a channel of its own, threads need not wait
//! for each other, and if the server dies each of them sees the end of its own channel.
//!
//! The server tells the child's number, or the child itself does if the server died in between. The
//! child takes its call only when we have it in our hands and say so. So whatever goes wrong before,
//! the function was not called, and the child can be asked for once more, from a new server.
//!
//! A server that was stopped, or says nothing for a long time, is killed and replaced: it has nothing
//! to lose, and its children are ours.
//!
//! A start whose own time is up is no reason to do so, as others wait for the same server. It is put
//! aside: the child, if one comes of it, is never told to go on, ends, and is reaped with a later
//! start.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipc_core::wire::{self, Message, MessageSocket, SendError};
use ipc_core::{Deadline, PerProcess};

use crate::child::Child;
use crate::children;
use crate::error::StartError;
use crate::exit::ExitStatus;
use crate::start::board::Board;
use crate::start::frame::{Call, Order, Parcel, Report};
use crate::start::{self, Heard, Started, spawn};
use crate::sys::files;
use crate::sys::process::{self, Signal};

/// The server of this process. A forked child has none yet.
#[derive(Debug, Default)]
enum State {
    #[default]
    None,
    Running(Arc<Server>),
    /// It cannot work on this system; its starts are done by spawn.
    Impossible,
}

#[derive(Debug)]
struct Server {
    channel: MessageSocket,
    process: Arc<Child>,
    /// Has the number of the child that it made last.
    board: Board,
    /// That number, once somebody here was told of it.
    told: Mutex<u32>,
    /// Starts that were given up before their children were known.
    late: Mutex<Vec<Late>>,
}

/// A start that was given up.
#[derive(Debug)]
struct Late {
    /// To the child, which hears nothing over it.
    channel: MessageSocket,
    /// When the server should have told of the child at last.
    patience: Deadline,
}

/// What came of a request.
#[derive(Debug)]
enum Answer {
    Report(Report),
    /// Nothing yet, and the time for the start is up.
    Late,
    /// Nothing: the server died, or does nothing.
    None,
}

static SERVER: PerProcess<Mutex<State>> = PerProcess::new();

/// Ends the fork server of this process, if it has one; the next start by it makes a new one.
///
/// The processes that it started go on. There is no need to call this: the server ends when this
/// process does. It is for programs that want no child of theirs left at some moment.
pub fn stop_fork_server() {
    let mut state = lock();
    if let State::Running(server) = &*state {
        end(server);
        *state = State::None;
    }
}

/// Has the server start a child for a call.
pub(super) fn start(
    call: Call,
    given: Vec<OwnedFd>,
    argument: Message,
    deadline: Deadline,
) -> Result<Started, StartError> {
    /// How many servers may die of one start.
    const N_TRIES: usize = 2;

    children::reap_abandoned();
    let Some(mut server) = running(deadline)? else {
        return spawn::start(call, given, argument, deadline);
    };
    if !server.look_after_late() {
        forget(&server);
        server = running(deadline)?.ok_or(StartError::ServerDied)?;
    }
    // Where the child's end of the channel stands in the message.
    let place = argument.handles.len() + given.len();
    let (mut channel, of_child) = pair()?;
    let mut handles = given;
    handles.push(of_child.into());
    let parcel = Parcel { words: Order::Start(call), handles, value: argument };
    let mut message = parcel.pack().map_err(StartError::system("pass the argument"))?;
    for _ in 1..N_TRIES {
        if let Some(answer) = server.start(channel, &mut message, place, deadline) {
            return answer;
        }
        forget(&server);
        server = running(deadline)?.ok_or(StartError::ServerDied)?;
        let (ours, of_child) = pair()?;
        channel = ours;
        message.handles.insert(place, of_child.into());
    }
    server.start(channel, &mut message, place, deadline).unwrap_or_else(|| {
        forget(&server);
        Err(StartError::ServerDied)
    })
}

/// Whether the server is the one child that this process has.
///
/// It is not if the system does not tell.
pub(crate) fn is_only_child() -> bool {
    let State::Running(server) = &*lock() else {
        return false;
    };
    process::children().is_ok_and(|children| children == [server.process.pid()])
}

/// Whether this process has a server.
pub(crate) fn is_running() -> bool {
    matches!(&*lock(), State::Running(_))
}

/// Whether this is the number of the server, and it has ended; then its status is taken.
pub(crate) fn reap(pid: u32) -> bool {
    let state = lock();
    let State::Running(server) = &*state else {
        return false;
    };
    server.process.pid() == pid && matches!(server.process.try_reap(), Ok(Some(_)))
}

impl Server {
    /// Asks for a child, and waits until it has taken its call; `None` if the server died, or does
    /// nothing. Then no child of this request has taken its call, nor will.
    ///
    /// Takes the child's end of the channel out of the message, so that the end of the stream is
    /// seen when nobody else has it.
    fn start(
        &self,
        channel: MessageSocket,
        message: &mut Message,
        place: usize,
        deadline: Deadline,
    ) -> Option<Result<Started, StartError>> {
        let patience = Deadline::after(PATIENCE);
        let sent = match self.wait_for_room(patience, deadline) {
            Ok(true) => self.channel.send(message, patience),
            Ok(false) => Err(SendError::TimedOut),
            Err(error) => Err(error.into()),
        };
        drop(message.handles.remove(place));
        match sent {
            Ok(()) => {}
            Err(SendError::Io(error)) => {
                return Some(Err(StartError::System { action: "ask the fork server", error }));
            }
            Err(SendError::TimedOut) if !self.is_useless(patience) => {
                return Some(Err(StartError::TimedOut));
            }
            Err(_) => return None,
        }
        // A server that has nothing else to do answers at once. Then a child that is late can be
        // ended here and now.
        match self.hear(&channel, patience, deadline.max(Deadline::after(LOOK))) {
            Answer::Report(Report::Started { pid }) => {
                self.note(pid);
                Some(take_over(pid, channel, deadline))
            }
            Answer::Report(Report::NotStarted { error }) => {
                let error = io::Error::from_raw_os_error(error);
                Some(Err(StartError::System { action: "copy the fork server", error }))
            }
            Answer::Late => {
                // It fails only if the child is gone already.
                let _told = files::end_sending(channel.as_fd());
                self.late().push(Late { channel, patience });
                Some(Err(StartError::TimedOut))
            }
            // A child says nothing else before it was told to go on.
            Answer::Report(_) | Answer::None => None,
        }
    }

    /// Waits until a request can be sent whole; `false` if the deadline has passed or the server does
    /// nothing.
    fn wait_for_room(&self, patience: Deadline, deadline: Deadline) -> io::Result<bool> {
        loop {
            let until = patience.min(deadline).min(Deadline::after(LOOK));
            if process::has_room(self.channel.as_fd(), until)? {
                return Ok(true);
            }
            if deadline.is_past() || self.is_useless(patience) {
                return Ok(false);
            }
        }
    }

    /// Waits for the first that is said over the channel of a child.
    fn hear(&self, channel: &MessageSocket, patience: Deadline, deadline: Deadline) -> Answer {
        let (mut patience, mut deadline) = (patience, deadline);
        let mut is_dead = false;
        loop {
            let until = patience.min(deadline);
            let (server, until) = if is_dead {
                // A child of a dead server speaks at once, if there is one.
                (None, until)
            } else {
                (Some(self.process.as_fd()), until.min(Deadline::after(LOOK)))
            };
            let Ok(ready) = process::poll_two(server, channel.as_fd(), until) else {
                return Answer::None;
            };
            if ready.second {
                match start::hear(channel) {
                    Heard::Nothing => {}
                    Heard::Report(parcel) => return Answer::Report(parcel.words),
                    Heard::Lost(_) | Heard::End => return Answer::None,
                }
            } else if ready.first {
                // The end of the channel need not be seen: a copy of this process may hold it open.
                is_dead = true;
                patience = patience.min(Deadline::after(LAST_WORDS));
                deadline = Deadline::NEVER;
            } else if is_dead && patience.is_past() || self.is_useless(patience) {
                return Answer::None;
            } else if deadline.is_past() {
                return Answer::Late;
            }
        }
    }

    /// Whether the server was stopped, or has done nothing for too long.
    fn is_useless(&self, patience: Deadline) -> bool {
        patience.is_past() || process::is_stopped(self.process.as_fd())
    }

    /// Takes over the children of starts that were given up, as far as they are known by now; `false`
    /// if the server should have told of one long ago.
    fn look_after_late(&self) -> bool {
        let mut late = self.late();
        late.retain(|late| match start::hear(&late.channel) {
            Heard::Nothing => true,
            Heard::Report(Parcel { words: Report::Started { pid }, .. }) => {
                match start::adopt(pid) {
                    Ok(child) => {
                        // It may be decoding its argument, for ever.
                        let _killed = child.signal(Signal::KILL);
                        children::abandon(&child);
                    }
                    Err(_) => start::discard(pid),
                }
                false
            }
            Heard::Report(_) | Heard::Lost(_) | Heard::End => false,
        });
        !late.iter().any(|late| late.patience.is_past())
    }

    fn late(&self) -> MutexGuard<'_, Vec<Late>> {
        // Each change is one step.
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the server may take for an answer before another one is asked: it makes a copy of
/// itself, which is small.
const PATIENCE: Duration = Duration::from_secs(10);

/// How soon it is seen that the server was stopped.
const LOOK: Duration = Duration::from_millis(50);

/// How long a child may take to say that its server is dead.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Takes a child into our hands that the server has made, and lets it go on.
fn take_over(pid: u32, channel: MessageSocket, deadline: Deadline) -> Result<Started, StartError> {
    match start::adopt(pid) {
        Ok(child) if deadline.is_past() => {
            let _killed = child.signal(Signal::KILL);
            start::end(&child);
            Err(StartError::TimedOut)
        }
        Ok(child) => {
            let go_on = Parcel::new(Order::GoOn, Vec::new()).pack();
            let go_on = go_on.map_err(StartError::system("pass the argument"));
            let channel = start::tell(channel, &go_on?, &child)?;
            start::await_acceptance(channel, child, deadline)
        }
        // Somebody has killed it, and its status is taken.
        Err(error) if process::is_no_such_process(&error) => {
            Err(StartError::Died { pid, status: ExitStatus::Unknown })
        }
        Err(error) => {
            start::discard(pid);
            Err(StartError::System { action: "open the child's descriptor", error })
        }
    }
}

impl Server {
    /// Notes that somebody knows of this child.
    fn note(&self, pid: u32) {
        // If it is not the last one any more, the server has told of it and gone on.
        if pid == self.board.last() {
            *self.told.lock().unwrap_or_else(PoisonError::into_inner) = pid;
        }
    }
}

impl Drop for Server {
    /// Looks after a child that died together with the server, before anybody was told of it.
    ///
    /// Whoever asked the server for a child has had an answer by now, or has seen that none comes.
    fn drop(&mut self) {
        end(self);
        // Those that were made before it died say so at once.
        for late in std::mem::take(&mut *self.late()) {
            let last_words = Deadline::after(LAST_WORDS);
            let _ready = process::poll_two(None, late.channel.as_fd(), last_words);
            if let Heard::Report(Parcel { words: Report::Started { pid }, .. }) =
                start::hear(&late.channel)
                && let Ok(child) = start::adopt(pid)
            {
                start::end(&child);
            }
        }
        let last = self.board.last();
        let told = *self.told.get_mut().unwrap_or_else(PoisonError::into_inner);
        if last != told
            && !children::is_known(last)
            && let Ok(child) = start::adopt(last)
        {
            start::end(&child);
        }
    }
}

/// The server, started if there is none; `None` if there cannot be one.
fn running(deadline: Deadline) -> Result<Option<Arc<Server>>, StartError> {
    let mut state = lock();
    match &*state {
        State::Running(server) => return Ok(Some(Arc::clone(server))),
        State::Impossible => return Ok(None),
        State::None => {}
    }
    let board = Board::new().map_err(io::Error::other);
    let board = board.map_err(StartError::system("share memory with the fork server"))?;
    let value = wire::encode(&board).map_err(StartError::Argument)?;
    let (channel, process) = spawn::launch(Order::Serve, Vec::new(), value)?;
    match start::await_acceptance(channel, process, Deadline::after(PATIENCE).min(deadline)) {
        Ok(Started { channel, child: process }) => {
            let (told, late) = Default::default();
            let server = Arc::new(Server { channel, process, board, told, late });
            *state = State::Running(Arc::clone(&server));
            Ok(Some(server))
        }
        Err(StartError::Refused(_)) => {
            *state = State::Impossible;
            Ok(None)
        }
        // Not the caller's time, but the server's own.
        Err(StartError::TimedOut) if !deadline.is_past() => Err(StartError::ServerDied),
        Err(error) => Err(error),
    }
}

/// Takes leave of a server that is dead, or of no use any more.
fn forget(server: &Arc<Server>) {
    let mut state = lock();
    if matches!(&*state, State::Running(current) if Arc::ptr_eq(current, server)) {
        end(server);
        *state = State::None;
    }
}

fn end(server: &Server) {
    // It has nothing to lose. If it is dead already, all the better.
    let _killed = server.process.signal(Signal::KILL);
    start::end(&server.process);
}

fn pair() -> Result<(MessageSocket, MessageSocket), StartError> {
    MessageSocket::pair().map_err(StartError::system("make a pair of sockets"))
}

fn lock() -> MutexGuard<'static, State> {
    // Each change is one assignment.
    let state = SERVER.get_or_make(|_| Mutex::default());
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the server something that is no request.
#[cfg(test)]
pub(super) fn send_raw(message: &Message) {
    if let State::Running(server) = &*lock() {
        server.channel.send(message, Deadline::NEVER).unwrap();
    }
}

/// The number of the server, if there is one.
#[cfg(test)]
pub(super) fn pid() -> Option<u32> {
    match &*lock() {
        State::Running(server) => Some(server.process.pid()),
        _ => None,
    }
}

/// Makes this process one in which the server does not work.
#[cfg(test)]
pub(super) fn make_impossible() {
    *lock() = State::Impossible;
}
