//! State between processes: values in shared memory that survive the death of who changes them.
//!
//! What is here is a handle to some words in a [segment](ipc_core::Segment). It can be cloned, sent to
//! another process inside any message, and inherited by a forked child; all handles to it are one
//! thing. Readers take no lock. Whatever changes changes by one store, so a process that dies in the
//! middle of a change has changed nothing, and nobody has to be told or to repair anything.
//!
//! | type | use it for |
//! |------|------------|
//! | [`Value`] | a number or a struct that many read and some change |
//! | [`RawValue`] | a counter or a flag in eight bytes |
//! | [`raw`] | another shared thing of your own |
//!
//! What is shared is plain data: numbers, arrays of them, and structs that derive [`bytemuck`]'s
//! traits, which this crate hands on.
//!
//! # Examples
//!
//! ```
//! use shm_value::Value;
//! use shm_value::bytemuck::{Pod, Zeroable};
//!
//! #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
//! #[bytemuck(crate = "shm_value::bytemuck")]
//! #[repr(C)]
//! struct Position {
//!     x: f64,
//!     y: f64,
//! }
//!
//! let position = Value::new(Position { x: 0.0, y: 1.0 })?;
//! // … the handle goes to other processes …
//! position.update(|at| Position { x: at.x + 1.0, ..at })?;
//! assert_eq!(position.get()?, Position { x: 1.0, y: 1.0 });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(not(ipc_loom))]
mod error;
#[cfg(not(ipc_loom))]
mod named;
#[cfg(not(ipc_loom))]
mod place;
#[cfg(not(ipc_loom))]
mod plain;
pub mod raw;
#[cfg(not(ipc_loom))]
mod travel;
#[cfg(not(ipc_loom))]
mod value;

pub use bytemuck;

#[cfg(not(ipc_loom))]
pub use crate::{
    error::AccessError,
    value::{Atomic, Integer, Number, RawValue, Value, ValueGuard},
};
