//! P26: several processes at the same time, each with its name.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;

fn worker(_: ()) {
    println!("Child process {} is running", multiproc::current().name());
}

fn main() -> multiproc::Result<()> {
    let start = |n| Process::builder().name(format!("worker-{n}")).spawn(worker, ());
    let processes = (0..4).map(start).collect::<Result<Vec<_>, _>>()?;
    for process in &processes {
        process.join()?;
    }
    Ok(())
}
