//! The fork server, as it is inside: a process with one thread that copies itself when asked to.
//!
//! A copy is made as a child of the process that asked, not of the server; see
//! [`clone`](crate::sys::clone) for how, and for what makes that right. So the server has nobody to
//! wait for, and its death changes nothing for those it has started.
//!
//! It ends when its channel does, or when its parent does: the channel may be held open by a copy of
//! the parent that does not know of it.
//!
//! # The order in which the parent hears
//!
//! Server and child both speak over the child's channel. So that they do not speak at the same time,
//! the child waits at a [gate](Gate) until the server has told of it. If the server dies before, the
//! gate opens too, and the child introduces itself. If both die, the parent finds the child's number
//! on the [board](Board).
//!
//! The child takes its call only when the parent says so, which it does when it has the child in its
//! hands. A parent that could not find out what became of its request says nothing, and can ask again:
//! nothing runs twice.

#![expect(unsafe_code, reason = "copies the process")]

use std::os::fd::{AsFd as _, OwnedFd};

use ipc_core::Deadline;
use ipc_core::wire::{self, Limits, Message, MessageSocket};

use crate::call::Refusal;
use crate::entry::Entry;
use crate::start;
use crate::start::board::Board;
use crate::start::frame::{Call, Order, Parcel, Report};
use crate::start::gate::Gate;
use crate::start::inside::{EXIT_NOT_STARTED, Start, report};
use crate::sys::clone::{self, Copied, Places};
use crate::sys::process::{self, Disposition, Signal};

/// What became of a process that was to be the fork server.
#[derive(Debug)]
pub(super) enum Served {
    /// It is a copy of the server now, and is to make this call.
    Start(Box<Start>, Entry, Message),
    /// It was the server, and ends with this code.
    Over(i32),
}

/// Starts children until nobody can ask for any more.
pub(super) fn serve(channel: MessageSocket, parent: OwnedFd, board: Message) -> Served {
    process::set_thread_name("fork-server");
    let board: Board = match wire::decode(board) {
        Ok(board) => board,
        Err(error) => return refuse(&channel, &format!("it has no board: {error}")),
    };
    // Ctrl-C is for the program and its children. It goes to all of them, but ends only those that
    // do not want to do something else about it.
    let interrupt = process::set_disposition(Signal::INT, Disposition::Ignore);
    let places = match Places::find() {
        Some(places) if process::thread_count().is_ok_and(|count| count == 1) => places,
        Some(_) => return refuse(&channel, "the program starts threads before main"),
        None => return refuse(&channel, "this libc or kernel hides what a copy has to set anew"),
    };
    report(&channel, Report::Accepted { pid: process::own_pid() });
    loop {
        let Ok(ready) = process::poll_two(Some(channel.as_fd()), parent.as_fd(), Deadline::NEVER)
        else {
            return Served::Over(EXIT_NOT_STARTED);
        };
        if ready.second {
            return Served::Over(0);
        }
        let request = match channel.recv(&Limits::NONE, Deadline::NEVER) {
            Ok(Some(message)) => Parcel::<Order>::unpack(message),
            Ok(None) => return Served::Over(0),
            // What comes next cannot be told any more. A new server will do better.
            Err(_) => return Served::Over(EXIT_NOT_STARTED),
        };
        // A request that is not one is dropped, and with it whoever asked learns that it failed.
        let Ok(parcel) = request else { continue };
        if let Some((of_child, parcel)) = start_one(parcel, places, &board)
            && let Order::Start(call) = parcel.words
        {
            drop((channel, board));
            process::set_disposition(Signal::INT, interrupt);
            let Call { entry, introduction, dies_with_parent, setup } = call;
            let start = Start {
                channel: of_child,
                parent,
                introduction,
                dies_with_parent,
                setup,
                given: parcel.handles,
                waits_for_parent: true,
            };
            return Served::Start(Box::new(start), entry, parcel.value);
        }
    }
}

/// Starts one child; returns its channel, and the rest of the request, in that child only.
fn start_one(
    mut parcel: Parcel<Order>,
    places: Places,
    board: &Board,
) -> Option<(MessageSocket, Parcel<Order>)> {
    let of_child = MessageSocket::from_fd(parcel.take_handle().ok()?).ok()?;
    let Order::Start(_) = &parcel.words else { return None };
    let copied = Gate::new().and_then(|gate| {
        // SAFETY:
        // - This process has one thread: it was counted when the server began, and nothing that
        //   runs here starts any.
        // - The places were found for that thread.
        // - The board has room for the number, and makes no reference to it.
        let copied = unsafe { clone::copy_as_sibling(places, board.place()) }?;
        Ok((copied, gate))
    });
    match copied {
        Ok((Copied::Copy, gate)) => {
            if !gate.pass() {
                report(&of_child, Report::Started { pid: process::own_pid() });
            }
            Some((of_child, parcel))
        }
        Ok((Copied::Original(pid), gate)) => {
            if report(&of_child, Report::Started { pid }) {
                gate.open();
            }
            // If the parent could not be told, the child finds the gate gone and says so itself.
            None
        }
        Err(error) => {
            report(&of_child, Report::NotStarted { error: error.raw_os_error().unwrap_or(0) });
            None
        }
    }
}

fn refuse(channel: &MessageSocket, reason: &str) -> Served {
    report(channel, start::refused(Refusal::Malformed(reason.to_owned())));
    Served::Over(EXIT_NOT_STARTED)
}
