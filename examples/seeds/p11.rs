//! P11: all that a fork can return, and what both processes do after it.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::os::unix::process::parent_id;

use multiproc::process::{Fork, fork};

fn main() {
    match fork() {
        Err(error) => println!("Fork failed: {error}"),
        Ok(Fork::Child) => {
            let pid = multiproc::current().pid();
            println!("Child process: pid={pid}, parent={}", parent_id());
        }
        Ok(Fork::Parent(child)) => {
            println!("Parent process: pid={}, child={child}", multiproc::current().pid());
        }
    }
    println!("Both processes execute this code");
}
