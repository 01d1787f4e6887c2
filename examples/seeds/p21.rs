//! P21: ten tasks for three workers, one after the other.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use std::time::Instant;

use multiproc::prelude::*;

fn worker(task_id: u32) {
    let start = Instant::now();
    println!("Task {task_id} starting, pid={}", multiproc::current().pid());
    seconds::sleep(seconds::random() * 2.0);
    println!("Task {task_id} done in {:.2}s", start.elapsed().as_secs_f64());
}

fn main() -> multiproc::Result<()> {
    let pool = Pool::builder().workers(3).build()?;
    for i in 0..10 {
        pool.call(worker, i)?;
    }
    Ok(())
}
