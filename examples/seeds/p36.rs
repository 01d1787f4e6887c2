//! P36: all that an end of a pipe can do.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::os::fd::AsRawFd as _;
use std::time::Duration;

use multiproc::prelude::*;

fn main() -> multiproc::Result<()> {
    let (p1, p2) = pipe::<String, String>()?;
    println!("poll: {}", p2.poll(Duration::ZERO)?);
    p1.send(&"data".to_owned())?;
    println!("poll: {}", p2.poll(Duration::from_secs(1))?);
    println!("recv: {}", p2.recv()?);
    p1.send_bytes(b"some bytes")?;
    println!("recv_bytes: {:?}", String::from_utf8(p2.recv_bytes(100)?)?);
    p1.send_bytes(b"more bytes")?;
    let mut buffer = [b'.'; 12];
    let count = p2.recv_bytes_into(&mut buffer)?;
    println!("recv_bytes_into: {count} {:?}", String::from_utf8(buffer.to_vec())?);
    println!("fileno: {}", p1.as_raw_fd() > 2);
    p1.close();
    println!("closed: {}", p2.closed()?);
    match p2.recv() {
        Ok(message) => println!("recv: {message}"),
        Err(error) => println!("recv: {error}"),
    }
    Ok(())
}
