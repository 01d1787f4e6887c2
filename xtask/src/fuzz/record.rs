//! What a run of a target came to, as a row of the record.

use std::{fmt, path::Path};

use crate::failure::{Failure, Result};

/// What a run of one target came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    target: String,
    /// How many inputs it was given.
    n_runs: u64,
    /// How many of them reached something new.
    n_new: u64,
    /// How many inputs there are now.
    n_kept: usize,
    failed: bool,
    /// Inputs on which it failed.
    found: Vec<String>,
}

/// Why an input is among the artifacts, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The target panicked, or touched what is not its own.
    Crash,
    /// It took too long, too much memory, or gave some of it back to nobody.
    Excess,
}

impl Found {
    /// What the fuzzer says of a file by its name; nothing of one that it made smaller.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let (kind, _) = path.file_name()?.to_str()?.split_once('-')?;
        match kind {
            "crash" => Some(Self::Crash),
            "timeout" | "oom" | "leak" => Some(Self::Excess),
            _ => None,
        }
    }
}

impl Record {
    pub(super) fn new(target: &str) -> Self {
        Self { target: target.to_owned(), ..Self::default() }
    }

    /// Reads a line of the fuzzer; whether it was only about its progress.
    pub(super) fn read(&mut self, line: &str) -> bool {
        if let Some((name, number)) = line.strip_prefix("stat::").and_then(|l| l.split_once(':')) {
            match (name, number.trim().parse()) {
                ("number_of_executed_units", Ok(number)) => self.n_runs = number,
                ("new_units_added", Ok(number)) => self.n_new = number,
                _ => {}
            }
            return true;
        }
        if let Some((_, input)) = line.split_once("Test unit written to ") {
            self.found.push(input.trim().to_owned());
        }
        line.starts_with('#') || line.starts_with("INFO: ")
    }

    /// The run is over.
    pub(super) fn end(&mut self, succeeded: bool, n_kept: usize) {
        self.failed = !succeeded;
        self.n_kept = n_kept;
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, n_runs, n_new, n_kept, failed, found } = self;
        let found = match (failed, found.as_slice()) {
            (false, []) => "nothing".to_owned(),
            (true, []) => "it failed".to_owned(),
            (_, found) => found.join(", "),
        };
        write!(f, "| `{target}` | {n_runs} | {n_new} | {n_kept} | {found} |")
    }
}

/// The record as a table, and the summary line, as a success or as a failure.
pub(super) fn judge(records: &[Record], seconds: u64) -> Result<String> {
    println!("| target | executions | new inputs | inputs kept | found |");
    println!("|--------|-----------:|-----------:|------------:|-------|");
    for record in records {
        println!("{record}");
    }
    let n_runs: u64 = records.iter().map(|record| record.n_runs).sum();
    let failed: Vec<&str> =
        records.iter().filter(|record| record.failed).map(|record| &*record.target).collect();
    let line = format!(
        "fuzz: {} targets, {seconds} s each, {n_runs} executions, {} failed",
        records.len(),
        failed.len()
    );
    match failed.as_slice() {
        // A target that was run has run something.
        [] if records.iter().all(|record| record.n_runs > 0) => Ok(line),
        [] => Err(Failure::new(format!("{line}; one of them executed nothing"))),
        failed => Err(Failure::new(format!("{line}: {}", failed.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRASH: &str = "artifact_prefix='art/'; Test unit written to art/crash-1";

    #[test]
    fn the_fuzzers_last_lines_are_the_record() {
        let mut record = Record::new("wire");
        assert!(record.read("#12 NEW    cov: 9 ft: 10 corp: 1/1b"));
        assert!(record.read("stat::number_of_executed_units: 345"));
        assert!(record.read("stat::new_units_added:          7"));
        assert!(!record.read("thread panicked"));
        record.end(true, 8);
        assert_eq!(record.to_string(), "| `wire` | 345 | 7 | 8 | nothing |");
        assert!(!record.read(CRASH));
        record.end(false, 8);
        assert_eq!(record.to_string(), "| `wire` | 345 | 7 | 8 | art/crash-1 |");
    }

    #[test]
    fn one_target_that_fails_or_runs_nothing_fails_the_whole() {
        let good = Record { n_runs: 5, ..Record::new("good") };
        let line = judge(&[good.clone(), good.clone()], 3).unwrap();
        assert_eq!(line, "fuzz: 2 targets, 3 s each, 10 executions, 0 failed");
        assert!(judge(&[good.clone(), Record::new("idle")], 3).is_err());
        let bad = Record { failed: true, n_runs: 1, ..Record::new("bad") };
        let failure = judge(&[good, bad], 3).unwrap_err().to_string();
        assert_eq!(failure, "fuzz: 2 targets, 3 s each, 6 executions, 1 failed: bad");
    }

    #[test]
    fn an_artifact_says_by_its_name_what_it_is() {
        assert_eq!(Found::of(Path::new("a/crash-0123")), Some(Found::Crash));
        assert_eq!(Found::of(Path::new("a/timeout-0123")), Some(Found::Excess));
        assert_eq!(Found::of(Path::new("a/minimized-from-0123")), None);
    }
}
