//! What the kit asks of the operating system: one function a call, no policy.

mod filter;
mod linux;

pub use filter::refuse;
pub(crate) use linux::{Fork, Instruction, Tracee, exit_now, fork, map_shared, marker, unmap};
