//! P5: one process puts into a queue, another gets from it, and is ended.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use multiproc::Semaphore;
use multiproc::prelude::*;

fn write(queue: Queue<char>) {
    for value in ['A', 'B', 'C'] {
        println!("Put {value} to queue...");
        if queue.put(value).is_err() {
            return;
        }
        seconds::sleep(seconds::random());
    }
}

fn read((queue, said): (Queue<char>, Semaphore)) {
    while let Ok(value) = queue.get() {
        println!("Get {value} from queue.");
        said.release().ok();
    }
}

fn main() -> multiproc::Result<()> {
    let (queue, said) = (Queue::bounded(10)?, Semaphore::new(0)?);
    let writer = Process::spawn(write, queue.clone())?;
    let reader = Process::spawn(read, (queue, said.clone()))?;
    writer.join()?;
    // What was got is to be said before the end.
    for _ in 0..3 {
        said.take()?;
    }
    reader.terminate()?;
    println!("writer: {}", writer.wait()?);
    println!("reader: {}", reader.wait()?);
    Ok(())
}
