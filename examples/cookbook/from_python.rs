//! `from_python.py`, moved over line by line: counts who is how long, in several processes.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;
use multiproc::{Event, ShmMap, Value};

type Shared = (Queue<Option<String>>, ShmMap<u64, u64>, Value<u64>, Event);

fn worker((queue, lengths, total, start): Shared) -> multiproc::Result<(), String> {
    start.wait();
    while let Ok(Some(word)) = queue.get() {
        let length = word.len() as u64;
        let add = |count: Option<u64>| Some(count.unwrap_or(0) + 1);
        lengths.alter(length, add).map_err(|error| error.to_string())?;
        total.fetch_add(length);
    }
    Ok(())
}

fn main() -> multiproc::Result<()> {
    let (queue, start) = (Queue::bounded(10)?, Event::new()?);
    let (lengths, total) = (ShmMap::with_capacity(100)?, Value::new(0)?);
    let shared = || (queue.clone(), lengths.clone(), total.clone(), start.clone());
    let workers =
        (0..3).map(|_| Process::spawn(worker, shared())).collect::<Result<Vec<_>, _>>()?;
    start.set();
    for word in "processes that share no memory but what they say".split(' ') {
        queue.put(Some(word.to_owned()))?;
    }
    for _ in &workers {
        queue.put(None)?;
    }
    for worker in workers {
        worker.join()??;
    }
    let mut counted = lengths.iter().collect::<Result<Vec<_>, _>>()?;
    counted.sort_unstable();
    println!("{counted:?}");
    println!("{}", total.get()?);
    Ok(())
}
