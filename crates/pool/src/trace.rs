//! What happens in a pool, told to `tracing`, with the feature of that name.
//!
//! Subscribers are code of the user, so nobody who tells holds a lock. Without the feature nothing is
//! told, and nothing is left of the calls.

use proc_core::ExitStatus;

/// For all of them.
#[cfg(feature = "tracing")]
const TARGET: &str = "pool";

/// Does the work of a map within a span.
#[cfg(feature = "tracing")]
pub(crate) fn in_map<R>(n_items: usize, work: impl FnOnce() -> R) -> R {
    tracing::debug_span!(target: TARGET, "map", n_items).in_scope(work)
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn in_map<R>(_n_items: usize, work: impl FnOnce() -> R) -> R {
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
    /// A worker was started.
    worker_started(place: usize, pid: u32) = DEBUG "worker started";
    /// A worker has ended.
    worker_ended(place: usize, pid: u32, status: ExitStatus) = DEBUG "worker ended";
    /// A worker could not be started.
    start_failed(place: usize, reason: &str) = WARN "worker not started";
    /// A worker has died of a task, which does not run again.
    task_died(number: u64, tag: &str, pid: u32) = WARN "task died";
    /// There are no workers any more.
    given_up(reason: &str) = ERROR "pool given up";
}
