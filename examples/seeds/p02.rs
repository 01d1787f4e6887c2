//! P2: a process for a function, started and waited for.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;

fn run_proc(name: String) {
    println!("Run child process {name} ({})...", multiproc::current().pid());
}

fn main() -> multiproc::Result<()> {
    println!("Parent process {}.", multiproc::current().pid());
    println!("Child process will start.");
    let process = Process::spawn(run_proc, "test".to_owned())?;
    process.join()?;
    println!("Child process end.");
    Ok(())
}
