//! The programs that kill: test programs of their own, built as users build and run one by one.
//!
//! Each crate that has such a program keeps it in `tests/kill.rs` or `tests/storm.rs`. It takes
//! subjects as arguments, prints as it goes, and ends with one summary line; the command adds the
//! lines up. A program that fails does not keep the others from running.

use std::{fmt, ops::AddAssign, path::PathBuf, process::Command};

use cargo_metadata::{Message, PackageId, TargetKind};

use crate::{
    cargo,
    failure::{Failure, Result},
    run,
    workspace::Workspace,
};

/// What to run, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'f> {
    /// Only these subjects; all if there are none.
    pub(crate) subjects: &'f [String],
    /// Name the subjects, and do nothing.
    pub(crate) list: bool,
    /// The long form.
    pub(crate) full: bool,
}

/// What the programs came to.
#[derive(Debug)]
pub(crate) struct Outcome<S> {
    name: &'static str,
    programs: usize,
    listed: bool,
    /// What they counted, added up; nothing if none of them counted.
    pub(crate) sum: Option<S>,
    failures: Vec<String>,
}

impl<S: fmt::Display> Outcome<S> {
    /// The summary line, as a success or as a failure.
    pub(crate) fn judge(&self, sum: &S, good: bool, any: bool) -> Result<String> {
        let Self { name, programs, .. } = self;
        if *programs == 0 {
            return Ok(format!("{name}: nothing to run yet: no crate has a tests/{name}.rs"));
        }
        for failure in &self.failures {
            println!("{failure}");
        }
        if self.listed && self.failures.is_empty() {
            return Ok(format!("{name}: {programs} programs listed"));
        }
        match (self.failures.is_empty() && good, any) {
            (true, true) => Ok(sum.to_string()),
            (true, false) => Err(Failure::new(format!("{name}: nothing has this name"))),
            (false, _) => Err(Failure::new(sum.to_string())),
        }
    }
}

/// Builds and runs the programs called `name`; `settle` may set up each command further.
pub(crate) fn run<S: AddAssign + Default>(
    workspace: &Workspace,
    name: &'static str,
    asked: &Asked<'_>,
    settle: impl Fn(&mut Command),
    parse: impl Fn(&str) -> Option<S>,
) -> Result<Outcome<S>> {
    let programs = build(workspace, name)?;
    let mut sum: Option<S> = None;
    let mut failures = vec![];
    for program in &programs {
        let mut command = program.command();
        command.args(asked.subjects);
        if asked.list {
            command.arg("--list");
        }
        if asked.full {
            command.env("TESTKIT_FULL", "1");
        }
        settle(&mut command);
        let (counted, ended) = run_one(&mut command, &parse);
        match counted {
            Some(counted) => *sum.get_or_insert_default() += counted,
            None if asked.list => {}
            None => failures.push(format!("{}: no summary line", program.package)),
        }
        failures.extend(ended.err().map(|failure| format!("{}: {failure}", program.package)));
    }
    Ok(Outcome { name, programs: programs.len(), listed: asked.list, sum, failures })
}

/// Runs a program, and reads its summary: the last of its lines that is one.
///
/// The program's own end is told apart from its summary: both count.
fn run_one<S>(program: &mut Command, parse: impl Fn(&str) -> Option<S>) -> (Option<S>, Result) {
    let mut summary = None;
    let ended = run::lines(program, |line| {
        if let Some(parsed) = parse(line) {
            summary = Some(parsed);
        }
    });
    (summary, ended)
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

/// The numbers in a line that otherwise reads as `form`, where each `#` stands for a number.
pub(crate) fn numbers<'l, const N: usize>(form: &str, line: &'l str) -> Option<[&'l str; N]> {
    let mut rest = line.trim();
    let mut found = [""; N];
    let mut pieces = form.split('#');
    rest = rest.strip_prefix(pieces.next()?)?;
    for slot in &mut found {
        let end = rest.find(|char: char| !(char.is_ascii_digit() || char == '.'))?;
        let number;
        (number, rest) = rest.split_at(end);
        rest = rest.strip_prefix(pieces.next()?)?;
        *slot = number;
    }
    (rest.is_empty() && pieces.next().is_none()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_where_the_form_has_them() {
        assert_eq!(numbers("a: # b, # c", "a: 12 b, 3.5 c"), Some(["12", "3.5"]));
        for line in ["a: 12 b", "a: 12 b, 3 c d", "x: 12 b, 3 c", "a: 12 b, 3 d"] {
            assert_eq!(numbers::<2>("a: # b, # c", line), None, "{line}");
        }
    }

    #[test]
    fn the_last_summary_counts_and_so_does_the_programs_end() {
        let parse = |line: &str| line.strip_prefix("sum ").and_then(|n| n.parse::<u32>().ok());
        let mut shell = Command::new("sh");
        let script = "echo sum 1; echo sum 2; echo x; exit 3";
        let (sum, ended) = run_one(shell.args(["-c", script]), parse);
        assert_eq!(sum, Some(2));
        assert!(ended.is_err());
    }

    #[test]
    fn a_summary_is_a_success_only_if_all_went_well_and_something_ran() {
        let outcome = |failures: &[&str], programs| Outcome::<u32> {
            name: "kill",
            programs,
            listed: false,
            sum: None,
            failures: failures.iter().map(|&words| words.to_owned()).collect(),
        };
        assert_eq!(outcome(&[], 1).judge(&7, true, true).unwrap(), "7");
        assert!(outcome(&[], 0).judge(&0, true, false).unwrap().contains("nothing to run yet"));
        assert!(outcome(&[], 1).judge(&7, false, true).is_err());
        assert!(outcome(&[], 1).judge(&0, true, false).is_err());
        assert!(outcome(&["a: exit status 1"], 1).judge(&7, true, true).is_err());
    }
}
