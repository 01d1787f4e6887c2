//! This crate's system calls.

pub(crate) mod memory;
pub(crate) mod ready;
