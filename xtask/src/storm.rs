//! `cargo xtask storm`: many processes, random kills, and an audit of every message.

use crate::{
    failure::Result,
    flags,
    proofs::{self, Asked},
    report::Report,
    workspace::Workspace,
};

/// Runs the storms that were asked for; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Storm) -> Result<String> {
    let settings = [
        ("TESTKIT_KILLS", flags.kills.map(|n| n.to_string())),
        ("TESTKIT_SECONDS", flags.seconds.map(|n| n.to_string())),
        ("TESTKIT_SEED", flags.seed.clone()),
    ];
    let asked = Asked {
        subjects: &flags.subjects,
        list: flags.list,
        full: flags.full,
        settings: settings.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
    };
    proofs::run(workspace, "storm", &asked, |sum| Report { storm: sum.storm, ..Report::default() })
}
