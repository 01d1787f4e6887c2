//! This crate's system calls.

pub(crate) mod epoll;
pub(crate) mod memory;
pub(crate) mod ready;
pub(crate) mod socket;
