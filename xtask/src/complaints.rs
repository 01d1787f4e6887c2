//! What failed in a run of many tests, out of all that they print.
//!
//! A run of all tests prints thousands of lines, panics of processes that were meant to panic
//! among them. Whoever reads only its end wants to know which tests failed, and why.

use std::fmt;

/// More lines of one output are not worth repeating: the first ones tell.
const MOST: usize = 200;
/// The lines that follow an error of cargo's or the word of a watchdog and belong to it.
const STORY: usize = 30;

/// The complaints in the two outputs of a run.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    /// What the tests say, on their standard output.
    pub(crate) said: Lines<Said>,
    /// What cargo and the watchdogs say, on the standard error.
    pub(crate) cried: Lines<Cried>,
}

impl Complaints {
    /// Whether nobody complained.
    pub(crate) fn is_empty(&self) -> bool {
        self.said.kept.is_empty() && self.cried.kept.is_empty()
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.said.kept.iter().chain(&self.cried.kept) {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

/// Which lines of an output complain.
pub(crate) trait Ear {
    /// Whether this line is part of a complaint.
    fn complains(&mut self, line: &str) -> bool;
}

/// The lines of one output that complain.
#[derive(Debug, Default)]
pub(crate) struct Lines<E> {
    ear: E,
    kept: Vec<String>,
}

impl<E: Ear> Lines<E> {
    /// Hears a line.
    pub(crate) fn hear(&mut self, line: &str) {
        if self.ear.complains(line) && self.kept.len() < MOST {
            self.kept.push(line.to_owned());
        }
    }
}

/// Hears Rust's test harness and ours.
#[derive(Debug, Default)]
pub(crate) struct Said {
    in_failures: bool,
}

impl Ear for Said {
    fn complains(&mut self, line: &str) -> bool {
        if line == "failures:" {
            self.in_failures = true;
        }
        let is_last = line.starts_with("test result:");
        let complains = self.in_failures || line.ends_with("FAILED") || line.starts_with("failed:");
        self.in_failures &= !is_last;
        complains
    }
}

/// Hears cargo and watchdogs.
#[derive(Debug, Default)]
pub(crate) struct Cried {
    left: usize,
}

impl Ear for Cried {
    fn complains(&mut self, line: &str) -> bool {
        let begins = line.starts_with("error:") || line.starts_with("watchdog:");
        let is_next_program = line.trim_start().starts_with("Running ");
        self.left = match (begins, is_next_program) {
            (true, _) => STORY,
            (false, true) => 0,
            (false, false) => self.left.saturating_sub(1),
        };
        self.left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard<E: Ear + Default>(lines: &str) -> Vec<String> {
        let mut heard = Lines::<E>::default();
        lines.lines().for_each(|line| heard.hear(line));
        heard.kept
    }

    #[test]
    fn what_failed_and_why_is_kept() {
        let lines = "test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nno\n\n\
                     test result: FAILED. 1 passed\ntest c ... ok\nfailed: a scenario";
        let kept = heard::<Said>(lines);
        assert_eq!(kept.first().unwrap(), "test b ... FAILED");
        assert!(kept.iter().any(|line| line == "no"), "{kept:?}");
        assert!(!kept.iter().any(|line| line.contains("ok")), "{kept:?}");
        assert_eq!(kept.last().unwrap(), "failed: a scenario");
    }

    #[test]
    fn errors_of_cargo_and_words_of_watchdogs_are_kept_until_the_next_program() {
        let lines = "warning: x\nerror: test failed\nCaused by:\n     Running tests/x.rs\nnoise\n\
                     watchdog: y: no end within 1s\na thread";
        let kept = heard::<Cried>(lines);
        let asked =
            ["error: test failed", "Caused by:", "watchdog: y: no end within 1s", "a thread"];
        assert_eq!(kept, asked);
    }

    #[test]
    fn a_flood_is_cut() {
        assert_eq!(heard::<Said>(&"failed: x\n".repeat(1000)).len(), MOST);
    }
}
