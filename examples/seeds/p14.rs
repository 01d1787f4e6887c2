//! P14: a zombie: a child ends, and its parent never asks for its status.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use multiproc::process::{Fork, fork, zombies};

fn main() -> multiproc::Result<()> {
    if let Fork::Child = fork()? {
        println!("Child {} exiting", multiproc::current().pid());
        return Ok(());
    }
    loop {
        println!("Parent {} has zombies: {:?}", multiproc::current().pid(), zombies()?);
        seconds::sleep(1.0);
    }
}
