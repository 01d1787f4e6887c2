//! A system without `/proc`, as in a bare `chroot`: what cannot be done says why.
//!
//! Where this user may not make a namespace of mounts, or has no `unshare`, this says so, and is skipped.

#![expect(clippy::print_stderr, reason = "it says why it is skipped")]

use std::env;
use std::process::{Command, ExitCode, ExitStatus};

use ipc_core::{Kind, Segment};
use proc_core::{Builder, Process, Start};
use testkit::{Outcome, Report};

const INSIDE: &str = "PROC_CORE_WITHOUT_PROC";

/// Of the program inside: there is a `/proc` all the same.
const SKIPPED: i32 = 77;

fn main() -> ExitCode {
    if env::var_os(INSIDE).is_some() {
        return inside();
    }
    testkit::main(&[("without /proc whatever fails says so", whatever_fails_says_so)])
}

fn whatever_fails_says_so() -> Outcome {
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", "mount -t tmpfs none /proc || exit 77; exec \"$0\""]);
    let status = command.arg(env::current_exe()?).env(INSIDE, "").status();
    let code = status.as_ref().map(ExitStatus::code);
    match code {
        Ok(Some(0)) => {}
        // `unshare` says 1 where it may not.
        Ok(Some(1 | SKIPPED)) | Err(_) => {
            eprintln!("SKIPPED: there can be no mounts here: {status:?}");
        }
        Ok(code) => return Err(format!("the program inside ended with {code:?}").into()),
    }
    Ok(Report::PASSED)
}

/// Tries all that needs it.
fn inside() -> ExitCode {
    let spawned = |start| Builder::new().start(start).spawn(|(): ()| (), ()).map(drop);
    let told = [
        Segment::create(Kind::new(*b"example\0", 1), 0, 64).map(drop).map_err(|e| e.to_string()),
        spawned(Start::Spawn).map_err(|error| error.to_string()),
        spawned(Start::ForkServer).map_err(|error| error.to_string()),
        Process::spawn(|(): ()| (), ()).map(drop).map_err(|error| error.to_string()),
    ];
    let is_told = |told: &Result<(), String>| {
        told.as_ref().is_err_and(|error| error.ends_with("`/proc` is not mounted"))
    };
    if told.iter().all(is_told) {
        return ExitCode::SUCCESS;
    }
    eprintln!("{told:?}");
    ExitCode::from(78)
}
