//! `ArrayGuard`, `ArrayReadGuard`: the values, while their locks are held.
//!
//! # Safety
//!
//! A guard has the locks of its parts, taken in their order, and lends their values for no longer
//! than it lives itself.

#![expect(unsafe_code, reason = "references to values in shared memory")]

use core::fmt;
use core::ops::{Deref, DerefMut, Range};

use bytemuck::{AnyBitPattern, NoUninit};
use ipc_sync::{LockError, RwLockReadGuard, RwLockWriteGuard};

use super::Array;
use super::error::ArrayError;
use super::shape::{Shaped, ShapedMut};
use crate::raw::planted::faces::ARRAY_LOCKS;

/// Values of an [`Array`] that nobody changes as long as this lives.
///
/// It is neither copied by a fork nor forgotten beyond the thread's end, as a
/// [`MutexGuard`](ipc_sync::MutexGuard).
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct ArrayReadGuard<'array, T: AnyBitPattern + NoUninit> {
    array: &'array Array<T>,
    parts: Range<usize>,
    _locks: Vec<RwLockReadGuard<'array, ()>>,
}

/// Values of an [`Array`] that the calling thread may change; dropping it gives the locks back.
///
/// It is neither copied by a fork nor forgotten beyond the thread's end, as a
/// [`MutexGuard`](ipc_sync::MutexGuard).
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct ArrayGuard<'array, T: AnyBitPattern + NoUninit> {
    array: &'array Array<T>,
    parts: Range<usize>,
    locks: Vec<RwLockWriteGuard<'array, ()>>,
}

impl<'array, T: AnyBitPattern + NoUninit> ArrayReadGuard<'array, T> {
    pub(super) fn take(array: &'array Array<T>, parts: Range<usize>) -> Result<Self, ArrayError> {
        let locks = array.locks.get(parts.clone()).unwrap_or(&[]);
        let take = |lock: &'array ipc_sync::RwLock<()>| lock.read();
        let locks: Result<_, _> = locks.iter().map(take).collect();
        let locks = locks.map_err(LockError::without_lock)?;
        Ok(Self { array, parts, _locks: locks })
    }

    /// The values in rows, columns and so on.
    ///
    /// # Errors
    ///
    /// [`ArrayError::BadShape`] if there are not as many values.
    pub fn shaped<const N: usize>(
        &self,
        shape: [usize; N],
    ) -> Result<Shaped<'_, T, N>, ArrayError> {
        Shaped::new(self, shape)
    }
}

impl<'array, T: AnyBitPattern + NoUninit> ArrayGuard<'array, T> {
    pub(super) fn take(
        array: &'array Array<T>,
        parts: Range<usize>,
    ) -> Result<Self, LockError<Self>> {
        let mut guard = Self { array, parts: parts.clone(), locks: vec![] };
        let mut found = None;
        for lock in array.locks.get(parts).filter(|_| ARRAY_LOCKS).unwrap_or(&[]) {
            let lock = match lock.write() {
                Ok(lock) => lock,
                Err(LockError::OwnerDied(recovery)) => {
                    found = Some(LockError::OwnerDied(()));
                    recovery.into_guard()
                }
                Err(LockError::Poisoned(recovery)) => {
                    found = found.or(Some(LockError::Poisoned(())));
                    recovery.into_guard()
                }
                // Those that were taken are given back.
                Err(LockError::Corrupt) => return Err(LockError::Corrupt),
                Err(LockError::Timeout) => return Err(LockError::Timeout),
                Err(LockError::WouldDeadlock) => return Err(LockError::WouldDeadlock),
                Err(_) => return Err(LockError::TooManyHeld),
            };
            guard.locks.push(lock);
        }
        match found {
            None => Ok(guard),
            Some(LockError::OwnerDied(())) => Err(LockError::OwnerDied(guard)),
            Some(_) => Err(LockError::Poisoned(guard)),
        }
    }

    /// Declares that the values are whole: nobody after this is told of a death or a panic before it.
    pub fn mark_consistent(guard: &mut Self) {
        guard.locks.iter_mut().for_each(RwLockWriteGuard::mark_consistent);
    }

    /// Whether the values are whole, as far as anybody has told.
    #[must_use]
    pub fn is_consistent(guard: &Self) -> bool {
        guard.locks.iter().all(RwLockWriteGuard::is_consistent)
    }

    /// The values in rows, columns and so on.
    ///
    /// # Errors
    ///
    /// [`ArrayError::BadShape`] if there are not as many values.
    pub fn shaped<const N: usize>(
        &mut self,
        shape: [usize; N],
    ) -> Result<ShapedMut<'_, T, N>, ArrayError> {
        ShapedMut::new(self, shape)
    }
}

impl<T: AnyBitPattern + NoUninit> Deref for ArrayReadGuard<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the guard has the locks.
        unsafe { self.array.lend(&self.parts) }
    }
}

impl<T: AnyBitPattern + NoUninit> Deref for ArrayGuard<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the guard has the locks.
        unsafe { self.array.lend(&self.parts) }
    }
}

impl<T: AnyBitPattern + NoUninit> DerefMut for ArrayGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: the guard has the locks for writing, and is borrowed mutably.
        unsafe { self.array.lend_mut(&self.parts) }
    }
}

impl<T: AnyBitPattern + NoUninit + fmt::Debug> fmt::Debug for ArrayReadGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

impl<T: AnyBitPattern + NoUninit + fmt::Debug> fmt::Debug for ArrayGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}
