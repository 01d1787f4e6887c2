//! The fork server, as its user sees it: started when it is needed, and replaced when it is dead.
//!
//! It makes [copies](super::copies) of itself, which are children of this process. A start takes one
//! into its hands, and then tells it its call. So whatever goes wrong before, the function was not
//! called, and another copy can be had, from a new server.
//!
//! A server that was stopped, or says nothing for a long time, is killed and replaced: it has nothing
//! to lose, and its children are ours.
//!
//! A start whose own time is up is no reason to do so, as others wait for the same server.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipc_core::wire::{self, Message, MessageSocket, SendError};
use ipc_core::{Deadline, PerProcess};

use crate::call::Refusal;
use crate::child::Child;
use crate::children;
use crate::entry::Entry;
use crate::error::StartError;
use crate::events;
use crate::exit::ExitStatus;
use crate::start::board::Board;
use crate::start::copies::{Copy, NoCopy, PATIENCE, Server};
use crate::start::frame::{Call, Order, Parcel};
use crate::start::{self, Started, spawn};
use crate::sys::signal::Signal;
use crate::sys::{proc, process, wait};

/// The server of this process. A forked child has none yet.
#[derive(Debug, Default)]
enum State {
    #[default]
    None,
    Running(Arc<Server>),
    /// It cannot work on this system; its starts are done by spawn.
    Impossible,
}

static SERVER: PerProcess<Mutex<State>> = PerProcess::new();

/// Ends the fork server of this process, if it has one; the next start by it makes a new one.
///
/// The processes that it started go on. There is no need to call this: the server ends when this
/// process does. It is for programs that want no child of theirs left at some moment.
///
/// Where a server could not be, because the system refused it something, its starts are done as by
/// [`Start::Spawn`](crate::Start::Spawn); after this the next one tries again.
pub fn stop_fork_server() {
    let mut state = lock();
    if let State::Running(server) = &*state {
        server.end();
    }
    *state = State::None;
}

/// Has the fork server of this process call a function before it makes any copy: what that loads or
/// computes, its children have from the beginning.
///
/// They share the memory until one of them writes to it. A server that is there already is ended, and
/// the next start makes one that calls the function; so does a server that takes a dead one's place.
/// It is for this process alone, and not for its children's servers.
///
/// The function must leave no thread behind. If it does, or panics, each start by the server is
/// [`Refusal::Preload`]; if it ends the process, it is [`StartError::ServerDied`].
///
/// # Errors
///
/// [`StartError::NotInProgram`] if the function is not part of the program but of a library.
///
/// # Examples
///
/// ```
/// use std::sync::OnceLock;
///
/// use proc_core::{Process, Start, preload_fork_server};
///
/// static WORDS: OnceLock<Vec<String>> = OnceLock::new();
///
/// fn load(_: ()) {
///     WORDS.get_or_init(|| vec!["read".into(), "once".into()]);
/// }
///
/// preload_fork_server(load)?;
/// let child = Process::builder().start(Start::ForkServer);
/// let child = child.spawn(|()| WORDS.get().map(|words| words.join(" ")), ())?;
/// assert_eq!(child.join()?.as_deref(), Some("read once"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Refusal::Preload`]: crate::Refusal::Preload
#[doc(alias = "set_forkserver_preload")]
pub fn preload_fork_server(function: fn(())) -> Result<(), StartError> {
    *preload() = Some(Entry::of(function).ok_or(StartError::NotInProgram)?);
    stop_fork_server();
    Ok(())
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
    let parcel = Parcel { words: Order::Call(Box::new(call)), handles: given, value: argument };
    let order = parcel.pack().map_err(StartError::system("pass the argument"))?;
    for _ in 1..N_TRIES {
        if let Some(answer) = start_one(&server, &order, deadline) {
            return answer;
        }
        let status = forget(&server);
        server = running(deadline)?.ok_or(StartError::ServerDied { status })?;
    }
    start_one(&server, &order, deadline)
        .unwrap_or_else(|| Err(StartError::ServerDied { status: forget(&server) }))
}

/// Starts a child; `None` if the server died, or does nothing. Then the function was not called.
fn start_one(
    server: &Server,
    order: &Message,
    deadline: Deadline,
) -> Option<Result<Started, StartError>> {
    if !server.is_well() {
        return None;
    }
    loop {
        let spare = server.take_spare();
        let is_spare = spare.is_some();
        let request = spare.map_or_else(|| server.ask(deadline), Ok);
        let copy = match request.and_then(|request| server.hear(request, deadline)) {
            Ok(copy) => copy,
            // That was some time ago.
            Err(NoCopy::Refused(_)) if is_spare => continue,
            Err(NoCopy::Refused(error)) => return Some(Err(error)),
            Err(NoCopy::Late) => return Some(Err(StartError::TimedOut)),
            Err(NoCopy::Useless) => return None,
        };
        match take(copy, order) {
            Taken::Told(child, channel) => {
                // While it does what it was told, the server makes the next one.
                server.keep_a_spare();
                return Some(start::await_acceptance(channel, child, deadline));
            }
            // A spare may have met with anything since it was made.
            Taken::Gone(_) if is_spare => {}
            Taken::Gone(error) | Taken::Refused(error) => return Some(Err(error)),
        }
    }
}

