//! P17: a process with several arguments that is ended before it is done.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use std::collections::BTreeMap;

use multiproc::prelude::*;

fn run_task((name, age, extra): (String, u32, BTreeMap<String, u32>)) {
    for _ in 0..10 {
        let pid = multiproc::current().pid();
        println!("Child running: name={name}, age={age}, pid={pid}");
        println!("Extra args: {extra:?}");
        seconds::sleep(0.5);
    }
}

fn main() -> multiproc::Result<()> {
    let extra = BTreeMap::from([("m".to_owned(), 20)]);
    let process = Process::spawn(run_task, ("test".to_owned(), 18, extra))?;
    seconds::sleep(0.8);
    process.terminate()?;
    match process.join() {
        Err(error) => println!("Child process terminated: {error}"),
        Ok(()) => println!("Child process finished"),
    }
    Ok(())
}
