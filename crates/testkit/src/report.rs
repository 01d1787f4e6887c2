//! One summary line per kind of proof, for people and for scripts.
//!
//! This is the one place where the lines are described. A program that runs several test
//! binaries parses each line of their output that [`Report`] can parse, and adds them up:
//!
//! | kind       | line                                                                              |
//! |------------|-----------------------------------------------------------------------------------|
//! | [`Sweep`]  | `kill: 5210 instructions, 5210 survivors went on, 0 failed`                       |
//! | [`Sweep`]  | `crash: 210 accesses, 210 survivors went on, 0 failed`                            |
//! | [`Storm`]  | `storm: 2000 kills, 812345 messages, 0 lost, 0 doubled, longest stall 3.1 ms`     |
//! | [`Storm`]  | the same with `, 0.4 ms its own` behind it, where that is known                       |
//! | [`Checks`] | `checks: 12 passed, 0 failed`                                                     |
//!
//! A line starts with its kind; the lines of single scenarios start with the scenario's name, so
//! that nothing is counted twice.

use std::{error::Error, fmt, iter::Sum, ops::AddAssign, str::FromStr, time::Duration};

/// What a scenario, a binary or a whole run came to.
///
/// # Examples
///
/// ```
/// use testkit::report::Report;
///
/// let output = "kill: 10 instructions, 10 survivors went on, 0 failed\n\
///               some other line\n\
///               kill: 5 instructions, 4 survivors went on, 1 failed\n";
/// let total: Report = output.lines().flat_map(str::parse::<Report>).sum();
/// assert_eq!(total.to_string(), "kill: 15 instructions, 14 survivors went on, 1 failed");
/// assert!(!total.is_success());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Scenarios that are no sweep and no storm.
    pub checks: Checks,
    /// Single-step sweeps: a kill after every instruction.
    pub kill: Sweep,
    /// Crash-world sweeps: a death before every access.
    pub crash: Sweep,
    /// Storms.
    pub storm: Storm,
}

/// The sum of plain checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// How many held.
    pub passed: u64,
    /// How many did not.
    pub failed: u64,
}

/// The sum of sweeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// At how many points a process was killed.
    pub points: u64,
    /// After how many of them the survivors went on.
    pub survived: u64,
    /// After how many of them they did not, or found something broken.
    pub failed: u64,
}

/// The sum of storms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Storm {
    /// How many processes were killed.
    pub kills: u64,
    /// How many messages (or rounds, or tasks) came through.
    pub messages: u64,
    /// How many were lost that should not have been.
    pub lost: u64,
    /// How many came twice.
    pub doubled: u64,
    /// The longest time in which nobody got on, to a tenth of a millisecond when printed.
    pub longest_stall: Duration,
    /// The longest of which so much was not waiting for a processor, where that is known.
    pub own_stall: Option<Duration>,
}

impl Report {
    /// One plain check that held.
    pub const PASSED: Self = Self {
        checks: Checks { passed: 1, failed: 0 },
        kill: Sweep { points: 0, survived: 0, failed: 0 },
        crash: Sweep { points: 0, survived: 0, failed: 0 },
        storm: Storm {
            kills: 0,
            messages: 0,
            lost: 0,
            doubled: 0,
            longest_stall: Duration::ZERO,
            own_stall: None,
        },
    };

    /// One plain check that did not hold.
    pub(crate) const FAILED: Self =
        Self { checks: Checks { passed: 0, failed: 1 }, ..Self::PASSED };

    /// Whether nothing failed, was lost or came twice.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.checks.failed == 0
            && self.kill.failed == 0
            && self.crash.failed == 0
            && self.storm.lost == 0
            && self.storm.doubled == 0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Report {
    fn add_assign(&mut self, more: Self) {
        self.checks.passed += more.checks.passed;
        self.checks.failed += more.checks.failed;
        self.kill += more.kill;
        self.crash += more.crash;
        self.storm.kills += more.storm.kills;
        self.storm.messages += more.storm.messages;
        self.storm.lost += more.storm.lost;
        self.storm.doubled += more.storm.doubled;
        self.storm.longest_stall = self.storm.longest_stall.max(more.storm.longest_stall);
        self.storm.own_stall = self.storm.own_stall.max(more.storm.own_stall);
    }
}

impl AddAssign for Sweep {
    fn add_assign(&mut self, more: Self) {
        self.points += more.points;
        self.survived += more.survived;
        self.failed += more.failed;
    }
}

impl Sum for Report {
    fn sum<I: Iterator<Item = Self>>(reports: I) -> Self {
        reports.fold(Self::default(), |mut sum, report| {
            sum += report;
            sum
        })
    }
}

impl From<Storm> for Report {
    fn from(storm: Storm) -> Self {
        Self { storm, ..Self::default() }
    }
}

impl fmt::Display for Report {
    /// One line for each kind that there is something of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        if self.checks != Checks::default() {
            lines.push(self.checks.to_string());
        }
        for (kind, unit, sweep) in
            [("kill", "instructions", self.kill), ("crash", "accesses", self.crash)]
        {
            if sweep != Sweep::default() {
                let Sweep { points, survived, failed } = sweep;
                lines.push(format!(
                    "{kind}: {points} {unit}, {survived} survivors went on, {failed} failed"
                ));
            }
        }
        if self.storm != Storm::default() {
            lines.push(self.storm.to_string());
        }
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "checks: {} passed, {} failed", self.passed, self.failed)
    }
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, messages, lost, doubled, longest_stall, own_stall } = self;
        write!(
            f,
            "storm: {kills} kills, {messages} messages, {lost} lost, {doubled} doubled, \
             longest stall {}",
            Milliseconds(*longest_stall)
        )?;
        match own_stall {
            Some(own) => write!(f, ", {} its own", Milliseconds(*own)),
            None => Ok(()),
        }
    }
}

