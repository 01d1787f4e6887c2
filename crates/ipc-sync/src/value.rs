//! Values in shared memory: checked where they lie, or copied and checked.
//!
//! # Invariants
//!
//! - V1: The bytes of a value lie inside the mapping, aligned for `T`: checked when the handle to its
//!   lock was made. They are used by locks of this kind and type only.
//!
//! # Safety
//!
//! Every pointer is the one that V1 is about, which callers vouch for, and is used while the lock is
//! held.

#![expect(unsafe_code, reason = "pointers to values in shared memory")]

use core::any::type_name;
use core::mem::MaybeUninit;
use core::ptr;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{copy_in, copy_out};
use ipc_core::robust::RobustWord;
use ipc_core::{Kind, Segment, SegmentError};

/// Whether the bytes are a `T`.
///
/// # Safety
///
/// V1 holds of the pointer, and the caller holds the lock.
#[inline]
pub(crate) unsafe fn is_valid<T: CheckedBitPattern>(value: *mut T) -> bool {
    // SAFETY: the caller vouches for the pointer; any bytes are a valid `Bits`, which has the layout
    // of `T`; among processes that keep to the lock nobody changes them while we hold it.
    T::is_valid_bit_pattern(unsafe { &*value.cast::<T::Bits>() })
}

/// A copy of the value, if the bytes are a `T`.
///
/// # Safety
///
/// V1 holds of the pointer, and the caller holds the lock.
pub(crate) unsafe fn read<T: CheckedBitPattern>(value: *mut T) -> Option<T> {
    let mut copy = MaybeUninit::<T::Bits>::uninit();
    // SAFETY: the caller vouches for the pointer; the copy is private, and as long as a `T`.
    unsafe { copy_out(value.cast(), copy.as_mut_ptr().cast(), size_of::<T>()) };
    // SAFETY: any bytes are a valid `Bits`, and all of its bytes were written.
    let bits = unsafe { copy.assume_init() };
    if !T::is_valid_bit_pattern(&bits) {
        return None;
    }
    // SAFETY: a `Bits` with a valid pattern is a valid `T`, of the same layout; both are `Copy`.
    Some(unsafe { ptr::from_ref(&bits).cast::<T>().read() })
}

/// Writes the value.
///
/// # Safety
///
/// V1 holds of the pointer, and the caller holds the lock for writing, or is the only one with a
/// handle.
pub(crate) unsafe fn write<T: NoUninit>(value: *mut T, new: &T) {
    // SAFETY: the caller vouches for the pointer; under the lock no thread of this process uses the
    // bytes.
    unsafe { copy_in(value.cast(), bytemuck::bytes_of(new)) };
}

/// A number that differs, very likely, between types that are laid out or checked differently.
pub(crate) fn type_hash<T>() -> u64 {
    let shape = [size_of::<T>() as u64, align_of::<T>() as u64];
    let bytes =
        shape.iter().flat_map(|number| number.to_le_bytes()).chain(type_name::<T>().bytes());
    // FNV-1a.
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Whether what a message says lies at `offset` is of the kind and the type that is expected.
///
/// Safe code writes no type into an exclusive segment, so whoever made the line wrote it.
pub(crate) fn check_received(
    segment: &Segment,
    offset: usize,
    kind: Kind,
    expected: u64,
) -> Result<(), SegmentError> {
    if segment.kind() == kind {
        segment.check(kind, expected)?;
    } else if !segment.kind().is_exclusive() {
        return Err(SegmentError::WrongKind { expected: kind, found: segment.kind() });
    }
    // SAFETY: a look at one word of the line, if a line can be there at all.
    let line = unsafe { segment.place_exclusive::<RobustWord>(offset) }?;
    let found = line.wide_notes[1].load(Relaxed);
    if found == expected { Ok(()) } else { Err(SegmentError::WrongType { expected, found }) }
}
