//! The words of a connection's memory, and what a stranger writes into them.

use ipc_core::ProcessId;
use testkit::Script;

/// Where the words lie, as `src/shm/mapped.rs` draws them. Of each end: who sends, and behind it who receives.
pub(crate) const OWNERS: [usize; 2] = [0, 128];
/// How far the reader of each way has come; behind it, whether the reader and the writer sleep.
pub(crate) const HEADS: [usize; 2] = [256, 640];
/// The units of each way.
pub(crate) const RINGS: [usize; 2] = [1024, 1024 + (64 << 10)];

/// A word of the protocol, or any.
pub(crate) fn place(script: &mut Script<'_>) -> usize {
    let which = usize::from(script.byte() % 2);
    match script.byte() % 7 {
        0 => OWNERS[which],
        6 => OWNERS[which] + 8,
        1 => HEADS[which],
        2 => HEADS[which] + 128,
        3 => HEADS[which] + 256,
        // One of the headers that are looked at first, or any.
        4 => RINGS[which] + 64 * usize::from(script.byte() % 8),
        _ => usize::from(script.byte()) << 10 | usize::from(script.byte()) << 2,
    }
}

/// A value that means something, or any.
pub(crate) fn value(script: &mut Script<'_>) -> u64 {
    let few = u64::from(script.byte());
    match script.byte() % 8 {
        0 => 0,
        1 => u64::MAX,
        // Records: of bytes, with any length, and of what went another way.
        2 => 1 | few << 8,
        3 => 1 | few << 16,
        4 => 2,
        5 => few,
        // A process that there may be, as the owner of a half or, if the number is odd, of an end.
        6 => few << 63 | few << 22 | u64::from(ProcessId::current().map_or(1, ProcessId::pid)),
        _ => script.word(),
    }
}
