//! A manager for programs on other machines: one program serves, others connect, and go on after a break of the
//! network.
//!
//! `cargo run --example remote_manager -- serve 127.0.0.1:7000` in one terminal, and in others
//! `cargo run --example remote_manager -- count 127.0.0.1:7000 ada 3`.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::time::Duration;

use multiproc::manager::{Address, Dict, Lock, Manager, Queue};

/// What both sides know, and nobody else. In earnest it comes from a file.
const KEY: &str = "a secret of both sides";

fn serve(address: &Address) -> multiproc::Result<()> {
    let server = Manager::builder().address(address).key(KEY).serve()?;
    let manager = server.manager()?;
    let (counts, lock): (Dict<String, u64>, Lock) = (manager.dict()?, manager.lock()?);
    let news: Queue<String> = manager.queue(0)?;
    manager.publish("counts", &counts)?;
    manager.publish("lock", &lock)?;
    manager.publish("news", &news)?;
    println!("listening on {}", server.address());
    loop {
        match news.get()? {
            word if word == "stop" => break,
            word => println!("{word}"),
        }
    }
    let mut all = counts.to_vec()?;
    all.sort();
    println!("{all:?}");
    Ok(server.shutdown()?)
}

/// Connects to a manager, also to one that is started later.
fn connect(address: &Address) -> multiproc::Result<Manager> {
    let connector = Manager::connector(address).key(KEY);
    Ok(connector.timeout(Duration::from_secs(30)).wait(true).connect()?)
}

fn count(address: &Address, name: &str, times: u64) -> multiproc::Result<()> {
    let manager = connect(address)?;
    let (counts, lock): (Dict<String, u64>, Lock) =
        (manager.look_up("counts")?, manager.look_up("lock")?);
    for _ in 0..times {
        // Functions are not run for other machines, so two calls are made one by a lock.
        let _guard = lock.lock().or_else(|error| error.into_inner().ok_or("not locked"))?;
        let so_far = counts.get("all")?.unwrap_or(0);
        counts.set("all", &(so_far + 1))?;
    }
    counts.set(name, &times)?;
    let news: Queue<String> = manager.look_up("news")?;
    Ok(news.put(&format!("{name} has counted to {times}"))?)
}

fn main() -> multiproc::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => serve(&Address::tcp(address)?),
        ["count", address, name, times] => count(&Address::tcp(address)?, name, times.parse()?),
        ["stop", address] => {
            let news: Queue<String> = connect(&Address::tcp(address)?)?.look_up("news")?;
            Ok(news.put(&"stop".into())?)
        }
        _ => Err("serve ADDRESS, count ADDRESS NAME TIMES, or stop ADDRESS".into()),
    }
}
