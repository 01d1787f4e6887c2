//! What a process has used up.

use std::time::Duration;

/// What a process used up in its life, with those of its children whose statuses it took.
///
/// # Examples
///
/// ```
/// use proc_core::Process;
///
/// let child = Process::spawn(|()| vec![1_u8; 8 << 20].iter().map(|x| u64::from(*x)).sum::<u64>(), ())?;
/// child.wait()?;
/// let usage = child.usage().expect("its end was seen here");
/// assert!(usage.max_memory > 8 << 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Processor time in the program.
    pub user_time: Duration,
    /// Processor time in the kernel for it.
    pub system_time: Duration,
    /// The most memory that it had at a time, in bytes.
    pub max_memory: u64,
    /// How often it gave up the processor to wait for something.
    pub waits: u64,
    /// How often the processor was taken from it.
    pub preemptions: u64,
}
