//! Plain data of a manager in shared memory: watchers in four processes count what they see, all at once, and the
//! program that has started the manager need not be there for it.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;

use multiproc::Process;
use multiproc::manager::{Manager, ShmDict, ShmList};

/// A place on a map of squares.
type Square = [u8; 2];

/// Who reports, and the square of which it has seen the most by then.
type Report = [u8; 3];

/// Counts what is seen of each square, and says where it has seen the most.
fn watch((seen, reports, who): (ShmDict<Square, u64>, ShmList<Report>, u8)) -> Result<(), String> {
    let mut most = (Some(0), [0, 0]);
    for n in (0..250_u8).cycle().take(1_000) {
        let square = [n % 4, n % 3];
        // One step for all: it is another process's turn before it or behind it.
        let sum = seen.update(&square, |(sum, more)| Some(sum.unwrap_or(0) + more), &1);
        most = most.max((sum.map_err(|error| error.to_string())?, square));
    }
    let [x, y] = most.1;
    reports.push(&[who, x, y]).map_err(|error| error.to_string())
}

fn main() -> Result<(), Box<dyn Error>> {
    let manager = Manager::start()?;
    // The same methods as of `dict()` and `list()`, with room for so many, and many times as quick.
    let (seen, reports) = (manager.shm_dict(100)?, manager.shm_list(4)?);
    let watchers = (0..4).map(|who| Process::spawn(watch, (seen.clone(), reports.clone(), who)));
    for watcher in watchers.collect::<Result<Vec<_>, _>>()? {
        watcher.join()??;
    }
    let sum = seen.iter().map(|entry| entry.map(|(_, n)| n)).sum::<Result<u64, _>>()?;
    println!("{} squares with {sum} sightings in all", seen.len()?);
    println!("{} reports; one more: {}", reports.len()?, reports.push(&[9, 0, 0]).is_ok());
    // Who has the memory goes on in it.
    manager.shutdown()?;
    println!("afterwards: {:?}", seen.insert(&[9, 9], &1)?);
    Ok(())
}
