//! A child as a copy of this process.
//!
//! # Safety
//!
//! A copy has only the thread that made it. If there were others, what they were doing stays
//! half-done in the copy, and locks they held stay locked; so the threads are counted first. While
//! there is one thread, nothing can start another but that thread itself.
#![expect(unsafe_code, reason = "fork")]

use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::panic::{self, AssertUnwindSafe};

use ipc_core::wire::{Message, MessageSocket};
use serde::Serialize;

use crate::call::{self, Answer, Refusal};
use crate::children;
use crate::entry::Entry;
use crate::error::StartError;
use crate::exit::ExitStatus;
use crate::fork::{self, check_copyable};
use crate::start::gate::Gate;
use crate::start::inside::{self, EXIT_NOT_STARTED, Start};
use crate::start::{self, Plan, Started, orphan};
use crate::stdio::Pipes;
use crate::sys::files;
use crate::sys::process;

/// Starts a child for a call.
pub(super) fn start(
    entry: &Entry,
    mut plan: Plan<'_>,
    argument: Message,
) -> Result<Started, StartError> {
    check_copyable()?;
    if let Some(passed_on) = &mut plan.passed_on {
        passed_on.extend(argument.handles.iter().map(AsRawFd::as_raw_fd));
    }
    // SAFETY: this process has one thread, as was checked above.
    unsafe { copy(plan, inside::call(entry, argument)) }
}

/// Starts a child that calls a closure with everything it has captured.
pub(crate) fn start_closure<R: Serialize>(
    plan: Plan<'_>,
    closure: impl FnOnce() -> R,
) -> Result<Started, StartError> {
    check_copyable()?;
    // SAFETY: this process has one thread, as was checked above.
    unsafe { start_closure_with_threads(plan, closure) }
}

/// The same, however many threads this process has.
///
/// # Safety
///
/// Of what the other threads were doing, the closure must need nothing: no lock that one of them may
/// have held, that of the allocator neither.
pub(crate) unsafe fn start_closure_with_threads<R: Serialize>(
    plan: Plan<'_>,
    closure: impl FnOnce() -> R,
) -> Result<Started, StartError> {
    let work = |accept: &mut dyn FnMut()| {
        accept();
        Ok(call::run_inherited(closure))
    };
    // SAFETY: the duty is the caller's.
    unsafe { copy(plan, work) }
}

/// Copies this process and does the work in the copy.
///
/// # Safety
///
/// If this process has several threads, `work` must need nothing of what the others were doing.
unsafe fn copy(
    plan: Plan<'_>,
    work: impl FnOnce(&mut dyn FnMut()) -> Result<Answer, Refusal>,
) -> Result<Started, StartError> {
    children::reap_abandoned();
    let deadline = plan.deadline;
    let own_pidfd =
        process::open_own_pidfd().map_err(StartError::system("open its own descriptor"))?;
    let (channel, of_child) =
        MessageSocket::pair().map_err(StartError::system("make a pair of sockets"))?;
    let ancestors = orphan::ancestors(plan.dies_with_parent);
    let gate = Gate::new().map_err(StartError::system("make a pipe"))?;
    // SAFETY: the duty is the caller's; what runs here in the child before and after `work` makes
    // calls and takes memory, which is right in a copy of a process with one thread.
    let copied = unsafe { fork::copy() }.map_err(StartError::system("fork"))?;
    let Some(pid) = copied else {
        drop(channel);
        *plan.pipes = Pipes::default();
        // Whether or not we are known by now, our parent has us at the other end of the channel.
        let _opened = gate.pass();
        let start = Start {
            channel: of_child,
            parent: own_pidfd,
            introduction: plan.introduction,
            dies_with_parent: plan.dies_with_parent,
            ancestors,
            setup: plan.setup,
            given: plan.given,
        };
        // Whatever happens, what called us in the parent must not run here as well.
        let passed_on = plan.passed_on;
        let lived = panic::catch_unwind(AssertUnwindSafe(|| live(start, passed_on, work)));
        inside::end_copy(lived.unwrap_or(EXIT_NOT_STARTED))
    };
    drop((of_child, own_pidfd, ancestors));
    match start::adopt(pid) {
        Ok(child) => {
            // Not before: the child may end at once, and its number be another one's.
            gate.open();
            start::await_acceptance(channel, child, deadline)
        }
        // Somebody has killed it before the gate, and its status is taken.
        Err(error) if process::is_no_such_process(&error) => {
            Err(StartError::Died { pid, status: ExitStatus::Unknown })
        }
        Err(error) => {
            // Without a descriptor for it we cannot look after it, so it must not pass.
            start::discard(pid);
            Err(StartError::System { action: "open the child's descriptor", error })
        }
    }
}

fn live(
    start: Start,
    passed_on: Option<Vec<RawFd>>,
    work: impl FnOnce(&mut dyn FnMut()) -> Result<Answer, Refusal>,
) -> i32 {
    match prepare(&start, passed_on) {
        Ok(()) => inside::live(start, work),
        Err(refusal) => {
            inside::report(&start.channel, start::refused(refusal));
            EXIT_NOT_STARTED
        }
    }
}

/// Changes what a copy has and a fresh program would not have.
fn prepare(start: &Start, passed_on: Option<Vec<RawFd>>) -> Result<(), Refusal> {
    let failed = |what: &'static str| {
        move |error: std::io::Error| Refusal::Setup(what.to_owned(), error.to_string())
    };
    files::empty_stdin().map_err(failed("empty its standard input"))?;
    let Some(mut kept) = passed_on else { return Ok(()) };
    kept.extend(start.given.iter().chain(&start.ancestors).map(AsRawFd::as_raw_fd));
    kept.extend([start.channel.as_fd().as_raw_fd(), start.parent.as_raw_fd()]);
    files::let_go_of_all_but(&kept).map_err(failed("let go of its descriptors"))
}
