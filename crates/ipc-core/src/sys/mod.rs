//! The system calls of this crate: one function a call, no policy.
//!
//! Only this folder names an OS crate, apart from the types that stand in public signatures.

pub(crate) mod clock;
pub(crate) mod epoch;
#[cfg(not(ipc_loom))]
pub(crate) mod fence;
#[cfg(not(ipc_loom))]
pub(crate) mod futex;
pub(crate) mod memory;
pub(crate) mod names;
pub(crate) mod presence;
pub(crate) mod process;
#[cfg_attr(ipc_loom, expect(dead_code, reason = "the model has threads of its own"))]
pub(crate) mod robust;
pub(crate) mod socket;
#[cfg(not(ipc_loom))]
pub(crate) mod thread_end;
