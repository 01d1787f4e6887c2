//! P35: ten processes, one after the other, that set and clear an event.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use multiproc::Event;
use multiproc::prelude::*;

fn work((event, mut number): (Event, u32)) {
    loop {
        if number < 5 {
            event.clear();
            println!("clear");
        } else {
            let _is_set = event.wait_timeout(seconds::seconds(1.0));
            event.set();
            println!("set");
        }
        if number == 10 {
            let _is_set = event.wait_timeout(seconds::seconds(3.0));
            event.clear();
            println!("exit");
            return;
        }
        number += 1;
        seconds::sleep(2.0);
    }
}

fn main() -> multiproc::Result<()> {
    let event = Event::new()?;
    for number in 0..10 {
        Process::spawn(work, (event.clone(), number))?.join()?;
    }
    Ok(())
}
