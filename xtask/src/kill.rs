//! `cargo xtask kill`: a process dies after each instruction of one operation; do the others go on?
//!
//! The programs step a child through one operation by ptrace and kill it after instruction n, for
//! every n. They are built in release mode: what is swept is what users run.

use crate::{
    failure::Result,
    flags,
    proofs::{self, Asked},
    report::Report,
    workspace::Workspace,
};

/// Runs the sweeps that were asked for; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Kill) -> Result<String> {
    let settings = flags.part.iter().map(|part| ("TESTKIT_PART", part.clone())).collect();
    let asked = Asked { subjects: &flags.subjects, list: flags.list, full: flags.full, settings };
    proofs::run(workspace, "kill", &asked, |sum| Report { kill: sum.kill, ..Report::default() })
}
