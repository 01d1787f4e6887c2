//! A death after every instruction of every operation of a lock.

mod sweeps;

use std::process::ExitCode;

use testkit::Outcome;
use testkit::kill::Sweep;

fn main() -> ExitCode {
    testkit::main(sweeps::SCENARIOS)
}

fn run(sweep: Sweep<'_, sweeps::State>) -> Outcome {
    Ok(sweep.at_every_instruction()?.into())
}
