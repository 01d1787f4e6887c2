//! P13: an orphan: its parent ends at once, and it goes on with another one.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use std::os::unix::process::parent_id;

use multiproc::process::{Fork, StartError, fork};

fn main() -> Result<(), StartError> {
    if let Fork::Child = fork()? {
        for _ in 0..100 {
            println!("Child {}, parent {}", multiproc::current().pid(), parent_id());
            seconds::sleep(1.0);
        }
    } else {
        println!("Parent {} completed", multiproc::current().pid());
    }
    Ok(())
}
