//! `mproc map`: a command for each line of the input, several at a time, and none left behind.
//!
//! | file | job |
//! |------|-----|
//! | `mod` | the process that was started: starts the keeper, hears signals, ends what is left |
//! | `keeper` | the process that has the pool: hands out lines, prints what comes back |
//! | `input` | lines as they are asked for, no more of them ahead than there is room for |
//! | `job` | what a worker does: runs the command once |
//! | `report` | what is printed of jobs, and in which order |
//! | `orphans` | ends what nobody looks after any more |
//!
//! # Nobody is left behind
//!
//! ```text
//! mproc            waits; ends all that is below when the keeper is gone
//!  └ keeper        has the pool; ends all that is below when mproc is gone
//!     └ worker     runs one command at a time; ends all that this has left
//!        └ command
//! ```
//!
//! Each of the three is the one to whom orphans below it come (a *subreaper*), so that whoever is killed,
//! the next above finds what is left, however it hides: in a group or session of its own, as a child of a
//! child. A death is told by the kernel: of a worker to the keeper's pool, of the keeper to `mproc`, and of
//! `mproc` to the keeper, by the end of a pipe that only `mproc` can write to.
//!
//! If `mproc` *and* its keeper are killed at the same moment, nobody is left to do so.

mod input;
mod job;
mod keeper;
mod orphans;
mod report;

use std::io::{self, PipeWriter, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use ipc_core::wire::Handle;
use nix::sys::signal::Signal;
use proc_core::{JoinError, Process, Reaper, Start, Stdio};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::Verdict;
use crate::failure::{Failure, Result};
use crate::flags;
use crate::signals::Stoppers;
use keeper::{Ending, Order};

/// Runs the command for each line of the standard input.
pub(crate) fn run(flags: &flags::Map, json: bool) -> Result<Verdict> {
    let reaper = Reaper::adopt_orphans().map_err(Failure::system("look after orphans"))?;
    let (lifeline, ours) = io::pipe().map_err(Failure::system("make a pipe"))?;
    let keeper = Process::builder()
        .name("map-keeper")
        .start(Start::Spawn)
        .stdin(Stdio::inherit())
        // A terminal sends it to all of us: it is for us to say what becomes of it.
        .ignore_signal(Signal::SIGINT as i32)
        .spawn(keeper::keep, (Order::new(flags, json), Handle::from(OwnedFd::from(lifeline))))?;
    // Not before: the keeper, and so the commands, would inherit it.
    let signals = Stoppers::hear().map_err(Failure::system("hear signals"))?;
    let signal = wait(&keeper, &signals, ours).map_err(Failure::system("wait for the jobs"))?;
    let ending = keeper.join();
    orphans::end_all(&reaper).map_err(Failure::system("end the jobs"))?;
    match (signal, ending) {
        (Some(signal), _) => Ok(Verdict::Interrupted(signal)),
        (None, Ok(Ending::AllWell)) => Ok(Verdict::Well),
        // Or not all of the input was done, as nobody wanted to know.
        (None, Ok(Ending::SomeFailed | Ending::OutputClosed)) => Ok(Verdict::NotWell),
        (None, Ok(Ending::Broken(reason))) => Err(Failure::Jobs(reason)),
        (None, Err(JoinError::Panicked(panic))) => Err(Failure::Jobs(panic.to_string())),
        (None, Err(error)) => Err(Failure::Keeper(error)),
    }
}

/// Waits for the keeper's end, and passes on what asks us to stop: first as a request, then as a kill.
///
/// Returns the number of the first such signal.
fn wait(
    keeper: &Process<Ending>,
    signals: &Stoppers,
    mut lifeline: PipeWriter,
) -> io::Result<Option<i32>> {
    let mut first = None;
    loop {
        let mut ready = [
            PollFd::from_borrowed_fd(keeper.sentinel(), PollFlags::IN),
            PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !keeper.is_alive() {
            return Ok(first);
        }
        while let Some(signal) = signals.next()? {
            if first.is_some() {
                keeper.kill()?;
                continue;
            }
            first = Some(signal);
            // If it cannot be told, it is about to end.
            let _told = lifeline.write_all(&[keeper::STOP]);
        }
    }
}
