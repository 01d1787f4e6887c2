//! `cargo xtask seeds`: the programs of the seed articles, and what they print.

use crate::{cargo, failure::Result, flags, run, tally::Tally, workspace::Workspace};

/// Runs the programs that were asked for and checks their output; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Seeds) -> Result<String> {
    let crates = workspace.with_test("seeds");
    if crates.is_empty() {
        return Ok("seeds: nothing to run yet: no crate has a tests/seeds.rs".to_owned());
    }
    let mut cargo = cargo::command(workspace, "test");
    cargo.args(["--no-fail-fast", "--test", "seeds"]);
    for package in &crates {
        cargo.args(["--package", package.name.as_str()]);
    }
    cargo.arg("--").args(&flags.filters);
    let mut tally = Tally::default();
    let ended = run::lines(&mut cargo, |line| tally.read(line));
    tally.judge("seeds", "programs", "", ended)
}
