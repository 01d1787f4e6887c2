//! A death after every instruction of every operation of the ring.

mod sweeps;
mod takeover;

use std::process::ExitCode;

use testkit::kill::Sweep;
use testkit::{Outcome, Scenario};

fn main() -> ExitCode {
    let with_two_deaths: Scenario =
        ("ring: take a dead one's seat and die", takeover::take_over_and_die);
    testkit::main(&[sweeps::SCENARIOS, &[with_two_deaths]].concat())
}

fn run<S>(sweep: Sweep<'_, S>) -> Outcome {
    Ok(sweep.at_every_instruction()?.into())
}
