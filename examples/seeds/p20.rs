//! P20: ten tasks for three workers, all given to them at once.
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
    let tasks = (0..10).map(|i| pool.submit(worker, i)).collect::<Result<Vec<_>, _>>()?;
    println!("=== Pool started ===");
    for task in tasks {
        task.join()?;
    }
    println!("=== All tasks finished ===");
    Ok(())
}
