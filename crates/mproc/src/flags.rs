//! The whole command line.

use clap::{Args, Parser, Subcommand};

/// See the processes and shared objects of multiproc, and run jobs that no kill leaves behind.
#[derive(Debug, Parser)]
#[command(name = "mproc", version, propagate_version = true)]
pub(crate) struct Flags {
    /// Print JSON in place of text, in the form that docs/mproc.md describes.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List segments, queues, locks and pools of this user.
    ///
    /// For each it says how much is in it and how much there can be, which threads hold or use it,
    /// whether somebody waits, how many deaths were repaired, and which processes have it open. Nobody is
    /// disturbed: objects are opened for reading and copied, and no word of them is written.
    Ls(Ls),
}

/// Flags of `ls`.
#[derive(Args, Debug)]
pub(crate) struct Ls {
    /// Only what this process has open.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
}
