//! The pool in loom's world: every order of a few threads' steps, and a death before each access.
//!
//! | model | of what |
//! |-------|---------|
//! | [`tray`] | items that travel together: their results, and what is taken back of them |
//! | [`shelf`] | results on a shelf, which are overwritten only when they were copied |
//! | [`hand_over`] | a task's way to a worker and back: taking, answering, taking back, cancelling |
//!
//! The rings are what their own models prove them to be: a record is put or is not, and is got by one.
//! The table and the words of the board are the pool's own.

#![cfg(ipc_loom)]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that talks and that fails")]

#[expect(dead_code, reason = "the models use a part of the words")]
#[path = "../../src/board/words.rs"]
mod board;
#[expect(dead_code, reason = "the models use a part of the table")]
#[path = "../../src/dispatch/mod.rs"]
mod dispatch;
mod hand_over;
mod ring;
mod shelf;
mod tray;
#[path = "../../src/chunk/words.rs"]
mod words;

use std::sync::Arc;

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let told = std::env::var("LOOM_MAX_PREEMPTIONS").ok().and_then(|bound| bound.parse().ok());
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(told.unwrap_or(2));
    builder.max_branches = 100_000;
    builder.check(model);
}

/// Explores the model with the victim dying before its access 0, 1, 2, …, until it never does.
#[expect(clippy::disallowed_types, reason = "what the explorations tell one another")]
fn explore_deaths(model: impl Fn(u64) -> bool + Send + Sync + Clone + 'static) {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    for dies_at in 0.. {
        let died = Arc::new(AtomicBool::new(false));
        let (seen, model) = (Arc::clone(&died), model.clone());
        explore(move || {
            if model(dies_at) {
                seen.store(true, Relaxed);
            }
        });
        if !died.load(Relaxed) {
            assert!(dies_at > 5, "the victim makes more accesses than that");
            println!("no death at access {dies_at}");
            return;
        }
    }
}
