//! The life of a child, from the first thing that runs in it to the last.
//!
//! # Safety
//!
//! The environment is changed before anything of the user's runs in a fresh program; see [`live`].
#![expect(unsafe_code, reason = "changes the environment")]

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use ipc_core::Deadline;
use ipc_core::wire::{Limits, Message, MessageSocket};

use crate::call::{Answer, Input, Refusal, Room};
use crate::child::Mark;
use crate::current::{self, Introduction};
use crate::entry::Entry;
use crate::fork::flush_stdout;
use crate::panics;
use crate::setup::Setup;
use crate::start::frame::{Call, Order, Parcel, Report};
use crate::start::serve::Served;
use crate::start::{self, orphan, serve};
use crate::sys::files;
use crate::sys::process;
use crate::sys::signal::{self, Disposition, Signal};

/// With this code a child ends that did not take its call.
pub(crate) const EXIT_NOT_STARTED: i32 = 254;

/// What a child is told of itself, and how.
#[derive(Debug)]
pub(super) struct Start {
    /// To its parent.
    pub(super) channel: MessageSocket,
    /// Of its parent.
    pub(super) parent: OwnedFd,
    pub(super) introduction: Introduction,
    pub(super) dies_with_parent: bool,
    /// Those with whom the parent dies.
    pub(super) ancestors: Vec<OwnedFd>,
    /// What is different from what the parent has, and descriptors for it.
    pub(super) setup: Option<Setup>,
    pub(super) given: Vec<OwnedFd>,
}

/// Lives the life of a child in a fresh program, in place of `main`.
pub(crate) fn enter(channel: OwnedFd) -> ! {
    let code = match take_order(channel) {
        Ok((mut parcel, channel)) => match (parcel.take_handle(), parcel.words) {
            (Ok(parent), Order::Serve { preload }) => {
                match serve::serve(channel, parent, parcel.value, preload.as_ref()) {
                    Served::Told(told) => obey(told.order, told.channel, told.parent),
                    Served::Over(code) => code,
                }
            }
            (Ok(parent), words) => obey(Parcel { words, ..parcel }, channel, parent),
            (Err(_), _) => EXIT_NOT_STARTED,
        },
        // The parent died or gave up before it said what to do, or it was never ours.
        Err(code) => code,
    };
    end(code)
}

/// Does what a parent has said to a child of its own.
fn obey(order: Parcel<Order>, channel: MessageSocket, parent: OwnedFd) -> i32 {
    let Parcel { words: Order::Call(call), handles: mut given, value: argument } = order else {
        return EXIT_NOT_STARTED;
    };
    let Call { entry, introduction, dies_with_parent, n_ancestors, setup } = *call;
    let Some(n_given) = given.len().checked_sub(n_ancestors) else { return EXIT_NOT_STARTED };
    let ancestors = given.split_off(n_given);
    let start = Start { channel, parent, introduction, dies_with_parent, ancestors, setup, given };
    live(start, self::call(&entry, argument))
}

/// Makes up for Rust's runtime, and hears from the parent what to do.
fn take_order(channel: OwnedFd) -> Result<(Parcel<Order>, MessageSocket), i32> {
    if !files::is_from_parent(channel.as_fd()) {
        return Err(EXIT_NOT_STARTED);
    }
    signal::set_disposition(Signal::PIPE, Disposition::Ignore);
    files::fill_closed_outputs().map_err(|_| EXIT_NOT_STARTED)?;
    let channel = MessageSocket::from_fd(channel).map_err(|_| EXIT_NOT_STARTED)?;
    let message = match channel.recv(&Limits::NONE, Deadline::NEVER) {
        Ok(Some(message)) => message,
        Ok(None) | Err(_) => return Err(EXIT_NOT_STARTED),
    };
    match Parcel::unpack(message) {
        Ok(parcel) => Ok((parcel, channel)),
        Err(error) => {
            report(&channel, start::refused(Refusal::Malformed(error.to_string())));
            Err(EXIT_NOT_STARTED)
        }
    }
}

/// A call as the work of a child.
pub(super) fn call(
    entry: &Entry,
    argument: Message,
) -> impl FnOnce(&mut dyn FnMut()) -> Result<Answer, Refusal> {
    move |accept| {
        let Message { bytes, handles } = argument;
        let input = Input { bytes: &bytes, handles, room: Room::default() };
        entry.resolve()?.call(input, accept)
    }
}

/// Does the work that this process was started for, and returns the code to end with.
///
/// `work` calls what it is given when there is nothing left that could be refused. It may fork, and go on
/// in both processes: the copy ends here, and says nothing, since the parent waits for the child.
pub(super) fn live(
    start: Start,
    work: impl FnOnce(&mut dyn FnMut()) -> Result<Answer, Refusal>,
) -> i32 {
    let Start { channel, parent, introduction, dies_with_parent, ancestors, setup, given } = start;
    let channel = Arc::new(channel);
    let parent = current::become_child(introduction, parent);
    if let Some(setup) = setup {
        // SAFETY: this is a fresh program before its `main`, or a copy of a process with one thread;
        // or whoever made it a copy of one with several answers for that.
        if let Err(refusal) = unsafe { setup.apply(given) } {
            report(&channel, start::refused(refusal));
            return EXIT_NOT_STARTED;
        }
    }
    if dies_with_parent && let Err(error) = orphan::end_with(parent, ancestors) {
        let reason = format!("it cannot watch its parent: {error}");
        report(&channel, start::refused(Refusal::Malformed(reason)));
        return EXIT_NOT_STARTED;
    }
    let (of_last_words, child) = (Arc::clone(&channel), Mark::own());
    panics::note_them(move |panic| {
        if child.is_own() {
            tell(&of_last_words, Answer::panicked(panic.clone()));
        }
    });
    let mut accept = || {
        if !report(&channel, Report::Accepted { pid: process::own_pid() }) {
            // To the parent this is a child that did not take its call, and so it must be one.
            end_copy(EXIT_NOT_STARTED);
        }
        current::put_on_badge();
    };
    let done = work(&mut accept);
    if !child.is_own() {
        end_copy(done.map_or(EXIT_NOT_STARTED, |answer| answer.exit_code));
    }
    match done {
        Ok(answer) => tell(&channel, answer),
        Err(refusal) => {
            report(&channel, start::refused(refusal));
            EXIT_NOT_STARTED
        }
    }
}

/// Ends a process that began as a fresh program, as returning from its `main` would.
fn end(code: i32) -> ! {
    #[expect(clippy::exit, reason = "the work of this process is done, and main is not to run")]
    std::process::exit(code)
}

/// Ends a process that may be a copy of its parent, and leaves alone what the parent has to do at its
/// own end.
pub(super) fn end_copy(code: i32) -> ! {
    flush_stdout();
    process::exit_now(code)
}

/// Sends the answer, and returns the code to end with.
fn tell(channel: &MessageSocket, answer: Answer) -> i32 {
    let Answer { message: value, exit_code } = answer;
    send(channel, Parcel { words: Report::Answered, handles: Vec::new(), value });
    exit_code
}

/// Says something to the parent; `false` if it will not hear it, as it is gone or the system has no
/// room.
pub(super) fn report(channel: &MessageSocket, report: Report) -> bool {
    send(channel, Parcel::new(report, Vec::new()))
}

fn send(channel: &MessageSocket, parcel: Parcel<Report>) -> bool {
    parcel.pack().is_ok_and(|message| channel.send(&message, Deadline::NEVER).is_ok())
}
