//! P10: two branches after a fork.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::process::{Fork, StartError, fork};

fn main() -> Result<(), StartError> {
    match fork()? {
        Fork::Child => println!("Child process executing"),
        Fork::Parent(_) => println!("Parent process executing"),
    }
    Ok(())
}
