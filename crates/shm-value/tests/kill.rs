//! A death after every instruction of every change.

#[cfg(not(ipc_loom))]
mod sweeps;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(sweeps::SCENARIOS)
}

#[cfg(not(ipc_loom))]
fn run<S>(sweep: testkit::kill::Sweep<'_, S>) -> testkit::Outcome {
    Ok(sweep.at_every_instruction()?.into())
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
