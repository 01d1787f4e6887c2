//! P27: a consumer that is told when there is no more.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;

fn producer(queue: Queue<Option<u32>>) {
    for item in 0..5 {
        if queue.put(Some(item)).is_err() {
            return;
        }
        println!("Produced {item}");
    }
}

fn consumer(queue: Queue<Option<u32>>) {
    while let Ok(Some(item)) = queue.get() {
        println!("Consumed {item}");
    }
}

fn main() -> multiproc::Result<()> {
    let queue = Queue::bounded(10)?;
    let producer = Process::spawn(producer, queue.clone())?;
    let consumer = Process::spawn(consumer, queue.clone())?;
    producer.join()?;
    queue.put(None)?;
    consumer.join()?;
    println!("{}, {}", producer.wait()?, consumer.wait()?);
    Ok(())
}
