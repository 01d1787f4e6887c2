//! What happens to processes, told to who listens: events of `tracing`, with the feature of that name.
//!
//! Without it nothing is told, and nothing is left of the calls.

use crate::exit::{ExitStatus, SignalName};
use crate::start::Start;

/// For all of them.
#[cfg(feature = "tracing")]
const TARGET: &str = "proc_core";

/// Does the work of a start within a span.
#[cfg(feature = "tracing")]
pub(crate) fn in_start<R>(name: &str, way: Start, work: impl FnOnce() -> R) -> R {
    tracing::debug_span!(target: TARGET, "start", name, way = ?way).in_scope(work)
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn in_start<R>(_name: &str, _way: Start, work: impl FnOnce() -> R) -> R {
    work()
}

/// Makes a function that tells something, or does nothing.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($($field:ident: $type:ty),*) = $level:ident $text:literal;)*) => {$(
        $(#[$doc])*
        #[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "nothing is told"))]
        pub(crate) fn $name($($field: $type),*) {
            #[cfg(feature = "tracing")]
            tracing::event!(target: TARGET, tracing::Level::$level, $($field = %$field,)* $text);
        }
    )*};
}

events! {
    /// A process has taken its call.
    started(name: &str, pid: u32) = DEBUG "process started";
    /// A process could not be started.
    not_started(name: &str, error: &crate::StartError) = WARN "process not started";
    /// The status of a child was taken.
    ended(pid: u32, status: ExitStatus) = DEBUG "process ended";
    /// A signal was sent to a child.
    signalled(pid: u32, signal: SignalName) = DEBUG "signal sent";
    /// An orphan was reaped.
    orphan_reaped(pid: u32, status: ExitStatus) = DEBUG "orphan reaped";
    /// A fork server is ready.
    server_started(pid: u32) = DEBUG "fork server started";
    /// A fork server was given up, as it is dead or does nothing.
    server_lost(pid: u32, status: ExitStatus) = WARN "fork server lost";
}
