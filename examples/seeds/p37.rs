//! P37: a reader that is ended at any moment, and a writer that does not hang because of it.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;

fn insert(queue: Queue<u32>) {
    for item in 0..10 {
        if queue.put(item).is_err() {
            return;
        }
        println!("insert: {item}");
    }
}

fn release(queue: Queue<u32>) {
    while let Ok(item) = queue.get() {
        println!("release: {item}");
    }
}

fn main() -> multiproc::Result<()> {
    let queue = Queue::bounded(10)?;
    let writer = Process::spawn(insert, queue.clone())?;
    let reader = Process::spawn(release, queue.clone())?;
    reader.terminate()?;
    println!("reader: {}", reader.wait()?);
    writer.join()?;
    // What the reader did not take is still there.
    println!("left: {}", queue.len());
    Ok(())
}
