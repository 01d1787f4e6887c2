//! A death before every access to shared memory of every operation of the ring.
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
    testkit::main(sweeps::SCENARIOS)
}

#[cfg(ipc_crash)]
fn run<S>(sweep: testkit::kill::Sweep<'_, S>) -> testkit::Outcome {
    Ok(sweep.at_every_access(ipc_core::primitive::crash::arm)?.into())
}
