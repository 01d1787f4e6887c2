//! Fences that one thread makes for all.

use rustix::io::Result;
use rustix::thread::{MembarrierCommand, membarrier};

/// Lets this process take part in [`everywhere`]: its threads are fenced by others from now on.
///
/// A forked child takes part as well, a program that is executed does not.
///
/// # References
///
/// - Linux `membarrier(2)`, since 4.16; musl and liburcu tell of its cost
pub(crate) fn take_part() -> Result<()> {
    membarrier(MembarrierCommand::RegisterGlobalExpedited)
}

/// A full fence in every thread of every process that takes part, and in this thread.
///
/// # References
///
/// - Linux `membarrier(2)`
pub(crate) fn everywhere() -> Result<()> {
    membarrier(MembarrierCommand::GlobalExpedited)
}
