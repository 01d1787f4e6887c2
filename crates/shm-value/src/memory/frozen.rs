//! `FrozenMemory`: bytes that nobody can ever change.
//!
//! # Safety
//!
//! The kernel refuses every write to a file that is sealed against writing, and every mapping through
//! which one could write. So its bytes can be lent as plain references, whoever the others are.

use core::fmt;
use core::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytemuck::AnyBitPattern;

use super::MemoryError;
use crate::sys::{self, ReadOnly};

/// Bytes in shared memory that are there for all to read, and for nobody to change.
///
/// It lends its bytes as they lie in memory, without a copy and without a lock. Use it for what is
/// made once and read by many: a table, a model, an index. Cloning a handle does not clone the
/// bytes; it goes to other processes inside messages, and is freed with its last user.
///
/// # Process death
///
/// There is nothing that could be half done.
///
/// # Examples
///
/// ```
/// use shm_value::FrozenMemory;
///
/// let squares = FrozenMemory::build(4 * 8, |bytes| {
///     for (n, place) in (0_u64..).zip(bytes.chunks_mut(8)) {
///         place.copy_from_slice(&(n * n).to_le_bytes());
///     }
/// })?;
/// // … the handle goes to other processes …
/// assert_eq!(squares.as_slice_of::<u64>()?, [0, 1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FrozenMemory {
    inner: Arc<(ReadOnly, OwnedFd)>,
}

impl FrozenMemory {
    /// Makes frozen memory of so many bytes, which `fill` gets before anybody else can see them:
    /// zeros, where the memory will lie.
    ///
    /// # Errors
    ///
    /// [`MemoryError::BadSize`] if it is none; [`SegmentError::NoSpace`](ipc_core::SegmentError) if
    /// the machine does not have so much.
    pub fn build(size: usize, fill: impl FnOnce(&mut [u8])) -> Result<Self, MemoryError> {
        if size == 0 {
            return Err(MemoryError::BadSize);
        }
        let file = sys::create_frozen(size, fill)?;
        Self::from_fd(file)
    }

    /// Opens the frozen memory behind a descriptor, after checking that nobody can change it.
    ///
    /// # Errors
    ///
    /// [`MemoryError::NotFrozen`] if somebody can, or it is no memory at all.
    pub fn from_fd(file: OwnedFd) -> Result<Self, MemoryError> {
        if !sys::is_frozen(file.as_fd()) {
            return Err(MemoryError::NotFrozen);
        }
        let mapping = ReadOnly::map(&file)?;
        Ok(Self { inner: Arc::new((mapping, file)) })
    }

    /// The bytes as values of another type.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Corrupt`] if they are no whole number of them.
    pub fn as_slice_of<T: AnyBitPattern>(&self) -> Result<&[T], MemoryError> {
        bytemuck::try_cast_slice(self).map_err(|_| MemoryError::Corrupt)
    }
}

impl Deref for FrozenMemory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.inner.0.bytes()
    }
}

impl AsFd for FrozenMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.1.as_fd()
    }
}

impl fmt::Debug for FrozenMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FrozenMemory").field("len", &self.len()).finish_non_exhaustive()
    }
}
