//! `Failure`: why a command could not do its work.

use std::io;

use proc_core::{JoinError, StartError};

/// The result of a command, and of its parts.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    #[error("cannot read {path}: {error} (is /proc mounted?)")]
    Proc {
        path: String,
        #[source]
        error: io::Error,
    },
    #[error("cannot start the process that keeps the jobs: {0}")]
    Start(#[from] StartError),
    #[error("the process that kept the jobs ended too early, and they were ended: {0}")]
    Keeper(#[source] JoinError),
    #[error("the jobs cannot go on: {0}")]
    Jobs(String),
    #[error("the system refused to {action}: {error}")]
    System {
        action: &'static str,
        #[source]
        error: io::Error,
    },
    #[error(
        "this is no terminal: `mproc ps` and `mproc ls` list once, `mproc top --json` prints rows"
    )]
    NoTerminal,
    #[error("the terminal refuses: {0}")]
    Terminal(#[source] io::Error),
    #[error("there is no process {0} of this user")]
    NoProcess(u32),
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}

impl Failure {
    /// For what the system refuses to do.
    pub(crate) fn system<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::System { action, error: error.into() }
    }
}
