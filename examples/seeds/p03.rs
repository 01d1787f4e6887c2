//! P3: a pool with a worker for each processor, and five tasks.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use std::time::Instant;

use multiproc::prelude::*;

fn long_time_task(name: u32) {
    println!("Run task {name} ({})...", multiproc::current().pid());
    let start = Instant::now();
    seconds::sleep(seconds::random() * 3.0);
    println!("Task {name} runs {:.2} seconds.", start.elapsed().as_secs_f64());
}

fn main() -> multiproc::Result<()> {
    println!("Parent process {}.", multiproc::current().pid());
    let pool = Pool::new()?;
    let tasks = (0..5).map(|i| pool.submit(long_time_task, i)).collect::<Result<Vec<_>, _>>()?;
    println!("Waiting for all subprocesses done...");
    for task in tasks {
        task.join()?;
    }
    println!("All subprocesses done.");
    Ok(())
}
