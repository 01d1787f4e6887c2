//! `mproc doctor`: whether the system lets programs of ours work, and what to do where not.
//!
//! | file | job |
//! |------|-----|
//! | `limits` | what a process may have: descriptors, processes, memory, room for names |
//! | `cgroup` | what the group that this process is in may have |
//! | `kernel` | what the kernel must be able to do: tried, where that is possible |
//! | `names` | memory with a name that nobody has open |

mod cgroup;
mod kernel;
mod limits;
mod names;

use std::io::{self, Write as _};

use serde::Serialize;

use crate::Verdict;
use crate::failure::Result;
use crate::table::{Side, Table, printable};

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Good,
    /// It works, and might not always, or not well.
    Hint,
    /// Something will not work, or was left behind.
    Problem,
}

/// A thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    group: &'static str,
    name: String,
    /// What was found.
    found: String,
    state: State,
    /// What to do, if something is.
    advice: Option<String>,
}

/// All that was looked at.
#[derive(Debug, Serialize)]
struct Examination {
    /// The version of this form.
    schema: u32,
    /// Whether there is no problem.
    well: bool,
    checks: Vec<Check>,
}

/// Looks at everything.
pub(crate) fn run(json: bool) -> Result<Verdict> {
    let mut checks = limits::check()?;
    checks.extend(cgroup::check());
    checks.extend(kernel::check());
    checks.extend(names::check()?);
    let well = checks.iter().all(|check| check.state != State::Problem);
    let examination = Examination { schema: 1, well, checks };
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &examination)?;
        writeln!(out)?;
    } else {
        examination.write(&mut out)?;
    }
    Ok(if well { Verdict::Well } else { Verdict::NotWell })
}

impl Check {
    fn good(group: &'static str, name: &str, found: impl Into<String>) -> Self {
        Self { group, name: name.to_owned(), found: found.into(), state: State::Good, advice: None }
    }

    /// The same with a hint, if one is to be given.
    fn hint_if(self, holds: bool, advice: impl Into<String>) -> Self {
        self.with(State::Hint, holds, advice.into())
    }

    /// The same as a problem, if it is one.
    fn problem_if(self, holds: bool, advice: impl Into<String>) -> Self {
        self.with(State::Problem, holds, advice.into())
    }

    fn with(self, state: State, holds: bool, advice: String) -> Self {
        if holds { Self { state, advice: Some(advice), ..self } } else { self }
    }

    /// A check of something that was tried.
    fn tried<E: ToString>(
        group: &'static str,
        name: &str,
        tried: std::result::Result<String, E>,
        advice: &str,
    ) -> Self {
        match tried {
            Ok(found) => Self::good(group, name, found),
            Err(error) => Self::good(group, name, error.to_string()).problem_if(true, advice),
        }
    }
}

impl Examination {
    fn write(&self, out: &mut impl io::Write) -> Result<()> {
        let mut table = Table::new(&[
            ("", Side::Left),
            ("ABOUT", Side::Left),
            ("WHAT", Side::Left),
            ("FOUND", Side::Left),
        ]);
        for check in &self.checks {
            let mark = match check.state {
                State::Good => "ok",
                State::Hint => "hint",
                State::Problem => "PROBLEM",
            };
            let cells = [mark, check.group, &check.name, &check.found];
            table.row(cells.map(str::to_owned).into());
        }
        table.write(out)?;
        let mut heading = "\nWhat to do:\n";
        for check in &self.checks {
            if let Some(advice) = &check.advice {
                writeln!(out, "{heading}- {}: {advice}", printable(&check.name))?;
                heading = "";
            }
        }
        let n_problems = self.checks.iter().filter(|check| check.state == State::Problem).count();
        match n_problems {
            0 => writeln!(out, "\nAll is well.")?,
            1 => writeln!(out, "\nThere is a problem.")?,
            n => writeln!(out, "\nThere are {n} problems.")?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Check, Examination, State};

    #[test]
    fn worst_comes_last_and_only_what_holds_counts() {
        let check = Check::good("limits", "x", "1").hint_if(false, "a").problem_if(true, "b");
        assert_eq!((check.state, check.advice.as_deref()), (State::Problem, Some("b")));
        let check = Check::good("limits", "x", "1").hint_if(true, "a").problem_if(false, "b");
        assert_eq!((check.state, check.advice.as_deref()), (State::Hint, Some("a")));
    }

    #[test]
    fn advice_is_printed_below_the_table() {
        let bad = Check::tried("kernel", "thing", Err::<String, _>("no"), "get another");
        let checks = vec![Check::good("limits", "x", "1"), bad];
        let mut out = Vec::new();
        Examination { schema: 1, well: false, checks }.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\nPROBLEM  kernel  thing  no\n"), "{text}");
        assert!(text.contains("\nWhat to do:\n- thing: get another\n"), "{text}");
        assert!(text.ends_with("\nThere is a problem.\n"), "{text}");
    }
}
