//! `mproc ls`: the shared objects of this user.
//!
//! | file | job |
//! |------|-----|
//! | `find` | finds segments: behind the descriptors of processes, and by name |
//! | `object` | what is said of one |
//! | `waiters` | who is asleep until one changes |

mod find;
mod object;
mod waiters;

use std::io::{self, Write as _};

use serde::Serialize;

use crate::Verdict;
use crate::failure::{Failure, Result};
use crate::flags;
use crate::system;
use crate::table::{Side, Table};

pub(crate) use object::Object;

/// All that was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Listing {
    /// The version of this form.
    schema: u32,
    pub(crate) objects: Vec<Object>,
    /// Where nothing could be read.
    pub(crate) unreadable: Vec<Unreadable>,
}

/// A process, or a memory of one, that could not be looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Unreadable {
    pid: Option<u32>,
    /// The name in `/dev/shm`, or what the kernel calls the memory.
    what: String,
    why: String,
}

/// Lists objects.
pub(crate) fn run(flags: &flags::Ls, json: bool) -> Result<Verdict> {
    if let Some(pid) = flags.pid
        && !system::is_ours(pid)
    {
        return Err(Failure::NoProcess(pid));
    }
    let listing = list(flags.pid)?;
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &listing)?;
        writeln!(out)?;
    } else {
        listing.write(&mut out)?;
    }
    Ok(Verdict::Well)
}

/// Finds the objects of all processes of this user, or of one.
pub(crate) fn list(pid: Option<u32>) -> Result<Listing> {
    let found = find::find(pid)?;
    Ok(Listing { schema: 1, objects: found.objects, unreadable: found.unreadable })
}

impl Listing {
    fn write(&self, out: &mut impl io::Write) -> Result<()> {
        if self.objects.is_empty() {
            writeln!(out, "no objects of multiproc")?;
        } else {
            self.table().write(out)?;
        }
        for Unreadable { pid, what, why } in &self.unreadable {
            match pid {
                Some(pid) => writeln!(out, "cannot read {what} of process {pid}: {why}")?,
                None => writeln!(out, "cannot read {what}: {why}")?,
            }
        }
        Ok(())
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            ("OBJECT", Side::Left),
            ("ID", Side::Left),
            ("NAME", Side::Left),
            ("MEMORY", Side::Right),
            ("IN IT", Side::Right),
            ("OF", Side::Right),
            ("HELD BY", Side::Left),
            ("WAITERS", Side::Left),
            ("DEATHS", Side::Right),
            ("STATE", Side::Left),
            ("OPEN IN", Side::Left),
        ]);
        for object in &self.objects {
            table.row(object.cells());
        }
        table
    }
}
