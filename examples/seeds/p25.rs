//! P25: a queue of a manager, written to by one task of a pool and read by another.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::manager::Queue;
use multiproc::prelude::*;
use multiproc::{Manager, current};

fn reader(queue: Queue<char>) {
    println!("Reader started: pid={}, parent={}", current().pid(), parent_pid());
    for _ in 0..queue.len().unwrap_or(0) {
        match queue.get() {
            Ok(letter) => println!("Read: {letter}"),
            Err(error) => println!("{error}"),
        }
    }
}

fn writer(queue: Queue<char>) {
    println!("Writer started: pid={}, parent={}", current().pid(), parent_pid());
    for letter in "Python".chars() {
        if let Err(error) = queue.put(&letter) {
            println!("{error}");
        }
    }
}

fn parent_pid() -> u32 {
    multiproc::parent().map_or(0, |parent| parent.pid())
}

fn main() -> multiproc::Result<()> {
    println!("Main process: {}", current().pid());
    let manager = Manager::start()?;
    let queue = manager.queue(0)?;
    let pool = Pool::new()?;
    pool.call(writer, queue.clone())?;
    pool.call(reader, queue)?;
    println!("Done");
    Ok(())
}
