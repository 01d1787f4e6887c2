//! P1: a process copies itself, and both say who they are.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::os::unix::process::parent_id;

use multiproc::process::{Fork, StartError, fork};

fn main() -> Result<(), StartError> {
    println!("Process ({}) start...", multiproc::current().pid());
    // What is buffered is written before, so that nothing is printed twice.
    match fork()? {
        Fork::Child => println!(
            "I am child process ({}) and my parent is {}.",
            multiproc::current().pid(),
            parent_id(),
        ),
        Fork::Parent(child) => {
            println!("I ({}) just created a child process ({child}).", multiproc::current().pid());
        }
    }
    Ok(())
}
