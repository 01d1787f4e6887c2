//! `cargo xtask kill`: a process dies after each instruction of one operation; do the others go on?
//!
//! The programs step a child through one operation by ptrace and kill it after instruction n, for
//! every n. They are built in release mode: what is swept is what users run.

use std::{fmt, ops::AddAssign};

use crate::{
    failure::Result,
    flags,
    proofs::{self, Asked, numbers},
    workspace::Workspace,
};

/// Runs the sweeps that were asked for; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Kill) -> Result<String> {
    let asked = Asked { subjects: &flags.subjects, list: flags.list, full: flags.full };
    let outcome = proofs::run(workspace, "kill", &asked, |_| {}, Summary::parse)?;
    let sum = outcome.sum.unwrap_or_default();
    outcome.judge(&sum, sum.failed == 0 && sum.survivors == sum.instructions, sum.instructions > 0)
}

/// What the programs counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Summary {
    instructions: u64,
    survivors: u64,
    failed: u64,
}

impl Summary {
    fn parse(line: &str) -> Option<Self> {
        let form = "kill: # instructions, # survivors went on, # failed";
        let [instructions, survivors, failed] = numbers(form, line)?;
        Some(Self {
            instructions: instructions.parse().ok()?,
            survivors: survivors.parse().ok()?,
            failed: failed.parse().ok()?,
        })
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.instructions += other.instructions;
        self.survivors += other.survivors;
        self.failed += other.failed;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instructions, survivors, failed } = self;
        write!(
            f,
            "kill: {instructions} instructions, {survivors} survivors went on, {failed} failed"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_reads_as_it_is_written_and_adds_up() {
        let line = "kill: 5210 instructions, 5209 survivors went on, 1 failed";
        let mut sum = Summary::parse(line).unwrap();
        assert_eq!(sum.to_string(), line);
        sum += Summary { instructions: 10, survivors: 10, failed: 0 };
        assert_eq!(sum.to_string(), "kill: 5220 instructions, 5219 survivors went on, 1 failed");
        assert_eq!(Summary::parse("kill: lock/free: 52 instructions"), None);
    }
}
