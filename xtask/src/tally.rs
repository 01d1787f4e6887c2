//! What test programs say at their end, added up.

use crate::{
    failure::{Failure, Result},
    report::{Report, Sweep},
};

/// What the last lines of test programs add up to, whichever harness they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    counted: Report,
}

impl Tally {
    /// Reads a line of a test program; only the summary lines count.
    pub(crate) fn read(&mut self, line: &str) {
        if let Ok(report) = line.parse::<Report>() {
            self.counted += report;
        }
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
        let Self { passed, failed, counted } = self;
        let all = passed + failed;
        let mut line = format!("{name}: {all} {things}{how}, {failed} failed");
        if !counted.is_empty() {
            // Counts of deaths say more than counts of tests, so they come last.
            if all > 0 {
                println!("{line}");
            }
            let rest = Report { crash: Sweep::default(), ..counted };
            if counted.crash != Sweep::default() && !rest.is_empty() {
                println!("{rest}");
            }
            let deaths = Report { crash: counted.crash, ..Report::default() };
            line = if deaths.is_empty() { counted } else { deaths }.to_string();
        }
        match ended {
            // A program that died before its last line failed too.
            Err(failure) => {
                println!("{failure}");
                Err(Failure::new(line))
            }
            Ok(()) if all == 0 && counted.is_empty() => {
                Err(Failure::new(format!("{name}: nothing has this name")))
            }
            Ok(()) if failed == 0 && counted.is_success() => Ok(line),
            Ok(()) => Err(Failure::new(line)),
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
        assert_eq!(tally, Tally { passed: 4, failed: 2, ..Tally::default() });
        let failure = tally.judge("loom", "models", "", Err(Failure::new("x"))).unwrap_err();
        assert_eq!(failure.to_string(), "loom: 6 models, 2 failed");
    }

    #[test]
    fn nothing_run_is_not_a_success() {
        assert!(Tally::default().judge("loom", "models", "", Ok(())).is_err());
        let one = Tally { passed: 1, ..Tally::default() };
        assert_eq!(one.judge("crash", "sweeps", "", Ok(())).unwrap(), "crash: 1 sweeps, 0 failed");
    }

    #[test]
    fn deaths_that_were_counted_are_the_summary() {
        let good = "crash: 7 accesses, 7 survivors went on, 0 failed";
        let mut tally = Tally::default();
        tally.read("checks: 1 passed, 0 failed");
        tally.read(good);
        assert_eq!(tally.judge("crash", "sweeps", "", Ok(())).unwrap(), good);
        tally.read("crash: 1 accesses, 0 survivors went on, 1 failed");
        assert!(tally.judge("crash", "sweeps", "", Ok(())).is_err());
    }
}
