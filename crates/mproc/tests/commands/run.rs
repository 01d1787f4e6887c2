//! Running the program that is tested.

use std::process::Command;
use std::time::Duration;

use ipc_core::ProcessId;
use rustix::process::{Pid, Signal, kill_process};
use testkit::Watchdog;

/// How a run ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program, to be run.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mproc"));
    command.args(arguments);
    command
}

/// Runs it.
pub(crate) fn mproc(arguments: &[&str]) -> Ran {
    let _watch = Watchdog::start(Duration::from_secs(120), "a run of mproc");
    let output = command(arguments).output().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs it, and reads what it wrote as JSON.
pub(crate) fn json(arguments: &[&str]) -> serde_json::Value {
    let ran = mproc(arguments);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The number of this process.
pub(crate) fn own_pid() -> u32 {
    ProcessId::current().unwrap().pid()
}

/// Sends a signal to a process that is known to be there.
pub(crate) fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Kills a process that is known to be there.
pub(crate) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}
