//! Memory that processes share, and what every crate above needs to use it.

mod deadline;
mod sys;

pub use deadline::Deadline;
