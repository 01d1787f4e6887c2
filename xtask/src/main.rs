//! Every command of the project, as `cargo xtask COMMAND`.
//!
//! | command | what it does |
//! |---------|--------------|
//! | `test`  | everything a change must pass |
//! | `ci`    | what CI runs: `test`, and what may be depended on |
//! | `tidy`  | the rules that no compiler checks: layers, edges, docs, the door |
//! | `loom`  | the models: every interleaving of a few threads, and their deaths |
//! | `crash` | the sweeps in the crash world: death before every access |
//! | `kill`  | the sweeps by single steps: death after every instruction |
//! | `storm` | random kills, and an audit of every message |
//! | `seeds` | the programs of the seed articles and of the cookbook, and what they print |
//! | `bench` | measurements beside rivals |
//! | `fuzz`  | bytes that a stranger could write |
//! | `package` | whether every crate could be published as it is |
//! | `semver` | whether a change breaks those who depend on us |
//! | `deps`  | what each crate brings along when it is used alone |
//! | `san`   | the tests as instrumented builds see them |
//!
//! Each command ends with one summary line, and with a failure code if something failed.
//! `flags.rs` is the whole command line; each command has a file.

#![expect(
    clippy::print_stdout,
    reason = "a program for people at a terminal: what it prints is what it is for"
)]

mod bench;
mod cargo;
mod ci;
mod complaints;
mod crash;
mod deps;
mod failure;
mod flags;
mod fuzz;
mod kill;
mod loom;
mod nightly;
mod package;
mod page;
mod proofs;
mod report;
mod run;
mod san;
mod seeds;
mod semver;
mod storm;
mod tally;
mod test;
mod tidy;
mod workspace;
mod worlds;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    failure::Result,
    flags::{Command, Flags},
    workspace::Workspace,
};

fn main() -> ExitCode {
    match dispatch(&Flags::parse()) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            // Where the summary of a success goes too: scripts read one place.
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command that was asked for; returns its summary line.
fn dispatch(flags: &Flags) -> Result<String> {
    let workspace = Workspace::load()?;
    match &flags.command {
        Command::Test(flags) => test::run(&workspace, flags),
        Command::Ci(flags) => ci::run(&workspace, flags),
        Command::Tidy(flags) => tidy::run(&workspace, flags),
        Command::Loom(flags) => loom::run(&workspace, flags),
        Command::Crash(flags) => crash::run(&workspace, flags),
        Command::Kill(flags) => kill::run(&workspace, flags),
        Command::Storm(flags) => storm::run(&workspace, flags),
        Command::Seeds(flags) => seeds::run(&workspace, flags),
        Command::Bench(flags) => bench::run(&workspace, flags),
        Command::Fuzz(flags) => fuzz::run(&workspace, flags),
        Command::Package(flags) => package::run(&workspace, flags),
        Command::Semver(flags) => semver::run(&workspace, flags),
        Command::Deps(flags) => deps::run(&workspace, flags),
        Command::San(flags) => san::run(&workspace, flags),
    }
}
