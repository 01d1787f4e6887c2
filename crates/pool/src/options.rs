//! What can be said of a task beside its function and its argument.

use std::sync::Arc;
use std::time::Duration;

use crate::retry::Retry;

/// How a task is to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// How long it may take.
    pub(crate) limit: Option<Duration>,
    /// How long it has after it was asked to end, if that was said.
    pub(crate) grace: Option<Duration>,
    pub(crate) retry: Retry,
    /// The greater goes first.
    pub(crate) priority: i32,
    /// What its caller calls it.
    pub(crate) tag: Option<Arc<str>>,
}

impl Options {
    /// Of a pool of which nothing was said.
    pub(crate) const fn new() -> Self {
        Self { limit: None, grace: None, retry: Retry::never(), priority: 0, tag: None }
    }
}