/// A time in milliseconds, to a tenth.
struct Milliseconds(Duration);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.as_micros().div_ceil(100);
        write!(f, "{}.{} ms", tenths / 10, tenths % 10)
    }
}

/// A line that is no summary line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAReport;

impl fmt::Display for NotAReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a summary line")
    }
}

impl Error for NotAReport {}

impl FromStr for Report {
    type Err = NotAReport;

    fn from_str(line: &str) -> Result<Self, NotAReport> {
        let (kind, rest) = line.trim_end().split_once(": ").ok_or(NotAReport)?;
        let parts: Vec<&str> = rest.split(", ").collect();
        let empty = Self::default();
        match (kind, parts.as_slice()) {
            ("checks", &[passed, failed]) => {
                let checks =
                    Checks { passed: number(passed, "passed")?, failed: number(failed, "failed")? };
                Ok(Self { checks, ..empty })
            }
            ("kill", &[points, survived, failed]) => {
                Ok(Self { kill: sweep(points, "instructions", survived, failed)?, ..empty })
            }
            ("crash", &[points, survived, failed]) => {
                Ok(Self { crash: sweep(points, "accesses", survived, failed)?, ..empty })
            }
            ("storm", &[kills, messages, lost, doubled, stall, ref own @ ..]) => {
                let storm = Storm {
                    kills: number(kills, "kills")?,
                    messages: number(messages, "messages")?,
                    lost: number(lost, "lost")?,
                    doubled: number(doubled, "doubled")?,
                    longest_stall: milliseconds(stall, "longest stall ", "")?,
                    own_stall: match own {
                        [] => None,
                        [own] => Some(milliseconds(own, "", " its own")?),
                        _ => return Err(NotAReport),
                    },
                };
                Ok(Self { storm, ..empty })
            }
            _ => Err(NotAReport),
        }
    }
}

fn sweep(points: &str, unit: &str, survived: &str, failed: &str) -> Result<Sweep, NotAReport> {
    Ok(Sweep {
        points: number(points, unit)?,
        survived: number(survived, "survivors went on")?,
        failed: number(failed, "failed")?,
    })
}

/// Reads `17 words`.
fn number(text: &str, words: &str) -> Result<u64, NotAReport> {
    match text.split_once(' ') {
        Some((digits, found)) if found == words => digits.parse().map_err(|_| NotAReport),
        _ => Err(NotAReport),
    }
}

/// Reads `3.1 ms` between other words.
fn milliseconds(text: &str, before: &str, behind: &str) -> Result<Duration, NotAReport> {
    let text = text.strip_prefix(before).and_then(|text| text.strip_suffix(behind));
    let digits = text.and_then(|text| text.strip_suffix(" ms")).ok_or(NotAReport)?;
    let (whole, tenth) = digits.split_once('.').ok_or(NotAReport)?;
    if tenth.len() != 1 {
        return Err(NotAReport);
    }
    let parse = |digits: &str| digits.parse::<u64>().map_err(|_| NotAReport);
    let tenths = parse(whole)?.checked_mul(10).ok_or(NotAReport)? + parse(tenth)?;
    Ok(Duration::from_micros(tenths.checked_mul(100).ok_or(NotAReport)?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Report, Storm};

    #[test]
    fn every_line_is_read_back_as_it_was_written() {
        for line in [
            "kill: 5210 instructions, 5209 survivors went on, 1 failed",
            "crash: 210 accesses, 210 survivors went on, 0 failed",
            "storm: 2000 kills, 812345 messages, 1 lost, 2 doubled, longest stall 3.1 ms",
            "storm: 2 kills, 8 messages, 0 lost, 0 doubled, longest stall 3.1 ms, 0.4 ms its own",
            "checks: 12 passed, 3 failed",
        ] {
            assert_eq!(line.parse::<Report>().unwrap().to_string(), line);
        }
    }

    #[test]
    fn other_lines_are_not_taken_for_reports() {
        for line in [
            "",
            "kill",
            "kill: 5 accesses, 5 survivors went on, 0 failed",
            "kill: 5 instructions, 5 survivors went on",
            "kill: -5 instructions, 5 survivors went on, 0 failed",
            "lock free: kill: 5 instructions, 5 survivors went on, 0 failed",
            "storm: 1 kills, 1 messages, 0 lost, 0 doubled, longest stall 31 ms",
            "storm: 1 kills, 1 messages, 0 lost, 0 doubled, longest stall 3.1 ms, 0.4 ms",
        ] {
            assert!(line.parse::<Report>().is_err(), "{line}");
        }
    }

    #[test]
    fn sums_add_counts_and_keep_the_longest_stall() {
        let one = Storm {
            kills: 1,
            messages: 10,
            longest_stall: Duration::from_millis(3),
            ..Storm::default()
        };
        let own_stall = Some(Duration::from_millis(1));
        let two = Storm { lost: 1, longest_stall: Duration::from_millis(2), own_stall, ..one };
        let sum: Report = [one, two].into_iter().map(Report::from).sum();
        assert_eq!(
            sum.to_string(),
            "storm: 2 kills, 20 messages, 1 lost, 0 doubled, longest stall 3.0 ms, 1.0 ms its own"
        );
        assert!(!sum.is_success());
    }
}
