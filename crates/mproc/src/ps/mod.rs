//! `mproc ps`: the processes that programs of ours have started.
//!
//! | file | job |
//! |------|-----|
//! | `find` | finds them, by their badges, and what pool workers are at |
//! | `tree` | puts them into trees |

mod find;
mod tree;

use std::io::{self, Write as _};

use serde::Serialize;

use crate::Verdict;
use crate::failure::{Failure, Result};
use crate::flags;
use crate::system;
use crate::table::{Side, Table, bytes};
pub(crate) use tree::{Node, Role};

/// All that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Listing {
    /// The version of this form.
    schema: u32,
    /// The trees.
    pub(crate) processes: Vec<Node>,
    /// How many processes of this user could not be looked at.
    pub(crate) unreadable: usize,
}

/// Lists processes.
pub(crate) fn run(flags: &flags::Ps, json: bool) -> Result<Verdict> {
    let mut listing = list()?;
    if let Some(pid) = flags.pid {
        if !system::is_ours(pid) {
            return Err(Failure::NoProcess(pid));
        }
        listing.processes.retain(|root| root.has(pid));
    }
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &listing)?;
        writeln!(out)?;
    } else {
        listing.write(&mut out)?;
    }
    Ok(Verdict::Well)
}

/// Finds the trees of processes of this user.
pub(crate) fn list() -> Result<Listing> {
    let (found, unreadable) = find::find()?;
    Ok(Listing { schema: 1, processes: tree::plant(found), unreadable })
}

impl Listing {
    fn write(&self, out: &mut impl io::Write) -> Result<()> {
        if self.processes.is_empty() {
            writeln!(out, "no processes of multiproc")?;
        } else {
            self.table().write(out)?;
        }
        if self.unreadable > 0 {
            writeln!(out, "{} processes of this user cannot be looked at", self.unreadable)?;
        }
        Ok(())
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            ("PID", Side::Right),
            ("PROCESS", Side::Left),
            ("STATE", Side::Left),
            ("MEMORY", Side::Right),
            ("THREADS", Side::Right),
            ("DOES", Side::Left),
        ]);
        for root in &self.processes {
            root.walk(0, &mut |node, depth| table.row(node.cells(depth)));
        }
        table
    }
}

impl Node {
    /// The cells of its row.
    pub(crate) fn cells(&self, depth: usize) -> Vec<String> {
        let orphan = if self.orphan { " (orphan)" } else { "" };
        vec![
            self.pid.to_string(),
            format!("{}{}{orphan}", "  ".repeat(depth), self.name),
            self.state.clone(),
            bytes(self.memory),
            self.threads.to_string(),
            self.does(),
        ]
    }

    /// What it is there for, or what it is at.
    fn does(&self) -> String {
        match (&self.task, self.role) {
            (Some(task), _) => format!("task {} for {:.1} s", task.ticket, task.seconds),
            (None, Role::Program | Role::Child) => String::new(),
            (None, Role::ForkServer) => "makes copies".to_owned(),
            (None, Role::Other) => "another program".to_owned(),
        }
    }
}
