//! A search that may never end, with a time limit for each task.
//!
//! `cargo run --example solver_limit -- 5` gives each task five seconds.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::time::Duration;

use multiproc::prelude::*;

/// A number whose square is two modulo `modulus`. For some there is none, and this never knows.
fn solve(modulus: u128) -> Option<u128> {
    (1..u128::MAX).find(|x| x.wrapping_mul(*x) % modulus == 2)
}

fn main() -> multiproc::Result<()> {
    let limit = std::env::args().nth(1).map_or(Ok(1.0), |seconds| seconds.parse())?;
    let pool = Pool::new()?;
    // A solver that listens to no signal is killed: another worker takes its place.
    let solver = pool.task(solve).timeout(Duration::from_secs_f64(limit));
    let moduli = [7, 5, 17];
    for (modulus, result) in moduli.iter().zip(solver.imap(moduli)) {
        match result {
            Ok(Some(x)) => println!("modulo {modulus}: {x}"),
            Ok(None) => println!("modulo {modulus}: none"),
            Err(error) if error.is_timed_out() => println!("modulo {modulus}: out of time"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
