//! The programs that kill: test programs of their own, built as users build and run one by one.
//!
//! Each crate that has such a program keeps it in `tests/kill.rs` or `tests/storm.rs`. It takes
//! subjects as arguments, prints as it goes, and ends with one summary line; the command adds the
//! lines up. A program that fails does not keep the others from running.

use std::{path::PathBuf, process::Command};

use cargo_metadata::{Message, PackageId, TargetKind};

use crate::{
    cargo,
    failure::{Failure, Result},
    report::Report,
    run,
    workspace::Workspace,
};

/// What to run, and how.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'f> {
    /// Only these subjects; all if there are none.
    pub(crate) subjects: &'f [String],
    /// Name the subjects, and do nothing.
    pub(crate) list: bool,
    /// The long form.
    pub(crate) full: bool,
    /// What else the programs read from their environment.
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// Builds and runs the programs called `name`; returns the summary line.
///
/// Of what they counted, `part` is what the command is about.
pub(crate) fn run(
    workspace: &Workspace,
    name: &str,
    asked: &Asked<'_>,
    part: impl Fn(&Report) -> Report,
) -> Result<String> {
    let programs = build(workspace, name)?;
    if programs.is_empty() {
        return Ok(format!("{name}: nothing to run yet: no crate has a tests/{name}.rs"));
    }
    let mut sum = Report::default();
    let mut failures = vec![];
    for program in &programs {
        let mut command = program.command();
        command.args(asked.subjects).envs(asked.settings.iter().cloned());
        if asked.list {
            command.arg("--list");
        }
        if asked.full {
            command.env("TESTKIT_FULL", "1");
        }
        let (counted, ended) = run_one(&mut command);
        sum += counted;
        failures.extend(ended.err().map(|failure| format!("{}: {failure}", program.package)));
    }
    if asked.list && failures.is_empty() {
        return Ok(format!("{name}: {} programs", programs.len()));
    }
    judge(name, &sum, &part(&sum), &failures)
}

/// Runs a program, and adds up the summary lines among its lines.
///
/// The program's own end is told apart from its summary: both count.
fn run_one(program: &mut Command) -> (Report, Result) {
    let mut sum = Report::default();
    let ended = run::lines(program, |line| {
        if let Ok(counted) = line.parse::<Report>() {
            sum += counted;
        }
    });
    (sum, ended)
}

/// The summary line, as a success or as a failure.
fn judge(name: &str, sum: &Report, part: &Report, failures: &[String]) -> Result<String> {
    for failure in failures {
        println!("{failure}");
    }
    if sum.is_empty() {
        let why = if failures.is_empty() { "nothing has this name" } else { "nothing was counted" };
        return Err(Failure::new(format!("{name}: {why}")));
    }
    // What the command is about stands in the last line, and the rest above it.
    let line = if part.is_empty() {
        sum.to_string()
    } else {
        let rest = Report { checks: sum.checks, ..Report::default() };
        if !rest.is_empty() {
            println!("{rest}");
        }
        part.to_string()
    };
    if sum.is_success() && failures.is_empty() { Ok(line) } else { Err(Failure::new(line)) }
}

/// A built test program.
#[derive(Debug)]
struct Program {
    /// The crate it belongs to.
    package: String,
    /// The crate's folder, where the program is run, as cargo would.
    folder: PathBuf,
    executable: PathBuf,
}

impl Program {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// Builds the test programs called `name` of all crates that have one, in release mode.
fn build(workspace: &Workspace, name: &str) -> Result<Vec<Program>> {
    let packages = workspace.with_test(name);
    if packages.is_empty() {
        return Ok(vec![]);
    }
    let mut cargo = cargo::command(workspace, "test");
    cargo.args(["--release", "--no-run", "--message-format=json-render-diagnostics"]);
    cargo.args(["--test", name]);
    for package in packages {
        cargo.args(["--package", package.name.as_str()]);
    }
    let mut programs = vec![];
    run::capture(&mut cargo, |line| {
        if let Some((id, executable)) = built(line, name) {
            programs.extend(program(workspace, &id, executable));
        }
    })?;
    if programs.is_empty() {
        return Err(Failure::new(format!("cargo built no test program called {name}")));
    }
    Ok(programs)
}

/// The crate and the program that a line of cargo's messages tells of.
fn built(line: &str, name: &str) -> Option<(PackageId, PathBuf)> {
    let Ok(Message::CompilerArtifact(artifact)) = serde_json::from_str(line) else { return None };
    let wanted = artifact.target.kind.contains(&TargetKind::Test) && artifact.target.name == name;
    let executable = artifact.executable.filter(|_| wanted)?;
    Some((artifact.package_id, executable.into_std_path_buf()))
}

fn program(workspace: &Workspace, id: &PackageId, executable: PathBuf) -> Option<Program> {
    let package = workspace.packages().iter().find(|package| package.id == *id)?;
    let folder = package.manifest_path.parent()?.as_std_path().to_owned();
    Some(Program { package: package.name.to_string(), folder, executable })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "kill: 3 instructions, 3 survivors went on, 0 failed";
    const BAD: &str = "kill: 3 instructions, 2 survivors went on, 1 failed";

    #[test]
    fn the_summaries_of_a_program_count_and_so_does_its_end() {
        let mut shell = Command::new("sh");
        let script = format!("echo 'lock ... {GOOD}'; echo; echo '{GOOD}'; echo x; exit 3");
        let (sum, ended) = run_one(shell.args(["-c", &script]));
        assert_eq!(sum.to_string(), GOOD);
        assert!(ended.is_err());
    }

    #[test]
    fn a_summary_is_a_success_only_if_all_went_well_and_something_ran() {
        let judged = |line: &str, failures: &[String]| {
            let sum: Report = line.lines().map(|line| line.parse::<Report>().unwrap()).sum();
            judge("kill", &sum, &Report { kill: sum.kill, ..Report::default() }, failures)
        };
        assert_eq!(judged(GOOD, &[]).unwrap(), GOOD);
        assert_eq!(judged(&format!("checks: 1 passed, 0 failed\n{GOOD}"), &[]).unwrap(), GOOD);
        assert_eq!(judged(BAD, &[]).unwrap_err().to_string(), BAD);
        assert!(judged(&format!("checks: 1 passed, 1 failed\n{GOOD}"), &[]).is_err());
        assert_eq!(judged(GOOD, &["a: died".to_owned()]).unwrap_err().to_string(), GOOD);
        assert!(judged("", &[]).is_err());
    }
}
