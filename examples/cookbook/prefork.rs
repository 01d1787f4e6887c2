//! A server with worker processes that were started beforehand, and are replaced when they crash.
//!
//! `cargo run --example prefork -- 127.0.0.1:8000`; then `curl http://127.0.0.1:8000/`, or `/crash`.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use multiproc::memory::Deadline;
use multiproc::prelude::*;
use multiproc::wire::Handle;
use multiproc::{current, wait_any};

/// What a worker does: it accepts from the socket that all share, one client at a time.
fn serve(socket: Handle) {
    let listener = TcpListener::from(OwnedFd::from(socket));
    for client in listener.incoming().flatten() {
        // A client that goes away is no reason to stop.
        answer(&client).ok();
    }
}

fn answer(mut client: &TcpStream) -> std::io::Result<()> {
    let mut request = String::new();
    BufReader::new(client).read_line(&mut request)?;
    if request.starts_with("GET /crash ") {
        std::process::abort();
    }
    let text = format!("from worker {}\n", current().pid());
    write!(client, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

fn main() -> multiproc::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    let start = || -> multiproc::Result<Process<()>> {
        let socket = Handle::from(OwnedFd::from(listener.try_clone()?));
        // However this process ends, its workers end too.
        Ok(Process::builder().dies_with_parent(true).spawn(serve, socket)?)
    };
    let mut workers = (0..2).map(|_| start()).collect::<multiproc::Result<Vec<_>>>()?;
    while let Some(ended) = wait_any(workers.iter().map(Process::sentinel), Deadline::NEVER)? {
        println!("a worker ended: {}", workers[ended].wait()?);
        workers[ended] = start()?;
    }
    Ok(())
}
