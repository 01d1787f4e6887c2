//! P22: a task in another process, and a callback in this one when it is done.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use multiproc::prelude::*;

fn background_task(_: ()) -> String {
    let parent = multiproc::parent().map_or(0, |parent| parent.pid());
    println!("Pool process: pid={}, parent={parent}", multiproc::current().pid());
    for i in 0..3 {
        println!("Working on {i}");
        seconds::sleep(1.0);
    }
    "completed".to_owned()
}

fn callback(result: Result<String, TaskError>) {
    println!("Callback executing in: pid={}", multiproc::current().pid());
    match result {
        Ok(result) => println!("Result: {result}"),
        Err(error) => println!("No result: {error}"),
    }
}

fn main() -> multiproc::Result<()> {
    let pool = Pool::builder().workers(3).build()?;
    pool.submit(background_task, ())?.on_done(callback)?;
    pool.join()?;
    println!("Main process: pid={}", multiproc::current().pid());
    Ok(())
}
