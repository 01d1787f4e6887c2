//! P38: a semaphore counts.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::Semaphore;

fn main() -> multiproc::Result<()> {
    // Python's may be released more often than it was taken; so may this one.
    let semaphore = Semaphore::new(3)?;
    semaphore.take()?;
    println!("{}", semaphore.value());
    semaphore.release()?;
    println!("{}", semaphore.value());
    println!("{}", semaphore.value());
    semaphore.release()?;
    println!("{}", semaphore.value());
    semaphore.release()?;
    Ok(())
}
