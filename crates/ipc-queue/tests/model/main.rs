//! The ring in loom's world: every interleaving of a few threads, and the death of one of them
//! before each of its accesses.
//!
//! The models borrow their words as the mapped ring does. A message is the pair of its putter and
//! its number; its bytes are a loom cell for each slot, so that a missing edge shows as a race.

#![cfg(ipc_loom)]
#![expect(dead_code, reason = "the models use a part of the ring's moves")]
#![expect(clippy::arc_with_non_send_sync, reason = "loom's threads are one thread's coroutines")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that talks and that fails"
)]

mod deaths;
mod ends;
#[path = "../../src/heap/mod.rs"]
mod heap;
mod joinable;
mod large;
#[path = "../../src/lease/mod.rs"]
mod lease;
mod living;
mod observers;
#[path = "../../src/ring/mod.rs"]
mod ring;
mod seats;
mod store;
mod told;
mod words;

use std::sync::Arc;

use ipc_core::Deadline;

use ring::Patience;

const FOREVER: Patience = Patience::Until(Deadline::NEVER);

fn bound() -> usize {
    std::env::var("LOOM_MAX_PREEMPTIONS").ok().and_then(|bound| bound.parse().ok()).unwrap_or(2)
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    explore_within(bound(), model);
}

fn explore_within(bound: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.max_branches = 100_000;
    builder.check(model);
}

/// Explores the model with the victim dying before its access 0, 1, 2, …, until it never does.
fn explore_deaths(model: impl Fn(u64) -> bool + Send + Sync + Clone + 'static) {
    explore_deaths_within(bound(), model);
}

#[expect(clippy::disallowed_types, reason = "what the explorations tell one another")]
fn explore_deaths_within(
    bound: usize,
    model: impl Fn(u64) -> bool + Send + Sync + Clone + 'static,
) {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    for dies_at in 0.. {
        let died = Arc::new(AtomicBool::new(false));
        let (seen, model) = (Arc::clone(&died), model.clone());
        explore_within(bound, move || {
            if model(dies_at) {
                seen.store(true, Relaxed);
            }
        });
        if !died.load(Relaxed) {
            println!("no death at access {dies_at}");
            return;
        }
    }
}
