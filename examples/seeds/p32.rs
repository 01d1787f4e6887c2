//! P32: a dict and a list of a manager, filled by four processes.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::manager::{Dict, Error, List};
use multiproc::prelude::*;
use multiproc::{Manager, current};

fn worker((dict, list): (Dict<String, String>, List<u32>)) -> Result<(), String> {
    let me = current();
    let fill = || -> Result<(), Error> {
        dict.set(me.name(), &"value".to_owned())?;
        list.push(&me.pid())
    };
    fill().map_err(|error| error.to_string())
}

fn main() -> multiproc::Result<()> {
    let manager = Manager::start()?;
    let (dict, list) = (manager.dict()?, manager.list()?);
    let mut children = Vec::new();
    for _ in 0..4 {
        children.push(Process::spawn(worker, (dict.clone(), list.clone()))?);
    }
    let pids: Vec<u32> = children.iter().map(Process::pid).collect();
    for child in children {
        child.join()??;
    }
    for (name, value) in dict.to_vec()? {
        println!("{name}: {value}");
    }
    let found = list.to_vec()?;
    println!(
        "{} pids, all of the children: {}",
        found.len(),
        pids.iter().all(|pid| found.contains(pid))
    );
    Ok(())
}
