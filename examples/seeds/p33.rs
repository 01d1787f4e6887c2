//! P33: a pool with a worker for each processor.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;

fn main() -> multiproc::Result<()> {
    let count = multiproc::cpu_count().usable();
    let pool = Pool::builder().workers(count).build()?;
    println!("{count} processors, {} workers", pool.stats().workers.len());
    Ok(())
}
