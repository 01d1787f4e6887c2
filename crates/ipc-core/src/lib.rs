//! Memory that processes share, and what every crate above needs to use it.

mod deadline;
pub mod primitive;
pub mod robust;
mod sys;

pub use deadline::Deadline;
