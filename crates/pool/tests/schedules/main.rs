//! Any schedule of a pool comes to what the same tasks come to one after the other, without processes.
//!
//! A plan is a random sequence of what a program and its enemies can do: submit tasks of all kinds with
//! priorities, tags, callbacks, time limits and retries, alone, in maps and through iterators over results, cancel them, join
//! them, forget them, kill workers, make them more and fewer, close the pool, and end it in one of three ways. [`Audit`](audit::Audit) counts in shared
//! memory what was run; [`Reference`](reference::Reference) knows of each task what it comes to if nobody
//! interferes, and what else it may come to after what was done; [`Given`](given::Given) hears who is given
//! what, and when. Each task has its answer exactly once, and it is one of these; nothing runs that must
//! not, nothing runs twice unless its worker has died, and what is more urgent goes first.
//!
//! Plans are drawn from the run's seed (`TESTKIT_SEED`). `PROPTEST_CASES` says how many are played.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::env;
use std::time::Duration;

use proc_core::Start;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use testkit::Watchdog;
use testkit::seed::Rng;

mod audit;
mod given;
mod heard;
mod plan;
mod play;
mod reference;

/// How many plans are played unless `PROPTEST_CASES` says so.
fn n_cases(usual: u32) -> u32 {
    let told = env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    told.unwrap_or(if testkit::full() { usual * 50 } else { usual })
}

fn play_some(name: &str, start: Start, usual: u32) {
    let n_cases = n_cases(usual);
    let _watchdog = Watchdog::start(Duration::from_secs(100 + u64::from(n_cases)), name);
    let config = Config {
        cases: n_cases,
        failure_persistence: None,
        max_shrink_time: 30_000,
        ..Config::default()
    };
    let mut random = Rng::of_run(name);
    let seed: Vec<u8> = (0..4).flat_map(|_| random.next_u64().to_ne_bytes()).collect();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let ended = TestRunner::new_with_rng(config, rng)
        .run(&plan::plan(), |plan| play::play(start, &plan).map_err(plan::fail));
    assert!(ended.is_ok(), "{}", ended.unwrap_err());
}

#[test]
fn any_schedule_comes_to_what_the_reference_says_with_workers_of_a_fork_server() {
    play_some("schedules, fork server", Start::ForkServer, 50);
}

#[test]
fn any_schedule_comes_to_what_the_reference_says_with_workers_that_are_spawned() {
    play_some("schedules, spawn", Start::Spawn, 12);
}
