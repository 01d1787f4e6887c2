//! Memory that processes share, and what every crate above needs to use it.

mod deadline;
#[cfg(not(ipc_loom))]
mod error;
#[cfg(not(ipc_loom))]
mod header;
#[cfg(not(ipc_loom))]
mod identity;
#[cfg(not(ipc_loom))]
mod layout;
#[cfg(not(ipc_loom))]
mod liveness;
#[cfg(not(ipc_loom))]
mod mapping;
#[cfg(not(ipc_loom))]
mod open_segments;
#[cfg(not(ipc_loom))]
mod per_process;
#[cfg(not(ipc_loom))]
mod placed;
pub mod primitive;
pub mod robust;
#[cfg(not(ipc_loom))]
mod segment;
mod shared;
mod sys;
#[cfg(not(ipc_loom))]
mod type_hash;
#[cfg(not(ipc_loom))]
pub mod wire;

pub use deadline::Deadline;
#[cfg(not(ipc_loom))]
pub use error::SegmentError;
#[cfg(not(ipc_loom))]
pub use header::Kind;
#[cfg(not(ipc_loom))]
pub use identity::ProcessId;
#[cfg(not(ipc_loom))]
pub use layout::Layout;
#[cfg(not(ipc_loom))]
pub use liveness::{DeathWatch, is_alive, wait_for_death};
#[cfg(not(ipc_loom))]
pub use per_process::PerProcess;
#[cfg(not(ipc_loom))]
pub use placed::Placed;
#[cfg(not(ipc_loom))]
pub use segment::{Segment, SegmentId};
pub use shared::Shared;
#[cfg(not(ipc_loom))]
pub use type_hash::type_hash;
