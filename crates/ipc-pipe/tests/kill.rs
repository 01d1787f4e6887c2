//! A death after every instruction of every operation of a connection through shared memory.

mod sweeps;

use std::process::ExitCode;

use testkit::Outcome;
use testkit::kill::Sweep;

fn main() -> ExitCode {
    testkit::main(&[
        ("pipe: send a short message", sweeps::send_a_short_message),
        ("pipe: send a long message", sweeps::send_a_long_message),
        ("pipe: send wakes a sleeper", sweeps::send_wakes_a_sleeper),
        ("pipe: receive wakes a sleeper", sweeps::recv_wakes_a_sleeper),
        #[cfg(not(ipc_crash))]
        ("pipe: a receiver dies asleep", sweeps::a_receiver_dies_asleep),
        ("pipe: take an end and leave it", sweeps::take_and_leave),
        ("pipe: take both halves of an end", sweeps::take_both_halves),
    ])
}

fn run(sweep: Sweep<'_, sweeps::State>) -> Outcome {
    Ok(sweep.at_every_instruction()?.into())
}
