//! The fork server, as it is inside: a process with one thread that copies itself when asked to.
//!
//! A copy is made as a child of the process that asked, not of the server; see
//! [`clone`](crate::sys::clone) for how, and for what makes that right. So the server has nobody to
//! wait for, and its death changes nothing for those it has started.
//!
//! The server reads nothing of what its user wants done: a request is a number, and the channel over
//! which the copy is to hear the rest. So no request can harm it, and all take it the same time.
//!
//! Server and copies end when their channel does, or when their parent does: a channel may be held
//! open by a copy of the parent that does not know of it.
//!
//! # What a death leaves
//!
//! The server notes on the [board](Board) which request it looks at, copies itself, and tells the
//! copy's number over the copy's channel. The copy says nothing until it is told what to call.
//!
//! | the server dies          | channel           | board               | what the parent knows       |
//! |--------------------------|-------------------|---------------------|-----------------------------|
//! | before it looks          | ends              | another request     | there is no copy            |
//! | before the kernel's copy | ends              | this request, zero  | there is no copy            |
//! | before it tells          | open, and silent  | this request, number| the number                  |
//! | after it has told        | says the number   | any                 | the number                  |
//!
//! A copy that dies is a dead child of the parent, which learns its number in one of these ways.

#![expect(unsafe_code, reason = "copies the process")]

use std::os::fd::{AsFd as _, OwnedFd};

use ipc_core::Deadline;
use ipc_core::wire::{self, Limits, Message, MessageSocket};

use crate::call::{self, Input, Outcome, Refusal, Room};
use crate::entry::Entry;
use crate::fork::flush_stdout;
use crate::inspect::{self, Role};
use crate::start;
use crate::start::board::Board;
use crate::start::frame::{Order, Parcel, Report};
use crate::start::inside::{EXIT_NOT_STARTED, report};
use crate::sys::clone::{self, Copied, Places};
use crate::sys::signal::{self, Disposition, Signal};
use crate::sys::text;
use crate::sys::{poll, proc, process};

/// What became of a process that was to be the fork server.
#[derive(Debug)]
pub(super) enum Served {
    /// It is a copy of the server now.
    Told(Box<Told>),
    /// It has nothing more to do, and ends with this code.
    Over(i32),
}

/// A copy of the server that has heard what to do.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) order: Parcel<Order>,
    /// To its parent.
    pub(super) channel: MessageSocket,
    /// Of its parent.
    pub(super) parent: OwnedFd,
}

/// Makes copies until nobody can ask for any more.
pub(super) fn serve(
    channel: MessageSocket,
    parent: OwnedFd,
    board: Message,
    preload: Option<&Entry>,
) -> Served {
    process::set_thread_name("fork-server");
    let badge = inspect::put_on("fork-server", process::parent_pid(), Role::ForkServer).ok();
    let board: Board = match wire::decode(board) {
        Ok(board) => board,
        Err(error) => return refuse(&channel, malformed(&format!("it has no board: {error}"))),
    };
    // Ctrl-C is for the program and its children. It goes to all of them, but ends only those that
    // do not want to do something else about it.
    let interrupt = signal::set_disposition(Signal::INT, Disposition::Ignore);
    let Some(places) = Places::find() else {
        return refuse(
            &channel,
            malformed("this libc or kernel hides what a copy has to set anew"),
        );
    };
    if !is_single() {
        return refuse(&channel, malformed("the program starts threads before main"));
    }
    if let Some(Err(refusal)) = preload.map(prepare) {
        return refuse(&channel, refusal);
    }
    text::is_to_be_copied();
    if !report(&channel, Report::Accepted { pid: process::own_pid() }) {
        // The parent would wait for it.
        return Served::Over(EXIT_NOT_STARTED);
    }
    let of_copy = loop {
        let request = match hear(&channel, &parent) {
            // A request that is not one is dropped, and with it whoever asked learns that it failed.
            Ok(request) => Parcel::<Order>::unpack(request),
            Err(code) => return Served::Over(code),
        };
        match request.map(|request| copy_for(request, places, &board)) {
            Ok(Step::Copy(of_copy)) => break of_copy,
            Ok(Step::Next) | Err(_) => {}
            Ok(Step::End) => return Served::Over(EXIT_NOT_STARTED),
        }
    };
    process::set_thread_name("fork-spare");
    drop((channel, board, badge));
    match hear(&of_copy, &parent).map(Parcel::<Order>::unpack) {
        Ok(Ok(order)) => {
            signal::set_disposition(Signal::INT, interrupt);
            Served::Told(Box::new(Told { order, channel: of_copy, parent }))
        }
        Ok(Err(error)) => refuse(&of_copy, malformed(&error.to_string())),
        Err(code) => Served::Over(code),
    }
}

/// Waits for the next message; the code to end with if none will come.
fn hear(channel: &MessageSocket, parent: &OwnedFd) -> Result<Message, i32> {
    match poll::poll_two(Some(channel.as_fd()), parent.as_fd(), Deadline::NEVER) {
        // Nobody would hear of what is done for a dead parent.
        Ok(ready) if ready.second => Err(0),
        Ok(_) => match channel.recv(&Limits::NONE, Deadline::NEVER) {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(0),
            // What comes next cannot be told any more. Another process will do better.
            Err(_) => Err(EXIT_NOT_STARTED),
        },
        Err(_) => Err(EXIT_NOT_STARTED),
    }
}

/// What is next after a request.
enum Step {
    /// This is the copy now; its channel.
    Copy(MessageSocket),
    /// The next request.
    Next,
    /// The end: the parent could not be told, and learns it from the board when the server is dead.
    End,
}

/// Makes one copy.
fn copy_for(mut request: Parcel<Order>, places: Places, board: &Board) -> Step {
    let of_copy = request.take_handle().and_then(MessageSocket::from_fd);
    let (Ok(of_copy), Order::Copy { request }) = (of_copy, request.words) else {
        return Step::Next;
    };
    board.look_at(request);
    // SAFETY:
    // - This process has one thread: it was counted when the server began, and nothing that runs
    //   here starts any.
    // - The places were found for that thread.
    // - The board has room for the number, and makes no reference to it.
    let said = match unsafe { clone::copy_as_sibling(places, board.place()) } {
        Ok(Copied::Copy) => return Step::Copy(of_copy),
        Ok(Copied::Original(pid)) => Report::Copied { pid },
        Err(error) => Report::NotCopied { error: error.raw_os_error().unwrap_or(0) },
    };
    if report(&of_copy, said) { Step::Next } else { Step::End }
}

/// Calls the function that is to be called before.
fn prepare(preload: &Entry) -> Result<(), Refusal> {
    let input = Input { bytes: &[], handles: Vec::new(), room: Room::default() };
    let answer = preload.resolve()?.call(input, &mut || ())?;
    if let Ok(Outcome::Panicked(panic)) = call::outcome::<()>(answer.message) {
        return Err(Refusal::Preload(panic.to_string()));
    }
    // Or every copy would write it.
    flush_stdout();
    if is_single() {
        Ok(())
    } else {
        Err(Refusal::Preload("it has started threads, which a copy would not have".to_owned()))
    }
}

fn is_single() -> bool {
    proc::thread_count().is_ok_and(|count| count == 1)
}

fn malformed(reason: &str) -> Refusal {
    Refusal::Malformed(reason.to_owned())
}

fn refuse(channel: &MessageSocket, refusal: Refusal) -> Served {
    report(channel, start::refused(refusal));
    Served::Over(EXIT_NOT_STARTED)
}
