//! P24: a producer, and when it is done, a consumer that takes what there is.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use multiproc::prelude::*;

fn producer(queue: Queue<char>) {
    for value in ['A', 'B', 'C'] {
        println!("Producing: {value}");
        if queue.put(value).is_err() {
            return;
        }
        seconds::sleep(seconds::random());
    }
}

fn consumer(queue: Queue<char>) {
    while let Ok(value) = queue.try_get() {
        println!("Consumed: {value}");
        seconds::sleep(seconds::random());
    }
}

fn main() -> multiproc::Result<()> {
    let queue = Queue::bounded(10)?;
    Process::spawn(producer, queue.clone())?.join()?;
    Process::spawn(consumer, queue)?.join()?;
    println!("All data produced and consumed");
    Ok(())
}
