//! The primitives in the model: every interleaving of a few threads, every death of one of them.
//!
//! Run with `RUSTFLAGS="--cfg ipc_loom" cargo test -p ipc-sync --profile model --test model`.
//! A lost wake-up shows as a deadlock, a broken exclusion or a missing edge as an access to the
//! payload that loom objects to. `LOOM_MAX_PREEMPTIONS` sets the bound on preemptions,
//! `TESTKIT_FULL=1` explores what takes minutes, too.

#![cfg(ipc_loom)]
#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test")]
#![expect(clippy::disallowed_types, reason = "what the test notes is no part of the model")]

mod barrier;
mod bell;
mod condition;
mod event;
mod lock;
mod once;
mod rlock;
mod rwlock;
mod semaphore;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use ipc_core::primitive::model::Ended;

/// Explores every interleaving of `body`'s threads, within the bound on preemptions.
fn explore(body: impl Fn() + Send + Sync + 'static) {
    explore_within(usize::MAX, body);
}

/// The same within a smaller bound, where the usual one would take minutes.
fn explore_within(most_preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = builder.preemption_bound.unwrap_or(2);
    let most = if testkit::full() { usize::MAX } else { most_preemptions };
    builder.preemption_bound = Some(bound.min(most));
    builder.check(body);
}

/// Explores `body` with a victim that dies before its first access, its second, and so on, until
/// it comes to its end in every execution.
fn with_every_death(body: impl Fn(u64) -> Ended<()> + Send + Sync + 'static) {
    with_every_death_within(usize::MAX, body);
}

/// The same within a smaller bound, where the usual one would take minutes.
fn with_every_death_within(
    most_preemptions: usize,
    body: impl Fn(u64) -> Ended<()> + Send + Sync + 'static,
) {
    let body = Arc::new(body);
    for dies_at in 0.. {
        let somebody_died = Arc::new(AtomicBool::new(false));
        let (body, noted) = (Arc::clone(&body), Arc::clone(&somebody_died));
        explore_within(most_preemptions, move || {
            if !body(dies_at).is_finished() {
                noted.store(true, Relaxed);
            }
        });
        if !somebody_died.load(Relaxed) {
            assert!(dies_at > 2, "the victim makes more accesses than that");
            return;
        }
    }
}
