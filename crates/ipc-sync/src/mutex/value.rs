//! The value's bytes: checked where they lie, or copied and checked.
//!
//! # Invariants
//!
//! - V1: The bytes lie inside the mapping, aligned for `T`: checked when the handle was made. They
//!   are used by mutexes of this type only.
//!
//! # Safety
//!
//! Every pointer is the one that V1 is about, and is used while the lock is held.

#![expect(unsafe_code, reason = "pointers to a value in shared memory")]

use core::any::type_name;
use core::mem::MaybeUninit;
use core::ptr;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::primitive::{copy_in, copy_out};

use super::{Mutex, MutexGuard};

impl<T: NoUninit + CheckedBitPattern> Mutex<T> {
    /// Where the value lies.
    #[inline]
    pub(super) fn value(&self) -> *mut T {
        let line: *const u8 = ptr::from_ref(self.place.line()).cast();
        line.wrapping_add(Self::VALUE_OFFSET).cast_mut().cast()
    }

    /// Whether the bytes are a `T`; the caller holds the lock.
    #[inline]
    pub(super) fn is_valid(&self) -> bool {
        // SAFETY: V1; any bytes are a valid `Bits`, which has the layout of `T`; among processes
        // that keep to the lock nobody changes them while we hold it.
        T::is_valid_bit_pattern(unsafe { &*self.value().cast::<T::Bits>() })
    }

    /// A copy of the value, if the bytes are a `T`. The lock is held, as the guard shows.
    pub(super) fn read(&self, _held: &MutexGuard<'_, T>) -> Option<T> {
        let mut copy = MaybeUninit::<T::Bits>::uninit();
        // SAFETY: V1; the copy is private, and as long as a `T`.
        unsafe { copy_out(self.value().cast(), copy.as_mut_ptr().cast(), size_of::<T>()) };
        // SAFETY: any bytes are a valid `Bits`, and all of its bytes were written.
        let bits = unsafe { copy.assume_init() };
        if !T::is_valid_bit_pattern(&bits) {
            return None;
        }
        // SAFETY: a `Bits` with a valid pattern is a valid `T`, of the same layout; both are `Copy`.
        Some(unsafe { ptr::from_ref(&bits).cast::<T>().read() })
    }

    /// Writes the value. The caller holds the lock, or is the only one with a handle.
    pub(super) fn write(&self, value: &T) {
        // SAFETY: V1; under the lock no thread of this process uses the bytes.
        unsafe { copy_in(self.value().cast(), bytemuck::bytes_of(value)) };
    }
}

/// A number that differs, very likely, between types that are laid out or checked differently.
pub(super) fn type_hash<T>() -> u64 {
    let shape = [size_of::<T>() as u64, align_of::<T>() as u64];
    let bytes =
        shape.iter().flat_map(|number| number.to_le_bytes()).chain(type_name::<T>().bytes());
    // FNV-1a.
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
