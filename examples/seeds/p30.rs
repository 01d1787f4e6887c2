//! P30: a pool: all results at once, one result in time, and results as they come.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use multiproc::prelude::*;

fn square(x: u64) -> u64 {
    seconds::sleep(1.0);
    x * x
}

fn main() -> multiproc::Result<()> {
    let pool = Pool::builder().workers(4).build()?;
    println!("{:?}", pool.map(square, 0..10)?);
    let task = pool.submit(square, 20)?;
    match task.join_timeout(seconds::seconds(2.0) + std::time::Duration::from_secs(5))? {
        Some(result) => println!("{result}"),
        None => println!("not in time"),
    }
    for result in pool.imap(square, 0..5) {
        println!("{}", result?);
    }
    Ok(())
}
