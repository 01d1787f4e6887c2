//! `mproc`: a look at the processes and shared objects of multiproc, and a way to run jobs.
//!
//! | command | what it does |
//! |---------|--------------|
//! | `ls` | segments, queues, locks and pools of this user |
//! | `ps` | trees of processes that programs of ours have started |
//! | `top` | both, live |
//! | `doctor` | whether the system lets programs of ours work, and what to do where not |
//! | `map` | runs a command for each line of the input, and leaves none behind |
//!
//! Whoever is looked at does not notice, and need not be trusted: see [`ipc_core::inspect`]. What is
//! printed for machines (`--json`) is described in `docs/mproc.md`, and each `schema` stays what it is.
//!
//! `flags.rs` is the whole command line; each command has a file or a folder. The exit status is 0 if
//! all is well, 1 if a command found that it is not, and 2 if it could not do its work.

mod doctor;
mod failure;
mod flags;
mod ls;
mod map;
mod ps;
mod signals;
mod system;
mod table;
mod top;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::failure::{Failure, Result};
use crate::flags::{Command, Flags};

/// What a command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// All is well.
    Well,
    /// All is not well, and it has been said what.
    NotWell,
    /// The signal with this number asked it to stop.
    Interrupted(i32),
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Well => Self::SUCCESS,
            Verdict::NotWell => Self::FAILURE,
            // As a shell tells it.
            Verdict::Interrupted(signal) => Self::from(u8::try_from(128 + signal).unwrap_or(255)),
        }
    }
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(verdict) => verdict.into(),
        // Whoever read the output has had enough of it.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            // If this cannot be written either, the status has to say it all.
            let _told = writeln!(io::stderr(), "mproc: {failure}");
            ExitCode::from(2)
        }
    }
}

fn run(flags: &Flags) -> Result<Verdict> {
    match &flags.command {
        Command::Ls(ls) => ls::run(ls, flags.json),
        Command::Ps(ps) => ps::run(ps, flags.json),
        Command::Top(top) => top::run(top, flags.json),
        Command::Doctor => doctor::run(flags.json),
        Command::Map(map) => map::run(map, flags.json),
    }
}
