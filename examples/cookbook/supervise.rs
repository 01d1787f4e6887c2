//! Programs that are started again when they fail, each at most three times.
//!
//! `cargo run --example supervise -- 'echo fine' 'exit 3' 'kill -9 $$'`
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::thread;

use multiproc::{Program, ProgramError};

/// How often a program is started, at most.
const MOST: u32 = 3;

/// Keeps one program running until it succeeds.
fn supervise(command: &str) -> Result<(), ProgramError> {
    for attempt in 1..=MOST {
        let status = Program::new("sh").args(["-c", command]).call()?;
        println!("{command:?}, attempt {attempt}: {status}");
        if status.code() == Some(0) {
            return Ok(());
        }
    }
    println!("{command:?} is given up");
    Ok(())
}

fn main() -> multiproc::Result<()> {
    let commands: Vec<String> = std::env::args().skip(1).collect();
    thread::scope(|scope| {
        // A thread that waits for a program costs nothing but its stack.
        let keepers: Vec<_> =
            commands.iter().map(|command| scope.spawn(|| supervise(command))).collect();
        for keeper in keepers {
            keeper.join().unwrap_or(Ok(()))?;
        }
        Ok(())
    })
}
