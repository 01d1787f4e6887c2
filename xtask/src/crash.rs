//! `cargo xtask crash`: the sweeps, and the random schedules against references, in the world where
//! a process dies before its n-th access.

use crate::{failure::Result, flags, run, tally::Tally, workspace::Workspace, worlds::World};

/// Runs the sweeps that were asked for; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Crash) -> Result<String> {
    let crates = workspace.with_test("crash");
    if crates.is_empty() {
        return Ok("crash: nothing to run yet: no crate has a tests/crash.rs".to_owned());
    }
    let mut cargo = World::Crash.cargo(workspace, "test");
    cargo.args(["--no-fail-fast", "--test", "crash", "--test", "schedules"]);
    for package in &crates {
        cargo.args(["--package", package.name.as_str()]);
    }
    cargo.arg("--").args(&flags.filters);
    let mut tally = Tally::default();
    let ended = run::lines(&mut cargo, |line| tally.read(line));
    tally.judge("crash", "sweeps", "", ended)
}
