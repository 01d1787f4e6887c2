//! `cargo xtask test`: everything a change must pass, cheapest first.
//!
//! It says what it does, step by step, and how long each step took. It needs a Rust toolchain and
//! a C compiler; parts of the toolchain that are missing are installed by rustup, and where that
//! cannot be done the step is skipped, aloud. What still runs when the time is up is ended.

use std::{
    env,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    cargo::{self, Component},
    crash,
    failure::{Failure, Result},
    flags, fuzz, kill, loom, package, run, seeds, storm, tidy,
    workspace::Workspace,
    worlds::World,
};

/// No run takes longer: at this time what still runs is ended, and has failed.
const LIMIT: Duration = Duration::from_secs(55 * 60);

/// Test programs that have commands, and steps, of their own.
pub(crate) const PROOFS: &[&str] = &["model", "crash", "kill", "storm", "seeds", "cookbook"];

/// One thing that a change must pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The word by which it is asked for.
    pub(crate) name: &'static str,
    /// What it does, for whoever watches.
    pub(crate) what: &'static str,
    /// Does it.
    pub(crate) run: fn(&Workspace) -> Result<Done>,
}

/// How a step that did not fail ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It did what it says.
    Passed,
    /// It could not be done here, for this reason.
    Skipped(String),
}

/// All steps of `test`, in order.
const STEPS: &[Step] = &[
    Step { name: "tidy", what: "layers, edges, docs, the door", run: tidy },
    Step { name: "format", what: "cargo fmt changes nothing", run: format },
    Step { name: "lint", what: "clippy in the real world, all targets", run: lint },
    Step { name: "lint-loom", what: "clippy in the world of the models", run: lint_loom },
    Step { name: "lint-crash", what: "clippy in the crash world", run: lint_crash },
    Step { name: "docs", what: "docs build, and all links in them lead somewhere", run: docs },
    Step { name: "tests", what: "unit and integration tests of all crates", run: tests },
    Step { name: "doctests", what: "the examples in the docs", run: doctests },
    Step {
        name: "seeds",
        what: "the programs of the seeds and the cookbook print what they should",
        run: programs,
    },
    Step { name: "loom", what: "the models, quick form", run: models },
    Step { name: "crash", what: "death before every access", run: sweeps },
    Step { name: "kill", what: "death after every instruction, quick form", run: kills },
    Step { name: "storm", what: "random kills and an audit, quick form", run: storms },
    Step { name: "compare", what: "the comparison with rivals compiles", run: compare },
    Step { name: "fuzz", what: "the fuzz targets compile", run: fuzz_targets },
    Step { name: "aarch64", what: "what is shipped compiles for aarch64", run: aarch64 },
    Step { name: "package", what: "every crate has what a registry wants", run: packages },
];

/// Runs the steps; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Test) -> Result<String> {
    run_steps(workspace, "test", STEPS, flags)
}

/// Runs the steps of `test` and then some; returns the summary line.
pub(crate) fn run_with(
    workspace: &Workspace,
    name: &str,
    more: &[Step],
    flags: &flags::Test,
) -> Result<String> {
    run_steps(workspace, name, &[STEPS, more].concat(), flags)
}

fn run_steps(
    workspace: &Workspace,
    name: &str,
    steps: &[Step],
    flags: &flags::Test,
) -> Result<String> {
    let steps = chosen(steps, &flags.steps);
    if steps.is_empty() {
        return Err(Failure::new(format!("{name}: no step has this name: try --list")));
    }
    if flags.list {
        for Step { name, what, .. } in &steps {
            println!("{name:10}  {what}");
        }
        return Ok(format!("{name}: {} steps", steps.len()));
    }
    let start = Instant::now();
    run::end_by(start + LIMIT);
    let mut tally = Tally::default();
    for (n, step) in (1..).zip(&steps) {
        let at = format!("[{n:2}/{}] {}", steps.len(), step.name);
        println!("{at}: {}", step.what);
        let began = Instant::now();
        let outcome = (step.run)(workspace);
        println!("{at}: {}\n", tally.add(step.name, outcome, began.elapsed()));
        if !tally.failed.is_empty() && !flags.keep_going {
            break;
        }
    }
    tally.judge(name, start.elapsed())
}

/// The steps whose name contains one of the words; all steps if there are none.
fn chosen(steps: &[Step], words: &[String]) -> Vec<Step> {
    let wanted = |step: &&Step| {
        words.is_empty() || words.iter().any(|word| step.name.contains(word.as_str()))
    };
    steps.iter().filter(wanted).copied().collect()
}

