//! A lock between programs that have nothing in common but a name.
//!
//! `cargo run --example named_lock -- my-lock count.txt 100` adds one to the number in the file, a
//! hundred times. Run as many of them as you like, and kill some. `-- my-lock` gives the name up.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::fs;

use multiproc::prelude::*;
use multiproc::{LockError, SegmentError};

/// The lock of that name, whoever comes first.
fn lock_called(name: &str) -> Result<Lock, SegmentError> {
    match Lock::create_named(name) {
        Err(SegmentError::AlreadyExists) => Lock::open_named(name),
        made => made,
    }
}

fn main() -> multiproc::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, path, times] = arguments.as_slice() else {
        return Ok(Segment::unlink(arguments.first().ok_or("which lock?")?)?);
    };
    let lock = lock_called(name)?;
    for _ in 0..times.parse()? {
        let _held = match lock.lock() {
            Err(LockError::OwnerDied(held)) => {
                // We have it. A file that is replaced in one step needs no repair.
                println!("somebody was killed here");
                held
            }
            other => other.map_err(LockError::without_lock)?,
        };
        let number: u64 = fs::read_to_string(path)?.trim().parse()?;
        let new = format!("{path}.new");
        fs::write(&new, format!("{}\n", number + 1))?;
        fs::rename(new, path)?;
    }
    println!("added {times}");
    Ok(())
}
