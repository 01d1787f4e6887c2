//! Which cores there are, and staying on one of them.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::Result;

/// The calling thread.
const SELF: Pid = Pid::from_raw(0);

/// How many cores this process may use.
pub(crate) fn count() -> Result<usize> {
    Ok(usable()?.len())
}

/// Keeps the calling thread on the n-th of the cores it may use; they are counted round and round.
pub(crate) fn pin(n: usize) -> Result {
    let usable = usable()?;
    let core = usable.get(n % usable.len().max(1)).ok_or("there is no core to use")?;
    let mut set = CpuSet::new();
    set.set(*core)?;
    sched_setaffinity(SELF, &set)?;
    Ok(())
}

fn usable() -> Result<Vec<usize>> {
    let set = sched_getaffinity(SELF)?;
    Ok((0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect())
}
