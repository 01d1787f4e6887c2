//! The system calls of this crate: one function a call, no policy.
//!
//! Only this folder names an OS crate, apart from the types that stand in public signatures.

pub(crate) mod clock;
#[cfg(not(ipc_loom))]
pub(crate) mod epoch;
#[cfg(not(ipc_loom))]
pub(crate) mod futex;
#[cfg(not(ipc_loom))]
pub(crate) mod memory;
#[cfg(not(ipc_loom))]
pub(crate) mod names;
#[cfg(not(ipc_loom))]
pub(crate) mod process;
#[cfg(not(ipc_loom))]
pub(crate) mod robust;
#[cfg(not(ipc_loom))]
pub(crate) mod socket;
