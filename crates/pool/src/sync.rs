//! Locks of this process: those of the standard library, or loom's in its world.

#[cfg(ipc_loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(ipc_loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
