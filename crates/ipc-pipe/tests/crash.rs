//! A death before every access to shared memory of every operation of a connection through it.
//!
//! It needs the crash world: `cargo xtask crash`.

#[cfg(ipc_crash)]
mod sweeps;

#[cfg(not(ipc_crash))]
#[expect(clippy::print_stdout, reason = "says why there is nothing to see")]
fn main() {
    println!("crash: this is not the crash world; `cargo xtask crash` is the way there");
}

#[cfg(ipc_crash)]
fn main() -> std::process::ExitCode {
    testkit::main(&[
        ("pipe: send a short message", sweeps::send_a_short_message),
        ("pipe: send a long message", sweeps::send_a_long_message),
        ("pipe: send wakes a sleeper", sweeps::send_wakes_a_sleeper),
        ("pipe: receive wakes a sleeper", sweeps::recv_wakes_a_sleeper),
        ("pipe: take an end and leave it", sweeps::take_and_leave),
        ("pipe: take both halves of an end", sweeps::take_both_halves),
    ])
}

#[cfg(ipc_crash)]
fn run(sweep: testkit::kill::Sweep<'_, sweeps::State>) -> testkit::Outcome {
    Ok(sweep.at_every_access(ipc_core::primitive::crash::arm)?.into())
}
