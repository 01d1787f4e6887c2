//! `cargo xtask fuzz`: bytes that a stranger could write, by cargo-fuzz on a nightly toolchain.
//!
//! | folder                  | what is in it |
//! |-------------------------|---------------|
//! | `fuzz/fuzz_targets`     | the targets |
//! | `fuzz/corpus/TARGET`    | inputs that each reach something new; every run adds to them |
//! | `fuzz/artifacts/TARGET` | inputs on which a target failed |
//!
//! The last two are each machine's own. What a campaign found lives on as a test of the crate that
//! it was found in; `docs/fuzzing.md` has the record.

mod record;

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    failure::{Failure, Result},
    flags,
    nightly::{self, Part},
    run,
    workspace::Workspace,
};
use record::{Found, Record};

/// No input may take longer, in seconds: a target that does not come back has failed.
const SLOWEST: u64 = 20;

/// No target may take more memory, in MiB.
const MOST_MEMORY: u64 = 2048;

/// How long building may take, and reading the corpora.
const BUILD: Duration = Duration::from_secs(20 * 60);

/// How long an input that fails may be made smaller, in seconds.
const SHRINK: u64 = 60;

/// Runs the targets that were asked for; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Fuzz) -> Result<String> {
    let targets = chosen(targets(workspace)?, &flags.targets)?;
    if flags.list {
        for target in &targets {
            println!("{target}");
        }
        return Ok(format!("fuzz: {} targets", targets.len()));
    }
    nightly::need(workspace, "fuzz", &[Part::Toolchain, Part::Fuzz])?;
    let each = if flags.minimise { SHRINK * 4 } else { flags.seconds };
    let all = u64::try_from(targets.len()).unwrap_or(u64::MAX).saturating_mul(each + SLOWEST);
    run::end_by(Instant::now() + BUILD + Duration::from_secs(all));
    run::program(&mut cargo_fuzz(workspace, "build"))?;
    if flags.minimise { minimise(workspace, &targets) } else { campaign(workspace, &targets, each) }
}

/// The names of all targets.
pub(crate) fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let mut names: Vec<String> = files(workspace.root().join("fuzz/fuzz_targets"))?
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// Runs each target for so many seconds.
fn campaign(workspace: &Workspace, targets: &[String], seconds: u64) -> Result<String> {
    let mut records = vec![];
    for target in targets {
        let mut fuzz = cargo_fuzz(workspace, "run");
        fuzz.args([target, "--", "-print_final_stats=1"]);
        fuzz.arg(format!("-max_total_time={seconds}"));
        fuzz.args([format!("-timeout={SLOWEST}"), format!("-rss_limit_mb={MOST_MEMORY}")]);
        let mut record = Record::new(target);
        let ended = run::errors(&mut fuzz, |line| {
            if !record.read(line) {
                println!("{line}");
            }
        });
        record.end(ended.is_ok(), files(corpus(workspace, target))?.len());
        println!("{record}");
        records.push(record);
    }
    record::judge(&records, seconds)
}

/// Throws away inputs that reach nothing which others do not, and makes those that fail smaller.
fn minimise(workspace: &Workspace, targets: &[String]) -> Result<String> {
    let (mut before, mut after, mut n_failing) = (0, 0, 0);
    for target in targets {
        before += files(corpus(workspace, target))?.len();
        if corpus(workspace, target).is_dir() {
            run::program(cargo_fuzz(workspace, "cmin").arg(target))?;
        }
        after += files(corpus(workspace, target))?.len();
        for input in files(workspace.root().join("fuzz/artifacts").join(target))? {
            if Found::of(&input) != Some(Found::Crash) {
                continue;
            }
            n_failing += 1;
            let mut tmin = cargo_fuzz(workspace, "tmin");
            tmin.arg(target).arg(&input).args(["--", &format!("-max_total_time={SHRINK}")]);
            // One that fails no more is no news here: a run will tell.
            if let Err(failure) = run::program(&mut tmin) {
                println!("{failure}");
            }
        }
    }
    Ok(format!("fuzz: {} inputs of {before} kept, {n_failing} that fail made smaller", after))
}

/// Those of `all` that were named; all if none was.
fn chosen(all: Vec<String>, named: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = named.iter().find(|name| !all.contains(name)) {
        return Err(Failure::new(format!("fuzz: there is no target {unknown}: try --list")));
    }
    Ok(if named.is_empty() { all } else { named.to_vec() })
}

/// The files in a folder, if it is there.
fn files(folder: PathBuf) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(vec![]);
    }
    let failed = |error| Failure::io(format!("read {}", folder.display()), &error);
    let entries = fs::read_dir(&folder).map_err(failed)?;
    let mut paths = vec![];
    for entry in entries {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn corpus(workspace: &Workspace, target: &str) -> PathBuf {
    workspace.root().join("fuzz/corpus").join(target)
}

/// `cargo fuzz COMMAND`, with one folder for what all of them build.
fn cargo_fuzz(workspace: &Workspace, command: &str) -> Command {
    let mut fuzz = nightly::command(workspace, "fuzz");
    fuzz.arg(command).arg("--target-dir").arg(workspace.target_dir("fuzzing"));
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

    #[test]
    fn a_folder_that_is_not_there_has_no_files() {
        assert!(files(PathBuf::from("/no/such/folder")).unwrap().is_empty());
    }
}
