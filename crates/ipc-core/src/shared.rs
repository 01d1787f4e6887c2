//! What may live in a segment at all.
//!
//! # Safety
//!
//! The module is the promise itself; every implementation here says why it holds.
#![expect(unsafe_code, reason = "an unsafe trait and its first implementations")]

#[cfg(not(ipc_loom))]
use crate::primitive::{AtomicU32, AtomicU64};

/// A type whose values can be used in place in memory that other processes read and write.
///
/// The words behind the door ([`crate::primitive`]) are such types, and so are `repr(C)` structs
/// and arrays of them. A plain integer is not: a reference to one promises that nobody changes it.
///
/// # Safety
///
/// A type may implement this only if all of these hold in the real and the crash world:
///
/// - it is `repr(C)` or `repr(transparent)`, so that every process lays it out alike;
/// - **every** pattern of bytes is a valid value of it, above all the one of zeros, since another
///   process can write any bytes at any time;
/// - every byte of it that can be written after it was placed lies in a word of
///   [`crate::primitive`], or in an `UnsafeCell` that its own code reads and writes only by rules
///   that hold between processes;
/// - it contains no pointer, reference, descriptor or anything else that only one process
///   understands, and needs no drop.
///
/// # Examples
///
/// ```
/// use ipc_core::Shared;
/// use ipc_core::primitive::AtomicU64;
///
/// #[repr(C)]
/// struct Counters {
///     sent: AtomicU64,
///     received: AtomicU64,
/// }
///
/// // SAFETY: it is `repr(C)` and consists of words only.
/// unsafe impl Shared for Counters {}
/// ```
pub unsafe trait Shared: Sync + 'static {}

// SAFETY: a transparent hardware word. (The model's words are none, and cannot be placed.)
#[cfg(not(ipc_loom))]
unsafe impl Shared for AtomicU32 {}

// SAFETY: as for the smaller one.
#[cfg(not(ipc_loom))]
unsafe impl Shared for AtomicU64 {}

// SAFETY: an array is its elements one after the other, and each of them keeps the promise.
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {}

// SAFETY: a slice is its elements one after the other, and each of them keeps the promise.
unsafe impl<T: Shared> Shared for [T] {}
