//! P7: a pipe between two processes; when the sender has ended, so does the receiver.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

#[path = "seconds.rs"]
mod seconds;

use multiproc::connection::{Receiver, Sender, channel};
use multiproc::prelude::*;

fn proc_send((pipe, urls): (Sender<String>, Vec<String>)) {
    for url in urls {
        println!("process({}) send:{url}", multiproc::current().pid());
        if pipe.send(&url).is_err() {
            return;
        }
        seconds::sleep(0.1);
    }
}

fn proc_recv(pipe: Receiver<String>) {
    // It ends when nobody has the other end any more.
    for url in pipe.iter().flatten() {
        println!("Process({}) rev:{url}", multiproc::current().pid());
    }
}

fn main() -> multiproc::Result<()> {
    let (sender, receiver) = channel::<String>()?;
    let urls = (0..10).map(|n| format!("url_{n}")).collect::<Vec<_>>();
    // Given away, and not kept: this process has no part of the pipe afterwards.
    let p1 = Process::spawn(proc_send, (sender, urls))?;
    let p2 = Process::spawn(proc_recv, receiver)?;
    p1.join()?;
    p2.join()?;
    println!("Both have ended.");
    Ok(())
}
