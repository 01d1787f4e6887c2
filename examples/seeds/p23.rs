//! P23: what a queue of three messages says when it is full.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use multiproc::prelude::*;

fn main() -> multiproc::Result<()> {
    let queue = Queue::bounded(3)?;
    queue.put("Message 1".to_owned())?;
    queue.put("Message 2".to_owned())?;
    println!("{}", queue.is_full());
    queue.put("Message 3".to_owned())?;
    println!("{}", queue.is_full());

    // Waiting for room, for two seconds.
    if queue.put_timeout("Message 4".to_owned(), seconds::seconds(2.0)).is_err() {
        println!("Queue full, current size: {}", queue.len());
    }
    // Not waiting. The message comes back, and so does the reason.
    if let Err(error) = queue.try_put("Message 4".to_owned()) {
        println!("Queue full, current size: {}", queue.len());
        assert_eq!(error.into_inner(), "Message 4");
    }

    // Who only asks whether it is empty may find it so a moment later; `try_get` does both at once.
    while let Ok(message) = queue.try_get() {
        println!("{message}");
    }
    Ok(())
}
