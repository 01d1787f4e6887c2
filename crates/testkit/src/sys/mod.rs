//! What the kit asks of the operating system: one function a call, no policy.

mod linux;

pub(crate) use linux::{Fork, Instruction, Tracee, exit_now, fork, map_shared, marker, unmap};
