//! A pool that lives in a manager: three processes have the same two workers do their work.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;

use multiproc::manager::{self, List, Manager, Pool};
use multiproc::{Process, current};

/// Computes a square, and notes which worker did it.
fn square((n, workers): (u64, List<u32>)) -> u64 {
    assert!(n < 8, "{n} is too large");
    // Whether it can be noted changes nothing.
    workers.push(&current().pid()).ok();
    n * n
}

fn client((name, pool, workers, from): (String, Pool, List<u32>, u64)) -> String {
    let items = (from..from + 4).map(|n| (n, workers.clone()));
    match pool.map(square, items) {
        Ok(squares) => format!("{name}: {squares:?}"),
        Err(manager::Error::Panicked(_)) => format!("{name}: it panicked"),
        Err(error) => format!("{name}: {error}"),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let manager = Manager::start()?;
    let (pool, workers): (Pool, List<u32>) = (manager.pool(2)?, manager.list()?);
    let names = ["Ada", "Bob", "Cleo"];
    let clients = names.into_iter().zip([0, 4, 8]).map(|(name, from)| {
        Process::spawn(client, (name.to_owned(), pool.clone(), workers.clone(), from))
    });
    for client in clients.collect::<Result<Vec<_>, _>>()? {
        println!("{}", client.join()?);
    }
    pool.join()?;
    let seen: std::collections::BTreeSet<u32> = workers.to_vec()?.into_iter().collect();
    assert!((1..=2).contains(&seen.len()), "{seen:?}");
    println!("all by 2 workers");
    Ok(())
}
