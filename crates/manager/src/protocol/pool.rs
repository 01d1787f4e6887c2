//! What a client says of a pool that is to be made.

use std::time::Duration;

use ipc_core::wire::Bytes;
use proc_core::Start;
use serde::{Deserialize, Serialize};

/// How a pool shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// How many workers; one for each processor if nothing is said.
    pub(crate) workers: Option<usize>,
    pub(crate) start: Option<Start>,
    pub(crate) max_tasks_per_worker: Option<u64>,
    /// How often a task is run again whose worker died.
    pub(crate) retries: u32,
    /// How long a task may take.
    pub(crate) timeout: Option<Duration>,
    /// What each worker calls before its first task: a function, and its argument.
    pub(crate) initializer: Option<(Bytes<'static>, Bytes<'static>)>,
}
