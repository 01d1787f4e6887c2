//! `cargo xtask storm`: many processes, random kills, and an audit of every message.

use std::{fmt, ops::AddAssign};

use crate::{
    failure::Result,
    flags,
    proofs::{self, Asked, numbers},
    workspace::Workspace,
};

/// Runs the storms that were asked for; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Storm) -> Result<String> {
    let asked = Asked { subjects: &flags.subjects, list: flags.list, full: flags.full };
    let settings = [
        ("TESTKIT_KILLS", flags.kills),
        ("TESTKIT_SECONDS", flags.seconds),
        ("TESTKIT_SEED", flags.seed),
    ];
    let outcome = proofs::run(
        workspace,
        "storm",
        &asked,
        |program| {
            for (name, value) in settings {
                if let Some(value) = value {
                    program.env(name, value.to_string());
                }
            }
        },
        Summary::parse,
    )?;
    let sum = outcome.sum.unwrap_or_default();
    outcome.judge(&sum, sum.lost == 0 && sum.doubled == 0, sum.kills > 0)
}

/// What the programs counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Summary {
    kills: u64,
    messages: u64,
    lost: u64,
    doubled: u64,
    stall_ms: f64,
}

impl Summary {
    fn parse(line: &str) -> Option<Self> {
        let form = "storm: # kills, # messages, # lost, # doubled, longest stall # ms";
        let [kills, messages, lost, doubled, stall_ms] = numbers(form, line)?;
        Some(Self {
            kills: kills.parse().ok()?,
            messages: messages.parse().ok()?,
            lost: lost.parse().ok()?,
            doubled: doubled.parse().ok()?,
            stall_ms: stall_ms.parse().ok()?,
        })
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.kills += other.kills;
        self.messages += other.messages;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.stall_ms = self.stall_ms.max(other.stall_ms);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, messages, lost, doubled, stall_ms } = self;
        write!(
            f,
            "storm: {kills} kills, {messages} messages, {lost} lost, {doubled} doubled, \
             longest stall {stall_ms:.1} ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_reads_as_it_is_written_and_adds_up() {
        let line = "storm: 2000 kills, 812345 messages, 0 lost, 1 doubled, longest stall 3.1 ms";
        let mut sum = Summary::parse(line).unwrap();
        assert_eq!(sum.to_string(), line);
        sum += Summary { kills: 1, messages: 5, lost: 2, doubled: 0, stall_ms: 7.25 };
        assert_eq!(
            sum.to_string(),
            "storm: 2001 kills, 812350 messages, 2 lost, 1 doubled, longest stall 7.2 ms"
        );
        assert_eq!(Summary::parse("storm: seed 7"), None);
    }
}
