//! This crate's system calls: memory that nobody can change any more.

mod linux;

pub(crate) use linux::{ReadOnly, create_frozen, is_frozen};
