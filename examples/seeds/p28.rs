//! P28: a pipe by which one process sends a text, and another receives it.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;

fn sender(conn: Connection<String, String>) {
    if let Err(error) = conn.send(&"Hello from sender!".to_owned()) {
        println!("Not sent: {error}");
    }
    conn.close();
}

fn receiver(conn: Connection<String, String>) {
    match conn.recv() {
        Ok(message) => println!("Received message: {message}"),
        Err(error) => println!("Not received: {error}"),
    }
    conn.close();
}

fn main() -> multiproc::Result<()> {
    let (parent_conn, child_conn) = pipe()?;
    let p1 = Process::spawn(sender, child_conn)?;
    let p2 = Process::spawn(receiver, parent_conn)?;
    p1.join()?;
    p2.join()?;
    Ok(())
}
