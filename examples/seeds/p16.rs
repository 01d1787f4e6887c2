//! P16: a function in a process of its own.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;

fn run_task(name: String) {
    println!("Child process running: name={name}, pid={}", multiproc::current().pid());
}

fn main() -> multiproc::Result<()> {
    println!("Parent process: {}", multiproc::current().pid());
    println!("Child process starting");
    let process = Process::spawn(run_task, "test".to_owned())?;
    process.join()?;
    println!("Child process finished");
    Ok(())
}
