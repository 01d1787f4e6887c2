//! Sums a large array from several processes, each of which looks at its part where it lies.
//!
//! `cargo run --release --example sum -- 128` sums 128 million numbers: 1 GiB, of which nothing is copied
//! and nothing is sent.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::time::Instant;

use multiproc::prelude::*;
use multiproc::{Array, cpu_count};

/// A million.
const MILLION: usize = 1 << 20;

fn sum_part((array, part): (Array<u64>, usize)) -> Result<u64, String> {
    let values = array.read_part(part).map_err(|error| error.to_string())?;
    Ok(values.iter().sum())
}

fn main() -> multiproc::Result<()> {
    let millions: usize = std::env::args().nth(1).map_or(Ok(4), |number| number.parse())?;
    let n_workers = cpu_count().usable();
    let array = Array::<u64>::zeroed_in_parts(millions * MILLION, n_workers)?;
    let mut values = array.write().map_err(|error| error.without_lock())?;
    for (n, value) in (0..).zip(&mut *values) {
        *value = n;
    }
    drop(values);

    let start = Instant::now();
    let workers = (0..n_workers)
        .map(|part| Process::spawn(sum_part, (array.clone(), part)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut sum = 0;
    for worker in &workers {
        sum += worker.join()??;
    }
    println!("{n_workers} processes: {sum}, in {:.3} s", start.elapsed().as_secs_f64());
    Ok(())
}
