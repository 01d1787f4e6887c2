//! A long map with a progress bar: results come as they are done.
//!
//! `cargo run --release --example progress -- 2000000` looks at so many numbers.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::ops::Range;

use indicatif::ProgressIterator as _;
use multiproc::prelude::*;

/// How many numbers a task looks at: enough to be worth a message.
const PIECE: u64 = 1000;

fn steps(start: u64) -> u32 {
    let (mut n, mut count) = (start, 0);
    while n != 1 {
        n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
        count += 1;
    }
    count
}

/// The number that takes the most steps to come to one, and how many it takes.
fn longest(numbers: Range<u64>) -> Option<(u32, u64)> {
    numbers.map(|n| (steps(n), n)).max()
}

fn main() -> multiproc::Result<()> {
    let most = std::env::args().nth(1).map_or(Ok(300_000), |number| number.parse::<u64>())?;
    let pool = Pool::new()?;
    let n_pieces = most.div_ceil(PIECE);
    let pieces = (0..n_pieces).map(|n| n * PIECE + 1..most.min((n + 1) * PIECE) + 1);
    let mut best = None;
    for result in pool.imap_unordered(longest, pieces).progress_count(n_pieces) {
        best = best.max(result?);
    }
    if let Some((count, n)) = best {
        println!("{n} takes {count} steps");
    }
    Ok(())
}
