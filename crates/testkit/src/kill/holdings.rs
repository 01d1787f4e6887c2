//! What a process holds, seen from outside: whether it holds more and more.

use std::{fmt, fs, io};

/// How many descriptors and mappings a process has, and how much memory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holdings {
    descriptors: usize,
    mappings: usize,
    /// How much memory it has that leads to no file, in KiB.
    kib: u64,
}

/// What somebody who was spared held early in a storm, and in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spared {
    /// What it did.
    pub role: String,
    before: Holdings,
    after: Holdings,
}

/// Buffers grow and shrink, and what allocates keeps a stock.
const MORE_MAPPINGS: usize = 32;
const MORE_KIB: u64 = 2 << 10;

impl Holdings {
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        let proc = |what: &str| format!("/proc/{pid}/{what}");
        let descriptors = fs::read_dir(proc("fd"))?.count();
        let mappings = fs::read_to_string(proc("maps"))?.lines().count();
        let status = fs::read_to_string(proc("status"))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = kib.and_then(|rest| rest.trim_end_matches("kB").trim().parse::<u64>().ok());
        let kib = kib.ok_or_else(|| io::Error::other("the kernel does not say how much memory"))?;
        Ok(Self { descriptors, mappings, kib })
    }
}

impl Spared {
    /// All who were there early and are so in the end, by their roles.
    pub(crate) fn all(early: &[(String, Holdings)], late: &[(String, Holdings)]) -> Vec<Self> {
        let in_the_end = |role: &String| late.iter().find(|(name, _)| name == role);
        let spared = early.iter().filter_map(|(role, before)| {
            let (_, after) = in_the_end(role)?;
            Some(Self { role: role.clone(), before: *before, after: *after })
        });
        spared.collect()
    }

    /// Whether it held no more in the end than early on, but for what comes and goes.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        let Self { before, after, .. } = self;
        after.descriptors <= before.descriptors
            && after.mappings <= before.mappings + MORE_MAPPINGS
            && after.kib <= before.kib + MORE_KIB
    }
}

impl fmt::Display for Spared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, before, after } = self;
        write!(
            f,
            "{role}: {} and then {} descriptors, {} and then {} mappings, {} and then {} KiB",
            before.descriptors,
            after.descriptors,
            before.mappings,
            after.mappings,
            before.kib,
            after.kib,
        )
    }
}
