//! A stream of values from a process that produces them, which may crash on the way.
//!
//! `cargo run --example stream -- crash` lets it.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;
use multiproc::{Sender, channel};

/// Puts measurements until nobody wants them.
fn produce((sender, may_crash): (Sender<f64>, bool)) {
    for n in 0..1000_u32 {
        if may_crash && n == 500 {
            std::process::abort();
        }
        if sender.put(f64::from(n) / 2.0).is_err() {
            return;
        }
    }
}

fn main() -> multiproc::Result<()> {
    let may_crash = std::env::args().nth(1).is_some_and(|word| word == "crash");
    // Room for 64: a producer that is faster waits.
    let (sender, receiver) = channel(64)?;
    let producer = Process::spawn(produce, (sender, may_crash))?;
    let (mut count, mut sum) = (0, 0.0);
    // It ends when the last sender is gone, however that happened; what was put is still there.
    for value in &receiver {
        count += 1;
        sum += value?;
    }
    println!("{count} values, sum {sum}; the producer: {}", producer.wait()?);
    Ok(())
}
