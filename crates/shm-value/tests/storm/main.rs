//! Many processes at the same things, killed at random: what is read is whole, nothing is lost that
//! was done, and nobody waits for the dead.

#[cfg(not(ipc_loom))]
mod maps;
#[cfg(not(ipc_loom))]
mod rows;
#[cfg(not(ipc_loom))]
mod values;

use std::process::ExitCode;
#[cfg(not(ipc_loom))]
use std::time::Duration;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("value: storm, small values", || values::storm::<4>("small values", 400)),
        ("value: storm, large values", || values::storm::<512>("large values", 400)),
        ("map: storm, counting and passing through", || maps::storm("counting", 400)),
        ("row: storm, lists, arrays, blocks and names", || rows::storm("rows", 400)),
        ("value: storm, sleepers only", || {
            ipc_sync::raw::set_spin(0);
            values::storm::<16>("sleepers only", 200)
        }),
    ])
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
    if cfg!(debug_assertions) { Duration::MAX } else { Duration::from_secs(10) };

/// Says why a worker ends, and what it ends with.
#[cfg(not(ipc_loom))]
#[expect(clippy::print_stderr, reason = "says why the storm is over")]
fn ended(outcome: Result<(), String>) -> i32 {
    match outcome {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("{why}");
            1
        }
    }
}
