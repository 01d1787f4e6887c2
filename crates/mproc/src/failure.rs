//! `Failure`: why a command could not do its work.

use std::io;

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
    #[error("there is no process {0} of this user")]
    NoProcess(u32),
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}
