//! A work queue for workers on other machines. A worker that dies, or is cut off, costs nothing: what it
//! had goes to another.
//!
//! `cargo run --example remote_work -- serve 127.0.0.1:7000 100` in one terminal, and in others, as often as
//! you like, `cargo run --example remote_work -- work 127.0.0.1:7000`.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::thread;

use multiproc::prelude::*;
use multiproc::{Address, JoinableQueue, Key, Listener, Value, connect};

/// What both sides know, and nobody else. In earnest it comes from a file.
const KEY: &[u8] = b"a secret of both sides";

/// Hands jobs to one worker until there are no more, or it is gone.
fn hand_out(mut worker: Connection<u64, u64>, jobs: &JoinableQueue<u64>, sum: &Value<u64>) {
    while let Ok(job) = jobs.get() {
        // A job that is not done goes back to the queue when it is dropped by `fail`.
        let Ok(square) = worker.request(&job) else {
            job.fail().ok();
            return;
        };
        sum.fetch_add(square);
        job.done().ok();
    }
}

fn serve(address: &Address, n_jobs: u64) -> multiproc::Result<()> {
    let (jobs, sum) = (JoinableQueue::bounded(1000)?, Value::new(0)?);
    let listener = Listener::builder().key(Key::new(KEY)).bind(address)?;
    println!("listening on {}", listener.address());
    let (theirs, total) = (jobs.clone(), sum.clone());
    thread::spawn(move || {
        for worker in listener.incoming().flatten() {
            let (jobs, sum) = (theirs.clone(), total.clone());
            thread::spawn(move || hand_out(worker, &jobs, &sum));
        }
    });
    for job in 1..=n_jobs {
        jobs.put(job)?;
    }
    jobs.join()?;
    println!("sum of squares: {}", sum.get()?);
    Ok(())
}

fn work(address: &Address) -> multiproc::Result<()> {
    let server: Connection<u64, u64> = connect(address, Some(&Key::new(KEY)))?;
    // It ends with the server.
    for job in server.iter() {
        let job = job?;
        server.send(&(job * job))?;
    }
    Ok(())
}

fn main() -> multiproc::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address, n_jobs] => serve(&Address::tcp(address)?, n_jobs.parse()?),
        ["work", address] => work(&Address::tcp(address)?),
        _ => Err("serve ADDRESS JOBS, or work ADDRESS".into()),
    }
}
