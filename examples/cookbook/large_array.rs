//! An array of any size, which several processes fill and read where it lies: nothing is copied.
//!
//! `cargo run --release --example large_array -- 10240` shares 10 GiB. That much memory is taken at the
//! start, so a machine that has it not says so then, and not in the middle.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;
use multiproc::{Array, cpu_count};

/// Fills one part. Each part has a lock of its own, so nobody waits for anybody.
fn fill((array, part): (Array<f64>, usize)) -> Result<(), String> {
    let mut values = array.write_part(part).map_err(|error| error.to_string())?;
    values.fill(0.5);
    Ok(())
}

/// Sums all of it, as many others may at the same time.
fn sum(array: Array<f64>) -> Result<f64, String> {
    let values = array.read().map_err(|error| error.to_string())?;
    Ok(values.iter().sum())
}

fn main() -> multiproc::Result<()> {
    let mebibytes = std::env::args().nth(1).map_or(Ok(256), |size| size.parse::<usize>())?;
    let n_values = mebibytes * (1 << 20) / size_of::<f64>();
    let n_workers = cpu_count().usable();
    let array = Array::<f64>::zeroed_in_parts(n_values, n_workers)?;

    let pool = Pool::new()?;
    // What travels is a handle of a few bytes.
    for filled in pool.imap_unordered(fill, (0..n_workers).map(|part| (array.clone(), part))) {
        filled??;
    }
    println!("{n_values} values, sum {}", pool.call(sum, array)??);
    Ok(())
}
