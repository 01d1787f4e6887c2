//! `cargo xtask loom`: the models, in the world where loom stands behind the door.
//!
//! Loom runs each model in every order that its threads could take, up to a number of
//! preemptions. The models are built for speed but keep their assertions: profile `model`.

use crate::{failure::Result, flags, run, tally::Tally, workspace::Workspace, worlds::World};

/// How many times a thread may be preempted in one execution, in the quick form and in the full.
const PREEMPTIONS: (&str, &str) = ("2", "3");

/// The variable through which loom is told.
const BOUND: &str = "LOOM_MAX_PREEMPTIONS";

/// Runs the models that were asked for; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Loom) -> Result<String> {
    let crates = workspace.with_test("model");
    if crates.is_empty() {
        return Ok("loom: nothing to run yet: no crate has a test `model`".to_owned());
    }
    let bound = if flags.full { PREEMPTIONS.1 } else { PREEMPTIONS.0 };
    let bound = std::env::var(BOUND).unwrap_or_else(|_| bound.to_owned());
    let mut cargo = World::Loom.cargo(workspace, "test");
    cargo.args(["--profile", "model", "--no-fail-fast", "--test", "model"]);
    for package in &crates {
        cargo.args(["--package", package.name.as_str()]);
    }
    cargo.env(BOUND, &bound);
    if flags.full {
        cargo.env("TESTKIT_FULL", "1");
    }
    cargo.arg("--").args(&flags.filters);
    let mut tally = Tally::default();
    let ended = run::lines(&mut cargo, |line| tally.read(line));
    tally.judge("loom", "models", &format!(", {bound} preemptions"), ended)
}
