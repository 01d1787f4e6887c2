//! `cargo xtask seeds`: the programs of the seed articles and of the cookbook, and what they print.

use crate::{cargo, failure::Result, flags, run, tally::Tally, workspace::Workspace};

/// The test programs that run example programs.
const RUNNERS: &[&str] = &["seeds", "cookbook"];

/// Runs the programs that were asked for and checks their output; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Seeds) -> Result<String> {
    let mut cargo = cargo::command(workspace, "test");
    cargo.arg("--no-fail-fast");
    for name in RUNNERS {
        for package in workspace.with_test(name) {
            cargo.args(["--package", package.name.as_str()]);
        }
        cargo.args(["--test", name]);
    }
    cargo.arg("--").args(&flags.filters);
    let mut tally = Tally::default();
    let ended = run::lines(&mut cargo, |line| tally.read(line));
    tally.judge("seeds", "programs", "", ended)
}
