//! Starting a process: what all ways have in common.
//!
//! | way        | how                                         | what the child begins with           |
//! |------------|---------------------------------------------|--------------------------------------|
//! | spawn      | `posix_spawn` of this program               | nothing of this process              |
//! | server     | a clean process made by spawn copies itself | nothing of this process              |
//! | copy       | `fork`                                      | all of this process, but its threads |
//!
//! In all of them parent and child share a *channel*, a pair of sockets nobody else has. Over it the
//! child hears what to call, says that it has the argument, and sends the result. A start is over
//! when the child has the argument: until then everything that goes wrong is an error of the start.
//! The parent waits for the channel and for the child's descriptor together, so a child that dies on
//! the way is noticed at once.
//!
//! A child that the fork server has made hears what to call from its parent, when that has it in its
//! hands, and not before. So it can be made long before anybody knows what for.

mod board;
mod copies;
mod copy;
mod frame;
mod gate;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod hostile;
pub(crate) mod inside;
mod orphan;
mod serve;
pub(crate) mod server;
mod spawn;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd as _, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::wire::{Limits, Message, MessageSocket, RecvError, SendError};
use serde::{Deserialize, Serialize};

use crate::call::{self, Refusal};
use crate::child::Child;
use crate::children;
use crate::current::Introduction;
use crate::entry::Entry;
use crate::error::StartError;
use crate::exit::ExitStatus;
use crate::setup::Setup;
use crate::start::frame::{Call, Parcel, Report};
use crate::stdio::Pipes;
use crate::sys::signal::{self, Signal};
use crate::sys::wait::{self, Block};
use crate::sys::{poll, process};

/// How a process is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Start {
    /// As a fresh run of this program: right in every program, whatever its threads do.
    ///
    /// Costs about a millisecond, independent of how much memory this process has.
    #[default]
    Spawn,
    /// By a clean process with a single thread, which copies itself when asked to.
    ///
    /// The fast way to many processes; for the child it is as with [`Spawn`](Self::Spawn), but that
    /// its environment, working directory and limits are those that this process had when it asked
    /// for the first time.
    ///
    /// While a process is started, the server makes the next one already, so that it is there when it
    /// is asked for. It waits without doing anything, and is the only process that there is more than
    /// was asked for.
    ///
    /// # Process death
    ///
    /// If the server dies, the next start makes a new one; the children do not notice, as they are
    /// children of this process. When this process dies, so does the server.
    ForkServer,
    /// As a copy of this process, with all its memory; only if it has a single thread.
    ///
    /// Costs more the more memory this process has. The copy also has every descriptor open that this
    /// process has: whoever reads from a pipe or a socket sees its end only when the copy is gone too,
    /// unless it [passes on](crate::Builder::pass_on_only) only what the copy needs.
    Fork,
}

/// A child that has taken its call.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) child: Arc<Child>,
    pub(crate) channel: MessageSocket,
}

/// What there is to say about a child before it is known what it shall do.
#[derive(Debug)]
pub(crate) struct Plan<'p> {
    pub(crate) introduction: Introduction,
    pub(crate) dies_with_parent: bool,
    /// What is different from what this process has; nothing, mostly.
    pub(crate) setup: Option<Setup>,
    /// Descriptors for it.
    pub(crate) given: Vec<OwnedFd>,
    /// All that a copy of this process is to have of its descriptors, if not all.
    pub(crate) passed_on: Option<Vec<RawFd>>,
    /// The other ends, which a copy of this process must not have.
    pub(crate) pipes: &'p mut Pipes,
    /// Until then it must have taken its call.
    pub(crate) deadline: Deadline,
}

/// Starts a process that calls a function of this program.
pub(crate) fn start<A: Serialize>(
    way: Start,
    plan: Plan<'_>,
    entry: Option<Entry>,
    argument: &A,
) -> Result<Started, StartError> {
    let entry = entry.ok_or(StartError::NotInProgram)?;
    let argument = call::argument(argument).map_err(StartError::Argument)?;
    match way {
        Start::Fork => copy::start(&entry, plan, argument),
        Start::Spawn | Start::ForkServer => {
            let Plan { introduction, dies_with_parent, setup, mut given, deadline, .. } = plan;
            let mut ancestors = orphan::ancestors(dies_with_parent);
            let n_ancestors = ancestors.len();
            given.append(&mut ancestors);
            let call = Call { entry, introduction, dies_with_parent, n_ancestors, setup };
            let start = if way == Start::Spawn { spawn::start } else { server::start };
            start(call, given, argument, deadline)
        }
    }
}

pub(crate) use copy::{start_closure, start_closure_with_threads};

