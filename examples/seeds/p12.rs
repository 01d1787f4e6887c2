//! P12: a parent waits for its child.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use multiproc::process::{Fork, fork};
use multiproc::wait;

fn main() -> multiproc::Result<()> {
    if let Fork::Child = fork()? {
        for _ in 0..5 {
            println!("Child {} working...", multiproc::current().pid());
            seconds::sleep(1.0);
        }
        return Ok(());
    }
    println!("Parent {} waiting...", multiproc::current().pid());
    let (child, status) = wait()?;
    println!("Reclaimed child: {child}, status: {}", status.code().unwrap_or(-1));
    println!("Cleanup complete");
    Ok(())
}
