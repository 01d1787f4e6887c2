//! The test kit of this workspace: processes, deaths, and what must hold after them.
//!
//! Never published, and built on none of our crates, so that each of them may be tested with it.
//!
//! | module | what it gives |
//! |---|---|
//! | [`main`], [`Runner`] | the `main` of test binaries that fork: each scenario in a process of its own, watched |
//! | [`child`] | child processes: forked, or this test binary started afresh |
//! | [`die_alone`], [`Mortal`] | threads that die while their process lives on |
//! | [`kill`] | the kill harness: after every instruction, before every access, at a named moment, at random |
//! | [`Watchdog`] | ends a test that hangs, with a trace of where |
//! | [`leaks`] | descriptors, mappings, processes and names in `/dev/shm`: before and after |
//! | [`seed`] | one seed per run, printed on failure, settable |
//! | [`Script`] | operations as bytes, so that a fuzzer can write them |
//! | [`SharedArena`], [`Counter`] | memory that a test shares with the processes it forks |
//! | [`report`] | one summary line per kind of proof, for people and for scripts |
//!
//! | variable | what it says |
//! |---|---|
//! | `TESTKIT_SEED` | the [seed](seed::seed) of the run |
//! | `TESTKIT_FULL` | `1`: the [long form](full) of every proof |
//! | `TESTKIT_PART` | of which stages, `29..36`, a sweep is made that takes hours in its long form: a [part](part()) |
//! | `TESTKIT_KILLS` | how many are killed in every storm |
//! | `TESTKIT_STALLS` | after how many milliseconds without progress a storm tells where everybody is |
//! | `TESTKIT_MINUTES` | how long every storm lasts, however many it kills |
//!
//! A test binary that forks has `harness = false` in its manifest and [`main`] as its `main`:
//! libtest runs tests in threads, and a process with threads must not be forked. Tests that fork
//! nothing stay with libtest, and may use [`Watchdog`], [`leaks`] and [`seed`].
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the kit is part of tests: it ends them and talks to whoever runs them"
)]
#![expect(
    clippy::disallowed_types,
    reason = "the kit stands below the door, and tests what lies behind it"
)]

mod arena;
pub mod child;
pub mod clock;
pub mod kill;
mod lasting;
pub mod leaks;
mod proc;
pub mod report;
mod runner;
mod script;
pub mod seed;
mod sys;
mod text;
mod thread;
mod watchdog;

pub use crate::{
    arena::{Counter, SharedArena, Zeroed},
    proc::trace,
    report::Report,
    runner::{Entry, Outcome, Runner, Scenario, full, main, part},
    script::Script,
    sys::refuse,
    thread::{Mortal, die_alone},
    watchdog::Watchdog,
};
