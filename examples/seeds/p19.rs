//! P19: a process as an object.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use std::os::unix::process::parent_id;
use std::time::Instant;

use multiproc::prelude::*;
use multiproc::{Run, current};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct CustomProcess {
    interval: f64,
}

impl Run for CustomProcess {
    type Output = ();

    fn run(self) {
        println!("Child {} starting, parent: {}", current().pid(), parent_id());
        seconds::sleep(self.interval);
        println!("{} finished in {:.2}s", current().pid(), self.interval);
    }
}

fn main() -> multiproc::Result<()> {
    let start = Instant::now();
    println!("Main process");
    let process = Process::run(CustomProcess { interval: 2.0 })?;
    println!("Its name: {}", process.name());
    process.join()?;
    println!("Total time: {:.2}s", start.elapsed().as_secs_f64());
    Ok(())
}
