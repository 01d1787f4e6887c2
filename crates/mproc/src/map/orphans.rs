//! Ending what nobody looks after any more.

use std::io;

use proc_core::Reaper;
use rustix::process::{Pid, Signal, kill_process};

/// Kills all orphans that have come to this process, and whoever comes when those are dead.
///
/// What has a parent that this process has started is left alone.
pub(super) fn end_all(reaper: &Reaper) -> io::Result<()> {
    loop {
        let orphans = reaper.orphans()?;
        if orphans.is_empty() {
            return Ok(());
        }
        for orphan in orphans {
            // It is our child, and nobody else takes its status: so the number is its own.
            let pid = i32::try_from(orphan.pid).ok().and_then(Pid::from_raw);
            if let Some(pid) = pid {
                // It fails only if the process has changed its user, and then nothing helps.
                let _killed = kill_process(pid, Signal::KILL);
            }
        }
        // One at a time: while one is dying, its children are not ours yet.
        reaper.wait()?;
    }
}
