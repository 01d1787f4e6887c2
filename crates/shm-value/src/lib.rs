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
//! | [`Array`] | many numbers in a row, locked and looked at where they lie |
//! | [`RawArray`] | the same without a lock, copied in and out |
//! | [`ShmVec`], [`ShmMap`] | items that come and go, up to so many |
//! | [`ShareableList`] | items of different types, as in Python |
//! | [`SharedMemory`] | bytes, with or without a name, that can grow |
//! | [`FrozenMemory`] | bytes that nobody can change any more |
//! | [`ByteVec`], [`ByteMap`] | such items in a program that does not know their types |
//! | [`raw`] | another shared thing of your own |
//!
//! With the feature `ndarray`, an [`Array`]'s values are lent as arrays of that crate, too.
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
mod array;
#[cfg(not(ipc_loom))]
mod bytes;
#[cfg(not(ipc_loom))]
mod error;
#[cfg(not(ipc_loom))]
pub mod inspect;
#[cfg(not(ipc_loom))]
mod list;
#[cfg(not(ipc_loom))]
mod map;
#[cfg(not(ipc_loom))]
mod memory;
#[cfg(not(ipc_loom))]
mod named;
#[cfg(not(ipc_loom))]
mod place;
#[cfg(not(ipc_loom))]
mod plain;
pub mod raw;
#[cfg(not(ipc_loom))]
mod sys;
#[cfg(not(ipc_loom))]
mod travel;
#[cfg(not(ipc_loom))]
mod value;
#[cfg(not(ipc_loom))]
mod vec;
#[cfg(not(ipc_loom))]
mod width;

pub use bytemuck;

#[cfg(not(ipc_loom))]
pub use crate::{
    array::{Array, ArrayError, ArrayGuard, ArrayReadGuard, RawArray, Shaped, ShapedMut},
    error::{AccessError, ChangeError},
    list::{Item, ShareableList},
    map::{ByteMap, ShmMap},
    memory::{FrozenMemory, MemoryError, SharedMemory},
    value::{Atomic, Integer, Number, RawValue, Value, ValueGuard},
    vec::{ByteVec, ShmVec},
};
