//! A child as a fresh run of this program.
//!
//! The program is named `/proc/self/exe`, which is the file that this process runs, also if it was
//! found through `PATH` or a link, and if another file has its name by now or none.

use std::env;
use std::ffi::{CString, OsString};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::sync::Arc;

use ipc_core::wire::{Message, MessageSocket};
use ipc_core::{Deadline, name_missing_proc};

use crate::child::Child;
use crate::children;
use crate::error::StartError;
use crate::exit::ExitStatus;
use crate::start::frame::{Call, Order, Parcel};
use crate::start::{self, Started};
use crate::sys::process;
use crate::sys::wait::{self, Block};
use crate::sys::{exec, hook};

/// Starts a child for a call.
pub(super) fn start(
    call: Call,
    given: Vec<OwnedFd>,
    argument: Message,
    deadline: Deadline,
) -> Result<Started, StartError> {
    children::reap_abandoned();
    let (channel, child) = launch(Order::Call(Box::new(call)), given, argument)?;
    start::await_acceptance(channel, child, deadline)
}

/// Starts a child and tells it what to do; whether it will is yet to be heard.
pub(super) fn launch(
    order: Order,
    given: Vec<OwnedFd>,
    value: Message,
) -> Result<(MessageSocket, Arc<Child>), StartError> {
    let own_pidfd =
        process::open_own_pidfd().map_err(StartError::system("open its own descriptor"))?;
    let mut handles = given;
    handles.push(own_pidfd);
    let parcel = Parcel { words: order, handles, value };
    let message = parcel.pack().map_err(StartError::system("pass the argument"))?;
    let (channel, child) = run_program()?;
    start::tell(channel, &message, &child).map(|channel| (channel, child))
}

/// Runs this program again, with a channel to it.
pub(super) fn run_program() -> Result<(MessageSocket, Arc<Child>), StartError> {
    if !hook::is_in_place() {
        return Err(StartError::NoEntrance);
    }
    let (channel, of_child) =
        MessageSocket::pair().map_err(StartError::system("make a pair of sockets"))?;
    let pid = exec::spawn(
        c"/proc/self/exe",
        &arguments(),
        &environment(),
        (of_child.as_fd(), hook::CHANNEL),
    )
    .map_err(name_missing_proc)
    .map_err(StartError::system("run the program"))?;
    drop(of_child);
    match start::adopt(pid) {
        Ok(child) => Ok((channel, child)),
        Err(error) => {
            // Without a descriptor for it we cannot look after it. It ends when it finds nobody at
            // the other end of its channel.
            drop(channel);
            let status = wait::wait_pid(pid, Block::Yes);
            Err(match status {
                Ok(_) => StartError::System { action: "open the child's descriptor", error },
                Err(_) => StartError::Died { pid, status: ExitStatus::Unknown },
            })
        }
    }
}

/// The arguments of this process: for code in the child that looks at them.
fn arguments() -> Vec<CString> {
    env::args_os().filter_map(c_string).collect()
}

/// The environment of this process, and the mark that makes the program a child.
fn environment() -> Vec<CString> {
    let marker = hook::MARKER.to_bytes();
    let ours = [marker, b"=", hook::CHANNEL.to_string().as_bytes()].concat();
    env::vars_os()
        .filter(|(name, _)| name.as_encoded_bytes() != marker)
        .filter_map(|(mut variable, value)| {
            variable.push("=");
            variable.push(value);
            c_string(variable)
        })
        .chain(CString::new(ours))
        .collect()
}

/// What came from the system has no zero inside.
fn c_string(text: OsString) -> Option<CString> {
    CString::new(text.into_vec()).ok()
}
