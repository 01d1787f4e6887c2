//! `cargo xtask ci`: what CI runs: `test`, and what may be depended on.

use crate::{
    cargo,
    failure::Result,
    flags, run,
    test::{self, Done, Step},
    workspace::Workspace,
};

/// What CI checks beyond `test`, where the tool for it is.
const MORE: &[Step] =
    &[Step { name: "supply", what: "licences, sources, duplicates", run: supply }];

/// Runs the steps; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Test) -> Result<String> {
    test::run_with(workspace, "ci", MORE, flags)
}

fn supply(workspace: &Workspace) -> Result<Done> {
    if !cargo::has_subcommand(workspace, "deny") {
        return Ok(Done::Skipped("cargo-deny is not installed".to_owned()));
    }
    // Advisories need their database, and so a network: `cargo deny check` has them too.
    run::program(cargo::command(workspace, "deny").args(["check", "bans", "licenses", "sources"]))?;
    Ok(Done::Passed)
}
