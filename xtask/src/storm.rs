//! `cargo xtask storm`: many processes, random kills, and an audit of every message.

use crate::{
    failure::{Failure, Result},
    flags,
    proofs::{self, Asked},
    report::Report,
    workspace::Workspace,
};

/// Runs the storms that were asked for; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Storm) -> Result<String> {
    let settings = [
        ("TESTKIT_KILLS", flags.kills.map(|n| n.to_string())),
        ("TESTKIT_MINUTES", flags.minutes.map(|n| n.to_string())),
        ("TESTKIT_SEED", flags.seed.clone()),
    ];
    let asked = Asked {
        subjects: &flags.subjects,
        list: flags.list,
        full: flags.full,
        settings: settings.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
    };
    let summary = proofs::run(workspace, "storm", &asked, |sum| Report {
        storm: sum.storm,
        ..Report::default()
    })?;
    heeded(summary, flags.kills)
}

/// Takes no summary of fewer kills than were asked for: a program did not heed what it was told.
fn heeded(summary: String, asked: Option<u64>) -> Result<String> {
    let made = summary.parse::<Report>().map(|report| report.storm.kills);
    match (asked, made) {
        (Some(asked), Ok(made)) if made < asked => {
            println!("{asked} kills were asked for, and {made} made");
            Err(Failure::new(summary))
        }
        _ => Ok(summary),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_kills_than_asked_for_are_a_failure() {
        let line = "storm: 200 kills, 9 messages, 0 lost, 0 doubled, longest stall 3.1 ms";
        assert_eq!(heeded(line.to_owned(), None).unwrap(), line);
        assert_eq!(heeded(line.to_owned(), Some(200)).unwrap(), line);
        assert_eq!(heeded(line.to_owned(), Some(201)).unwrap_err().to_string(), line);
    }
}
