//! `cargo xtask loom`: the models, in the world where loom stands behind the door.
//!
//! Loom runs each model in every order that its threads could take, up to a number of
//! preemptions. The models are built for speed but keep their assertions: profile `model`.

use crate::{
    failure::{Failure, Result},
    flags, run,
    workspace::Workspace,
    worlds::World,
};

/// How many times a thread may be preempted in one execution, in the quick form and in the full.
const PREEMPTIONS: (&str, &str) = ("2", "3");

/// The variable through which loom is told.
const BOUND: &str = "LOOM_MAX_PREEMPTIONS";

/// Runs the models that were asked for; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Loom) -> Result<String> {
    let crates = workspace.with_test("model");
    if crates.is_empty() {
        return Ok("loom: nothing to run yet: no crate has a tests/model.rs".to_owned());
    }
    let bound = if flags.full { PREEMPTIONS.1 } else { PREEMPTIONS.0 };
    let bound = std::env::var(BOUND).unwrap_or_else(|_| bound.to_owned());
    let mut cargo = World::Loom.cargo(workspace, "test");
    cargo.args(["--profile", "model", "--no-fail-fast", "--test", "model"]);
    for package in &crates {
        cargo.args(["--package", package.name.as_str()]);
    }
    cargo.env(BOUND, &bound).env("TESTKIT_FULL", if flags.full { "1" } else { "0" });
    cargo.arg("--").args(&flags.filters);
    let mut tally = Tally::default();
    let ended = run::lines(&mut cargo, |line| tally.read(line));
    tally.judge("loom", "models", &format!(", {bound} preemptions"), ended)
}

/// What the lines of the test harness add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// Reads a line of a test program; only its last one counts.
    pub(crate) fn read(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        let rest = rest.split_once(". ").map_or(rest, |(_, rest)| rest);
        for part in rest.split("; ") {
            match part.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }

    /// The summary line, as a success or as a failure.
    pub(crate) fn judge(
        self,
        name: &str,
        things: &str,
        how: &str,
        ended: Result,
    ) -> Result<String> {
        let Self { passed, failed } = self;
        let line = format!("{name}: {} {things}{how}, {failed} failed", passed + failed);
        match ended {
            // A program that died before its last line failed too.
            Err(failure) => {
                println!("{failure}");
                Err(Failure::new(line))
            }
            Ok(()) if passed + failed == 0 => {
                Err(Failure::new(format!("{name}: nothing has this name")))
            }
            Ok(()) => Ok(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_the_programs_add_up() {
        let mut tally = Tally::default();
        tally.read("running 3 tests");
        tally.read("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out");
        tally.read("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured");
        assert_eq!(tally, Tally { passed: 4, failed: 2 });
        let failure = tally.judge("loom", "models", "", Err(Failure::new("x"))).unwrap_err();
        assert_eq!(failure.to_string(), "loom: 6 models, 2 failed");
    }

    #[test]
    fn nothing_run_is_not_a_success() {
        assert!(Tally::default().judge("loom", "models", "", Ok(())).is_err());
        let one = Tally { passed: 1, failed: 0 };
        assert_eq!(one.judge("crash", "sweeps", "", Ok(())).unwrap(), "crash: 1 sweeps, 0 failed");
    }
}
