//! Many processes at the same primitives, killed at random: whatever excludes excludes, counts are
//! right, every death is told, and nobody sleeps for ever.

#[cfg(not(ipc_loom))]
mod all;
#[cfg(not(ipc_loom))]
mod condition;
#[cfg(not(ipc_loom))]
mod handovers;
#[cfg(not(ipc_loom))]
mod mutexes;

use std::process::ExitCode;
#[cfg(not(ipc_loom))]
use std::time::Duration;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("lock: storm, two adders, one lock", || mutexes::storm("two adders, one lock", 2, 1, 500)),
        ("lock: storm, six adders, one lock", || mutexes::storm("six adders, one lock", 6, 1, 500)),
        ("lock: storm, six adders, four locks", || {
            mutexes::storm("six adders, four locks", 6, 4, 500)
        }),
        ("lock: storm, sleepers only", || {
            ipc_sync::raw::set_spin(0);
            mutexes::storm("sleepers only", 6, 1, 500)
        }),
        ("condition: storm, one maker, three takers", || {
            condition::storm("one maker, three takers", 1, 3, 500)
        }),
        ("condition: storm, three makers, three takers", || {
            condition::storm("three makers, three takers", 3, 3, 500)
        }),
        ("condition: storm, sleepers only", || {
            ipc_sync::raw::set_spin(0);
            condition::storm("sleepers only", 2, 4, 500)
        }),
        ("all: storm, every primitive", || all::storm("every primitive", 500)),
        ("all: storm, every primitive, sleepers only", || {
            ipc_sync::raw::set_spin(0);
            all::storm("every primitive, sleepers only", 300)
        }),
        ("all: handovers of permits", handovers::permits),
        ("all: handovers by events", handovers::events),
        ("all: handovers by a condition", handovers::turns),
        ("all: handovers of a lock", handovers::locks),
        ("all: handovers of permits, sleepers only", || asleep(handovers::permits)),
        ("all: handovers by events, sleepers only", || asleep(handovers::events)),
        ("all: handovers by a condition, sleepers only", || asleep(handovers::turns)),
        ("all: handovers of a lock, sleepers only", || asleep(handovers::locks)),
    ])
}

/// Nobody looks before it goes to sleep.
#[cfg(not(ipc_loom))]
fn asleep(test: fn() -> testkit::Outcome) -> testkit::Outcome {
    ipc_sync::raw::set_spin(0);
    test()
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}

/// How long nobody may get on, whoever dies: in the build that the proof runs, for this races
/// the clock.
#[cfg(not(ipc_loom))]
const LONGEST_STALL: Duration =
    if cfg!(debug_assertions) { Duration::MAX } else { Duration::from_millis(100) };

#[cfg(not(ipc_loom))]
#[expect(clippy::print_stderr, reason = "says why the storm is over")]
fn complain(why: &str) -> i32 {
    eprintln!("{why}");
    1
}