/// What came of a copy.
enum Taken {
    /// It is a child of ours, and was told its call.
    Told(Arc<Child>, MessageSocket),
    /// It was told nothing, as it is dead, or was stopped.
    Gone(StartError),
    /// The system refused.
    Refused(StartError),
}

/// Takes a copy into our hands, and tells it its call.
fn take(copy: Copy, order: &Message) -> Taken {
    let Copy { pid, channel } = copy;
    let gone = || StartError::Died { pid, status: ExitStatus::Unknown };
    let child = match start::adopt(pid) {
        Ok(child) => child,
        // Somebody has killed it, and its status is taken.
        Err(error) if process::is_no_such_process(&error) => return Taken::Gone(gone()),
        Err(error) => {
            start::discard(pid);
            let action = "open the child's descriptor";
            return Taken::Refused(StartError::System { action, error });
        }
    };
    if !wait::is_well(child.as_fd()) {
        Copy { pid, channel }.see_out();
        return Taken::Gone(gone());
    }
    match channel.send(order, Deadline::NEVER) {
        Ok(()) => Taken::Told(child, channel),
        Err(SendError::Disconnected) => {
            Copy { pid, channel }.see_out();
            Taken::Gone(gone())
        }
        Err(error) => {
            // It ends when it finds nobody at the other end.
            drop(channel);
            start::end(&child);
            let error = io::Error::other(error);
            Taken::Refused(StartError::System { action: "tell the child", error })
        }
    }
}

/// Whether this process has no other children than the server and its spare copies.
///
/// It is not so if the system does not tell.
pub(crate) fn is_only_child() -> bool {
    let State::Running(server) = &*lock() else {
        return false;
    };
    let Ok(children) = proc::children() else { return false };
    let spares = server.spare_copies();
    let is_ours = |pid: &u32| *pid == server.process().pid() || spares.contains(pid);
    children.iter().all(is_ours)
}

/// Whether this process has a server.
pub(crate) fn is_running() -> bool {
    matches!(&*lock(), State::Running(_))
}

/// Whether this is the number of a copy of the server that was told nothing yet.
pub(crate) fn is_spare(pid: u32) -> bool {
    matches!(&*lock(), State::Running(server) if server.spare_copies().contains(&pid))
}

/// Whether this is the number of the server or of a spare copy of it, and that has ended; then its
/// status is taken.
pub(crate) fn reap(pid: u32) -> bool {
    let state = lock();
    let State::Running(server) = &*state else {
        return false;
    };
    let process = server.process();
    if process.pid() == pid {
        return matches!(process.try_reap(), Ok(Some(_)));
    }
    server.reap_spare(pid)
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
    let preload = preload().clone();
    // What is to be done before may take any time.
    let patience = if preload.is_some() { Deadline::NEVER } else { Deadline::after(PATIENCE) };
    let (channel, process) = spawn::launch(Order::Serve { preload }, Vec::new(), value)?;
    match start::await_acceptance(channel, process, patience.min(deadline)) {
        Ok(Started { channel, child: process }) => {
            let server = Arc::new(Server::new(channel, process, board));
            *state = State::Running(Arc::clone(&server));
            drop(state);
            events::server_started(server.process().pid());
            Ok(Some(server))
        }
        Err(StartError::Refused(refusal @ Refusal::Preload(_))) => {
            Err(StartError::Refused(refusal))
        }
        Err(StartError::Refused(_)) => {
            *state = State::Impossible;
            Ok(None)
        }
        Err(StartError::Died { status, .. }) => Err(StartError::ServerDied { status }),
        // Not the caller's time, but the server's own.
        Err(StartError::TimedOut) if !deadline.is_past() => {
            let status = ExitStatus::Signaled { signal: Signal::KILL.as_raw(), core_dumped: false };
            Err(StartError::ServerDied { status })
        }
        Err(error) => Err(error),
    }
}

/// Takes leave of a server that is dead, or of no use any more, and says how it ended.
fn forget(server: &Arc<Server>) -> ExitStatus {
    let mut state = lock();
    if matches!(&*state, State::Running(current) if Arc::ptr_eq(current, server)) {
        *state = State::None;
    }
    let status = server.end();
    drop(state);
    events::server_lost(server.process().pid(), status);
    status
}

/// What the next server is to call before it makes any copy. A forked child has said nothing of it.
fn preload() -> MutexGuard<'static, Option<Entry>> {
    static PRELOAD: PerProcess<Mutex<Option<Entry>>> = PerProcess::new();
    // Each change is one assignment.
    PRELOAD.get_or_make(|_| Mutex::default()).lock().unwrap_or_else(PoisonError::into_inner)
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
        server.send_raw(message);
    }
}

/// The number of the server, if there is one.
#[cfg(test)]
pub(super) fn pid() -> Option<u32> {
    match &*lock() {
        State::Running(server) => Some(server.process().pid()),
        _ => None,
    }
}

/// Makes this process one in which the server does not work.
#[cfg(test)]
pub(super) fn make_impossible() {
    *lock() = State::Impossible;
}
