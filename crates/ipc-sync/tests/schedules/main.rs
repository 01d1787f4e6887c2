//! Every primitive against a plain reference, over random schedules of processes that are killed at
//! random: idle, holding, asleep, or at any moment of a call.
//!
//! | file | job |
//! |------|-----|
//! | `schedule` | random schedules, and how one is played |
//! | `crew` | the processes, and how they are told what to do |
//! | `worlds` | what may have become of the reference |
//! | `answer`, `repair` | what calls have in common |
//! | the others | one primitive each: its reference, and how it is called |
//!
//! Every schedule is drawn from the run's seed (`TESTKIT_SEED`). `PROPTEST_CASES` says how many are
//! played.

#![cfg_attr(not(ipc_loom), expect(clippy::unwrap_used, reason = "a test binary"))]

#[cfg(not(ipc_loom))]
mod answer;
#[cfg(not(ipc_loom))]
mod bare;
#[cfg(not(ipc_loom))]
mod barrier;
#[cfg(not(ipc_loom))]
mod condition;
#[cfg(not(ipc_loom))]
mod crew;
#[cfg(not(ipc_loom))]
mod event;
#[cfg(not(ipc_loom))]
mod mutex;
#[cfg(not(ipc_loom))]
mod once;
#[cfg(not(ipc_loom))]
mod repair;
#[cfg(not(ipc_loom))]
mod rwlock;
#[cfg(not(ipc_loom))]
mod schedule;
#[cfg(not(ipc_loom))]
mod semaphore;
#[cfg(not(ipc_loom))]
mod worlds;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("lock: any schedule comes to what a reference says", bare::any_schedule_of_a_lock),
        ("rlock: any schedule comes to what a reference says", bare::any_schedule_of_an_rlock),
        ("mutex: any schedule comes to what a reference says", mutex::any_schedule),
        ("semaphore: any schedule comes to what a reference says", semaphore::any_schedule),
        (
            "bounded semaphore: any schedule comes to what a reference says",
            semaphore::any_schedule_with_a_bound,
        ),
        ("event: any schedule comes to what a reference says", event::any_schedule),
        ("condition: any schedule comes to what a reference says", condition::any_schedule),
        ("rwlock: any schedule comes to what a reference says", rwlock::any_schedule),
        ("barrier: any schedule comes to what a reference says", barrier::any_schedule),
        ("once: any schedule comes to what a reference says", once::any_schedule),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
