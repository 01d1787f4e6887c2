//! P34: twelve processes and two locks that their holder may take again.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::time::Instant;

use multiproc::RLock;
use multiproc::prelude::*;

fn jc((number, lock1, lock2): (u32, RLock, RLock)) {
    let (Ok(first), Ok(again), Ok(second)) = (lock1.lock(), lock1.lock(), lock2.lock()) else {
        return;
    };
    println!("start");
    println!("{} run---- {number}", multiproc::current().pid());
    drop((first, again, second));
    println!("end");
}

fn main() -> multiproc::Result<()> {
    let (lock1, lock2) = (RLock::new()?, RLock::new()?);
    let start = Instant::now();
    let begin = |number| Process::spawn(jc, (number, lock1.clone(), lock2.clone()));
    let processes = (0..12).map(begin).collect::<Result<Vec<_>, _>>()?;
    for process in processes {
        process.join()?;
    }
    println!("{}", start.elapsed().as_secs_f64());
    Ok(())
}
