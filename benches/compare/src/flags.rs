//! The command line.

use std::time::Duration;

use crate::Result;
use crate::subjects::Subject;

const USAGE: &str = "usage: compare SUBJECT [--quick] [--only WORD]; \
                     a subject is one of sync, queue, value, pool, start, manager";

/// What this process was started to do.
#[derive(Debug)]
pub(crate) enum Flags {
    /// All benches of a subject whose name, or whose peer's, contains a word.
    Subject { subject: Subject, effort: Effort, only: Option<String> },
    /// One measurement of one peer, in this process.
    Measure { bench: String, peer: String, effort: Effort },
    /// End at once: the program that a bench of starting programs starts.
    Nothing,
}

/// How long and how often to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effort {
    /// How many times each peer is measured.
    pub(crate) rounds: usize,
    /// For how long it runs before it is measured.
    pub(crate) warm_up: Duration,
    /// For how long it is measured.
    pub(crate) window: Duration,
}

impl Effort {
    const FULL: Self =
        Self { rounds: 7, warm_up: Duration::from_millis(37), window: Duration::from_millis(150) };
    const QUICK: Self =
        Self { rounds: 3, warm_up: Duration::from_millis(20), window: Duration::from_millis(60) };

    /// Whether this is the quick form.
    pub(crate) fn is_quick(self) -> bool {
        self == Self::QUICK
    }
}

impl Flags {
    /// Reads the arguments without the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut words = vec![];
        let mut effort = Effort::FULL;
        let mut only = None;
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => effort = Effort::QUICK,
                "--only" => only = Some(arguments.next().ok_or(USAGE)?),
                _ => words.push(argument),
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["nothing"] => Ok(Self::Nothing),
            ["measure", bench, peer] => {
                Ok(Self::Measure { bench: (*bench).into(), peer: (*peer).into(), effort })
            }
            [subject] => {
                let subject = Subject::named(subject).ok_or(USAGE)?;
                Ok(Self::Subject { subject, effort, only })
            }
            _ => Err(USAGE.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags> {
        Flags::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_may_stand_before_and_after_the_subject() {
        for line in ["queue --quick --only pipe", "--only pipe --quick queue"] {
            match parse(line).unwrap() {
                Flags::Subject { subject: Subject::Queue, effort, only } => {
                    assert!(effort.is_quick());
                    assert_eq!(only.as_deref(), Some("pipe"));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_subject_is_refused() {
        for line in ["", "quick", "queue sync", "queue --only"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
