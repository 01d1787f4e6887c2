//! P18: what can be asked of a process.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use multiproc::prelude::*;

fn worker((interval, number): (f64, u32)) {
    println!("Worker {number} starting, pid={}", multiproc::current().pid());
    seconds::sleep(interval);
    println!("Worker {number} completed after {interval:.2}");
}

fn main() -> multiproc::Result<()> {
    let p1 = Process::spawn(worker, (2.0, 1))?;
    let p2 = Process::builder().name("WorkerTwo").spawn(worker, (1.0, 2))?;
    println!("p2 running: {}", p2.is_alive());
    println!("p1.name={}, p1.pid={}", p1.name(), p1.pid());
    println!("p2.name={}, p2.pid={}", p2.name(), p2.pid());
    p1.join()?;
    p2.join()?;
    println!("p1 still running: {}", p1.is_alive());
    Ok(())
}
