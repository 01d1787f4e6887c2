//! The protocols in the model: every interleaving of a few threads, every death of one of them.
//!
//! Run with `RUSTFLAGS="--cfg ipc_loom" cargo test -p shm-value --profile model --test model`.
//! `LOOM_MAX_PREEMPTIONS` sets the bound on preemptions.

#![cfg(ipc_loom)]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test")]
#![expect(clippy::disallowed_types, reason = "what the test notes is no part of the model")]

mod cell;
mod table;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use ipc_core::primitive::model::Ended;

/// Explores every interleaving of `body`'s threads, within the bound on preemptions.
fn explore(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(2);
    builder.check(body);
}

/// Explores `body` with a victim that dies before its first access, its second, and so on, until
/// it comes to its end in every execution.
fn with_every_death(body: impl Fn(u64) -> Ended<()> + Send + Sync + 'static) {
    let body = Arc::new(body);
    for dies_at in 0.. {
        let somebody_died = Arc::new(AtomicBool::new(false));
        let (body, noted) = (Arc::clone(&body), Arc::clone(&somebody_died));
        explore(move || {
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
