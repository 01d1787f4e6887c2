//! `cargo xtask fuzz`: bytes that a stranger could write, by cargo-fuzz on a nightly toolchain.

use std::{fs, process::Command};

use crate::{
    cargo,
    failure::{Failure, Result},
    flags, run,
    workspace::Workspace,
};

/// Runs the targets that were asked for; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Fuzz) -> Result<String> {
    let targets = chosen(targets(workspace)?, &flags.targets)?;
    if targets.is_empty() {
        return Ok("fuzz: nothing to run yet: no targets in fuzz/fuzz_targets".to_owned());
    }
    if flags.list {
        for target in &targets {
            println!("{target}");
        }
        return Ok(format!("fuzz: {} targets", targets.len()));
    }
    if let Some(what) = missing(workspace) {
        return Ok(format!("fuzz: {} targets, 0 run: {what}", targets.len()));
    }
    let mut failed = vec![];
    for target in &targets {
        let mut fuzz = nightly(workspace);
        fuzz.args(["run", target, "--", &format!("-max_total_time={}", flags.seconds)]);
        if let Err(failure) = run::program(&mut fuzz) {
            println!("{failure}");
            failed.push(target.as_str());
        }
    }
    let seconds = flags.seconds;
    let line =
        format!("fuzz: {} targets, {seconds} s each, {} failed", targets.len(), failed.len());
    if failed.is_empty() {
        Ok(line)
    } else {
        Err(Failure::new(format!("{line}: {}", failed.join(", "))))
    }
}

/// The names of all targets.
pub(crate) fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root().join("fuzz/fuzz_targets");
    if !folder.is_dir() {
        return Ok(vec![]);
    }
    let failed = |error| Failure::io("read fuzz/fuzz_targets", &error);
    let mut names = vec![];
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Those of `all` that were named; all if none was.
fn chosen(all: Vec<String>, named: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = named.iter().find(|name| !all.contains(name)) {
        return Err(Failure::new(format!("fuzz: there is no target {unknown}: try --list")));
    }
    Ok(if named.is_empty() { all } else { named.to_vec() })
}

/// What this machine lacks to run a target.
fn missing(workspace: &Workspace) -> Option<&'static str> {
    if !cargo::succeeds(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])) {
        Some("a nightly toolchain is missing (rustup toolchain install nightly)")
    } else if !cargo::succeeds(nightly(workspace).arg("--version")) {
        Some("cargo-fuzz is missing (cargo install cargo-fuzz)")
    } else {
        None
    }
}

/// `cargo fuzz` of the nightly toolchain.
fn nightly(workspace: &Workspace) -> Command {
    let mut fuzz = Command::new("rustup");
    fuzz.args(["run", "nightly", "cargo", "fuzz"]).current_dir(workspace.root());
    // Cargo told us which toolchain runs us; that is not the one wanted here.
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"] {
        fuzz.env_remove(name);
    }
    fuzz
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_not_there_is_a_failure() {
        let all = || vec!["header_open".to_owned(), "wire_decode".to_owned()];
        assert_eq!(chosen(all(), &[]).unwrap(), all());
        assert_eq!(chosen(all(), &["wire_decode".to_owned()]).unwrap(), ["wire_decode"]);
        assert!(chosen(all(), &["nothing".to_owned()]).is_err());
    }
}