/// What the steps came to.
#[derive(Debug, Default)]
struct Tally {
    passed: u32,
    skipped: u32,
    failed: Vec<&'static str>,
}

impl Tally {
    /// Counts a step; returns what to say of it.
    fn add(&mut self, name: &'static str, outcome: Result<Done>, took: Duration) -> String {
        match outcome {
            Ok(Done::Passed) => {
                self.passed += 1;
                format!("ok, {}", said(took))
            }
            Ok(Done::Skipped(why)) => {
                self.skipped += 1;
                format!("SKIPPED: {why}")
            }
            Err(failure) => {
                self.failed.push(name);
                format!("FAILED after {}: {failure}", said(took))
            }
        }
    }

    /// The summary line, as a success or as a failure.
    fn judge(&self, name: &str, took: Duration) -> Result<String> {
        let Self { passed, skipped, failed } = self;
        let took = said(took);
        let line = format!(
            "{name}: {passed} steps passed, {} failed, {skipped} skipped, in {took}",
            failed.len()
        );
        if failed.is_empty() {
            Ok(line)
        } else {
            Err(Failure::new(format!("{line}; failed: {}", failed.join(", "))))
        }
    }
}

/// A time for people.
fn said(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

fn tidy(workspace: &Workspace) -> Result<Done> {
    passed(tidy::run(workspace, &flags::Tidy::default()))
}

fn format(workspace: &Workspace) -> Result<Done> {
    if !Component::Rustfmt.ensure(workspace) {
        return Ok(missing(Component::Rustfmt));
    }
    run::program(cargo::command(workspace, "fmt").args(["--all", "--check"]))?;
    for manifest in [COMPARE, FUZZ] {
        if workspace.root().join(manifest).exists() {
            let mut cargo = cargo::command(workspace, "fmt");
            run::program(cargo.args(["--manifest-path", manifest, "--check"]))?;
        }
    }
    Ok(Done::Passed)
}

fn lint(workspace: &Workspace) -> Result<Done> {
    if !Component::Clippy.ensure(workspace) {
        return Ok(missing(Component::Clippy));
    }
    let mut cargo = cargo::command(workspace, "clippy");
    cargo.args(["--workspace", "--all-targets", "--", "--deny", "warnings"]);
    run::program(&mut cargo)?;
    Ok(Done::Passed)
}

fn lint_loom(workspace: &Workspace) -> Result<Done> {
    lint_in(World::Loom, workspace)
}

fn lint_crash(workspace: &Workspace) -> Result<Done> {
    lint_in(World::Crash, workspace)
}

fn lint_in(world: World, workspace: &Workspace) -> Result<Done> {
    if !Component::Clippy.ensure(workspace) {
        return Ok(missing(Component::Clippy));
    }
    let mut cargo = world.cargo(workspace, "clippy");
    cargo.args(World::members(workspace));
    // Only algorithms and their models exist in the world of the models.
    let targets: &[&str] =
        if world == World::Loom { &["--lib", "--test", "model"] } else { &["--all-targets"] };
    cargo.args(targets).args(["--", "--deny", "warnings"]);
    run::program(&mut cargo)?;
    Ok(Done::Passed)
}

fn docs(workspace: &Workspace) -> Result<Done> {
    let mut flags = env::var("RUSTDOCFLAGS").unwrap_or_default();
    flags.push_str(" --deny warnings");
    let mut cargo = cargo::command(workspace, "doc");
    cargo.args(["--workspace", "--no-deps"]).env("RUSTDOCFLAGS", flags.trim_start());
    run::program(&mut cargo)?;
    Ok(Done::Passed)
}

fn tests(workspace: &Workspace) -> Result<Done> {
    let mut cargo = cargo::command(workspace, "test");
    cargo.args(["--workspace", "--no-fail-fast", "--lib", "--bins", "--examples"]);
    for name in workspace.tests() {
        if !PROOFS.contains(&name) {
            cargo.args(["--test", name]);
        }
    }
    run::tests(&mut cargo)?;
    Ok(Done::Passed)
}

fn doctests(workspace: &Workspace) -> Result<Done> {
    let mut cargo = cargo::command(workspace, "test");
    run::tests(cargo.args(["--workspace", "--no-fail-fast", "--doc"]))?;
    Ok(Done::Passed)
}

fn programs(workspace: &Workspace) -> Result<Done> {
    passed(seeds::run(workspace, &flags::Seeds::default()))
}

fn models(workspace: &Workspace) -> Result<Done> {
    passed(loom::run(workspace, &flags::Loom::default()))
}

fn sweeps(workspace: &Workspace) -> Result<Done> {
    passed(crash::run(workspace, &flags::Crash::default()))
}

fn kills(workspace: &Workspace) -> Result<Done> {
    passed(kill::run(workspace, &flags::Kill::default()))
}

fn storms(workspace: &Workspace) -> Result<Done> {
    passed(storm::run(workspace, &flags::Storm::default()))
}

fn packages(workspace: &Workspace) -> Result<Done> {
    let crates = package::look(workspace)?;
    println!("    package: {crates} crates, nothing is missing");
    Ok(Done::Passed)
}

/// The platform that no test runs on.
const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// Compiles what is shipped for aarch64, as far as its types: that takes no compiler for C.
fn aarch64(workspace: &Workspace) -> Result<Done> {
    if !cargo::ensure_target(AARCH64) {
        return Ok(Done::Skipped(format!("{AARCH64} is missing and could not be installed")));
    }
    let mut cargo = cargo::command(workspace, "check");
    cargo.args(["--workspace", "--lib", "--bins", "--exclude", "xtask", "--exclude", "benches"]);
    run::program(cargo.args(["--target", AARCH64]))?;
    Ok(Done::Passed)
}

/// The manifest of the comparison, which is a workspace of its own.
pub(crate) const COMPARE: &str = "benches/compare/Cargo.toml";

/// The manifest of the fuzz targets, which are a workspace of their own.
const FUZZ: &str = "fuzz/Cargo.toml";

fn compare(workspace: &Workspace) -> Result<Done> {
    check_outside(workspace, COMPARE, "compare", |_| {})
}

fn fuzz_targets(workspace: &Workspace) -> Result<Done> {
    if fuzz::targets(workspace)?.is_empty() {
        return Ok(Done::Skipped("there are no targets yet".to_owned()));
    }
    check_outside(workspace, FUZZ, "fuzz", |cargo| {
        // What the targets are linked with is written in C++, and a check links nothing: so no
        // compiler for it is needed if the library is said to lie somewhere already.
        cargo.env("CUSTOM_LIBFUZZER_PATH", Path::new("not").join("linked"));
    })
}

/// Compiles a workspace of its own, as far as its types.
fn check_outside(
    workspace: &Workspace,
    manifest: &str,
    target: &str,
    settle: impl Fn(&mut Command),
) -> Result<Done> {
    if !workspace.root().join(manifest).exists() {
        return Ok(Done::Skipped(format!("there is no {manifest} yet")));
    }
    let mut cargo = cargo::command(workspace, "check");
    cargo.args(["--manifest-path", manifest, "--all-targets", "--target-dir"]);
    cargo.arg(workspace.target_dir(target));
    settle(&mut cargo);
    run::program(&mut cargo)?;
    Ok(Done::Passed)
}

/// A command inside this one: its summary is printed where it ends.
fn passed(summary: Result<String>) -> Result<Done> {
    println!("    {}", summary?);
    Ok(Done::Passed)
}

fn missing(component: Component) -> Done {
    Done::Skipped(format!("{} is missing and could not be installed", component.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_chosen_by_a_part_of_their_name() {
        let names = |words: &[&str]| -> Vec<&str> {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            chosen(STEPS, &words).iter().map(|step| step.name).collect()
        };
        assert_eq!(names(&["loom"]), ["lint-loom", "loom"]);
        assert_eq!(names(&[]).len(), STEPS.len());
        assert!(names(&["nothing"]).is_empty());
    }

    #[test]
    fn one_failed_step_fails_the_whole() {
        let mut tally = Tally::default();
        let second = Duration::from_secs(1);
        tally.add("tidy", Ok(Done::Passed), second);
        tally.add("lint", Ok(Done::Skipped("no clippy".to_owned())), second);
        assert_eq!(
            tally.judge("test", Duration::from_secs(61)).unwrap(),
            "test: 1 steps passed, 0 failed, 1 skipped, in 1 min 01 s"
        );
        tally.add("docs", Err(Failure::new("broken")), second);
        assert_eq!(
            tally.judge("test", second).unwrap_err().to_string(),
            "test: 1 steps passed, 1 failed, 1 skipped, in 1.0 s; failed: docs"
        );
    }
}
