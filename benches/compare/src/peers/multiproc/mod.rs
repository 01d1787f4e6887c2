//! multiproc: us.

pub(crate) mod lock;
pub(crate) mod pool;
pub(crate) mod process;
pub(crate) mod queue;
