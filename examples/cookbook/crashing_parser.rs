//! A parser that crashes on some of its inputs: each of these costs one task, and not the program.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;

/// Stands for a library in C, which says abort, or worse.
fn parse(input: String) -> usize {
    if input.contains('\0') {
        std::process::abort();
    }
    assert!(!input.is_empty(), "nothing to parse");
    input.split(',').count()
}

fn main() -> multiproc::Result<()> {
    let pool = Pool::builder().on_worker_death(Retry::never()).build()?;
    let inputs = ["a,b,c", "broken\0", "", "d"];
    for (input, result) in inputs.iter().zip(pool.imap(parse, inputs.map(String::from))) {
        match result {
            Ok(fields) => println!("{input:?}: {fields} fields"),
            Err(TaskError::Panicked(panic)) => println!("{input:?}: {}", panic.message()),
            Err(TaskError::WorkerDied { status, .. }) => println!("{input:?}: {status}"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
