//! P31: four processes that print one after the other.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;

fn printer((item, lock): (char, Lock)) {
    if let Ok(_guard) = lock.lock() {
        // Two calls, and nobody's line comes between them.
        print!("Process {} prints", multiproc::current().name());
        println!(": {item}");
    }
}

fn main() -> multiproc::Result<()> {
    let lock = Lock::new()?;
    let start = |item| Process::spawn(printer, (item, lock.clone()));
    let processes = ['A', 'B', 'C', 'D'].into_iter().map(start).collect::<Result<Vec<_>, _>>()?;
    for process in processes {
        process.join()?;
    }
    Ok(())
}
