//! P15: memory is not shared: each process counts for itself.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use std::cell::Cell;

use multiproc::process::{Fork, fork, wait_for};

thread_local! {
    static COUNTER: Cell<u32> = const { Cell::new(0) };
}

fn main() -> multiproc::Result<()> {
    let forked = fork()?;
    COUNTER.set(COUNTER.get() + 1);
    match forked {
        Fork::Child => println!("Child process: counter={}", COUNTER.get()),
        Fork::Parent(child) => {
            seconds::sleep(1.0);
            wait_for(child)?;
            println!("Parent process: counter={}", COUNTER.get());
        }
    }
    Ok(())
}
