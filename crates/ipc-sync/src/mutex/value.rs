//! Where the value of a mutex lies, and what is done with it there.
//!
//! # Safety
//!
//! The pointer is the one that V1 of [`crate::value`] is about: the handle checked that the value
//! lies in the segment behind the line.

#![expect(unsafe_code, reason = "pointers to a value in shared memory")]

use core::ptr;

use bytemuck::{CheckedBitPattern, NoUninit};

use super::{Mutex, MutexGuard};
use crate::value;

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
        // SAFETY: V1, and the lock is held.
        unsafe { value::is_valid(self.value()) }
    }

    /// A copy of the value, if the bytes are a `T`. The lock is held, as the guard shows.
    pub(super) fn read(&self, _held: &MutexGuard<'_, T>) -> Option<T> {
        // SAFETY: V1, and the lock is held.
        unsafe { value::read(self.value()) }
    }

    /// Writes the value. The caller holds the lock, or is the only one with a handle.
    pub(super) fn write(&self, value: &T) {
        // SAFETY: V1, and the lock is held, or nobody else can take it.
        unsafe { value::write(self.value(), value) };
    }
}
