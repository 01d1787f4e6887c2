//! `cargo xtask san`: the tests as instrumented builds see them, on a nightly toolchain.
//!
//! | tool      | what it finds | what it runs |
//! |-----------|---------------|--------------|
//! | `address` | reads and writes of what is not ours | all tests but the proofs by killing |
//! | `thread`  | accesses of two threads that nothing orders | the tests of threads in one process |
//! | `miri`    | whatever the language leaves undefined | the parts that need no kernel |
//!
//! What each of them leaves out, and why, is in `plan.rs`, and said by `--list`. `docs/fuzzing.md` says
//! what they found.

mod plan;

use std::process::Command;

use crate::{
    failure::{Failure, Result},
    flags::{self, Tool},
    nightly::{self, Part},
    run,
    tally::Tally,
    test::PROOFS,
    workspace::Workspace,
};
use plan::{Plan, Programs};

/// Runs the tools that were asked for; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::San) -> Result<String> {
    let all = [Tool::Address, Tool::Thread, Tool::Miri];
    let tools = if flags.tools.is_empty() { &all[..] } else { &flags.tools };
    if flags.list {
        for tool in tools {
            print!("{}", Plan::of(*tool));
        }
        return Ok(format!("san: {} tools", tools.len()));
    }
    for package in &flags.packages {
        if !tools.iter().any(|tool| Plan::of(*tool).has(package)) {
            return Err(Failure::new(format!("san: nothing is run of {package}: see --list")));
        }
    }
    let mut tally = Tally::default();
    let mut failures = vec![];
    for &tool in tools {
        nightly::need(workspace, "san", parts(tool))?;
        let plan = Plan::of(tool);
        for (package, programs) in plan.packages {
            if !flags.packages.is_empty() && !flags.packages.iter().any(|wanted| wanted == package)
            {
                continue;
            }
            let mut cargo = cargo(workspace, tool, package, *programs);
            cargo.arg("--").args(plan.skipped.iter().flat_map(|(name, _)| ["--skip", name]));
            let ended = run::lines(&mut cargo, |line| tally.read(line));
            failures.extend(ended.err().map(|failure| failure.to_string()));
        }
    }
    let how = if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n"))) };
    tally.judge("san", "tests", "", how)
}

/// What a tool needs.
fn parts(tool: Tool) -> &'static [Part] {
    match tool {
        Tool::Address | Tool::Thread => &[Part::Toolchain, Part::Source],
        Tool::Miri => &[Part::Toolchain, Part::Miri],
    }
}

/// The tests of one crate, as the tool runs them.
fn cargo(workspace: &Workspace, tool: Tool, package: &str, programs: Programs) -> Command {
    let mut cargo = match tool {
        Tool::Address => sanitized(workspace, "address"),
        Tool::Thread => sanitized(workspace, "thread"),
        Tool::Miri => miri(workspace),
    };
    cargo.args(["--no-fail-fast", "--package", package, "--lib"]);
    let tests = workspace.tests_of(package);
    let wanted = |name: &&&str| match programs {
        Programs::Lib => false,
        Programs::All => !PROOFS.contains(*name),
        Programs::Only(names) => names.contains(*name),
    };
    cargo.args(tests.iter().filter(wanted).flat_map(|name| ["--test", name]));
    cargo
}

/// `cargo test` with a sanitizer in everything, the standard library among it.
fn sanitized(workspace: &Workspace, sanitizer: &str) -> Command {
    let mut cargo = nightly::command(workspace, "test");
    cargo.args(["-Zbuild-std", "--target", &nightly::host()]);
    cargo.arg("--target-dir").arg(workspace.target_dir(sanitizer));
    cargo.env("RUSTFLAGS", format!("-Zsanitizer={sanitizer}"));
    // Tests forget guards on purpose, and the kit looks for what is left behind itself. And a wrong
    // entry may lead into the guards between the program's variables, where it is read and refused.
    cargo.env("ASAN_OPTIONS", "detect_leaks=0:report_globals=0");
    cargo
}

fn miri(workspace: &Workspace) -> Command {
    let mut cargo = nightly::command(workspace, "miri");
    cargo.arg("test").arg("--target-dir").arg(workspace.target_dir("miri"));
    // The system calls take addresses as numbers.
    cargo.env("MIRIFLAGS", "-Zmiri-disable-isolation -Zmiri-permissive-provenance");
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tool_runs_the_proofs_that_kill() {
        for tool in [Tool::Address, Tool::Thread, Tool::Miri] {
            for (_, programs) in Plan::of(tool).packages {
                if let Programs::Only(names) = programs {
                    assert!(names.iter().all(|name| !PROOFS.contains(name)));
                }
            }
        }
    }
}