/// Waits until the child has taken its call; one that has not by the deadline is killed.
fn await_acceptance(
    channel: MessageSocket,
    child: Arc<Child>,
    deadline: Deadline,
) -> Result<Started, StartError> {
    let mut is_late = false;
    loop {
        let until = if is_late { Deadline::now() } else { deadline };
        let (has_spoken, has_ended) =
            match poll::poll_two(Some(channel.as_fd()), child.as_fd(), until) {
                Ok(ready) => (ready.first, ready.second),
                // No memory for the call now, or not so many descriptors allowed. Both are looked at.
                Err(_) => {
                    process::pause(LOOK_AGAIN);
                    (true, matches!(child.try_reap(), Ok(Some(_))))
                }
            };
        // What the child has said counts, also if it is dead by now.
        match if has_spoken { hear(&channel) } else { Heard::Nothing } {
            Heard::Report(Parcel { words: Report::Accepted { .. }, .. }) => {
                return Ok(Started { child, channel });
            }
            Heard::Report(Parcel { words: Report::Refused { refusal, .. }, .. }) => {
                end(&child);
                return Err(StartError::Refused(refusal));
            }
            Heard::Report(_) | Heard::Lost(_) | Heard::End if !is_late => return Err(died(&child)),
            _ if is_late => return Err(StartError::TimedOut),
            _ if has_ended => return Err(died(&child)),
            _ => {}
        }
        if deadline.is_past() {
            // It may have taken its call a moment ago: then it has started, and was killed.
            is_late = true;
            // If it has ended already, all the better.
            let _killed = child.signal(Signal::KILL);
            end(&child);
        }
    }
}

/// How soon is looked again at what cannot be waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What came over a channel.
#[derive(Debug)]
enum Heard {
    /// No whole message yet.
    Nothing,
    Report(Parcel<Report>),
    /// Something came and could not be received; says why. What comes next is not understood.
    Lost(String),
    /// Nothing more will come.
    End,
}

/// Takes the next message from a channel, if there is one.
fn hear(channel: &MessageSocket) -> Heard {
    heard(channel.try_recv(&Limits::NONE))
}

fn heard(received: Result<Option<Message>, RecvError>) -> Heard {
    match received {
        Ok(Some(message)) => match Parcel::unpack(message) {
            Ok(parcel) => Heard::Report(parcel),
            Err(error) => Heard::Lost(error.to_string()),
        },
        // The child was killed in the middle of a word.
        Ok(None) | Err(RecvError::Truncated) => Heard::End,
        Err(error) if error.is_timed_out() => Heard::Nothing,
        Err(error) => Heard::Lost(error.to_string()),
    }
}

/// The answer of a call, if it has come over the channel; `Err` if none ever will.
pub(crate) fn hear_answer(channel: &MessageSocket) -> Result<Option<Message>, NoAnswer> {
    loop {
        match hear(channel) {
            Heard::Nothing => return Ok(None),
            Heard::Report(Parcel { words: Report::Answered, value, .. }) => return Ok(Some(value)),
            Heard::Report(_) => {}
            Heard::Lost(reason) => return Err(NoAnswer::Lost(reason)),
            Heard::End => return Err(NoAnswer::None),
        }
    }
}

/// Why there is no answer, nor ever will be.
#[derive(Clone, Debug)]
pub(crate) enum NoAnswer {
    /// The child has closed its end of the channel, and did not answer.
    None,
    /// It answered, and this process could not receive the answer; says why.
    Lost(String),
}

/// Tells a child something that it waits for; one that cannot be told is seen out.
fn tell(
    channel: MessageSocket,
    message: &Message,
    child: &Arc<Child>,
) -> Result<MessageSocket, StartError> {
    match channel.send(message, Deadline::NEVER) {
        // It is dead already, which whoever waits for its answer will see.
        Ok(()) | Err(SendError::Disconnected) => Ok(channel),
        Err(error) => {
            // It ends when it finds nobody at the other end.
            drop(channel);
            end(child);
            Err(StartError::System { action: "tell the child", error: io::Error::other(error) })
        }
    }
}

/// A child that is gone, or about to be, before it took its call.
fn died(child: &Arc<Child>) -> StartError {
    let status = end(child);
    StartError::Died { pid: child.pid(), status }
}

/// Sees a child out that does not do what it was started for, and takes its status.
fn end(child: &Arc<Child>) -> ExitStatus {
    /// It has nothing left to do but to exit. If somebody's code makes it stay, it is killed.
    const GRACE: Duration = Duration::from_secs(1);

    let ended = child.wait(Deadline::after(GRACE)).ok().flatten();
    ended.unwrap_or_else(|| {
        // It fails only where nothing could be done about it.
        let _killed = child.signal(Signal::KILL);
        let ended = child.wait(Deadline::after(GRACE)).ok().flatten();
        ended.unwrap_or_else(|| {
            // The kernel or a debugger holds it. Its status is taken when another child starts.
            children::abandon(child);
            ExitStatus::Unknown
        })
    })
}

/// Kills a child that cannot be taken care of for want of a descriptor.
pub(crate) fn discard(pid: u32) {
    // If its status was taken, the number may be another process's by now.
    if wait::is_own_child_number(pid) {
        signal::kill_unreaped(pid);
        let _status = wait::wait_pid(pid, Block::Yes);
    }
}

/// Takes care of a child of which we know only the number, which it still has.
pub(crate) fn adopt(pid: u32) -> io::Result<Arc<Child>> {
    let pidfd = process::open_pidfd(pid)?;
    if !wait::is_own_child(pidfd.as_fd()) {
        // Its status was taken, so the number may be another process's by now.
        return Err(process::no_such_process());
    }
    Ok(watched(pid, pidfd))
}

/// A child that others can wait for from now on.
fn watched(pid: u32, pidfd: OwnedFd) -> Arc<Child> {
    let child = Arc::new(Child::new(pid, pidfd));
    children::add(&child);
    child
}

/// The report of a child that does not take its call.
fn refused(refusal: Refusal) -> Report {
    Report::Refused { pid: process::own_pid(), refusal }
}
