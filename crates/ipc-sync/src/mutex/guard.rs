//! `MutexGuard`: the value, while the mutex is held.
//!
//! # Safety
//!
//! References to the value are made here and nowhere else, and live no longer than the guard, which
//! is proof that this thread holds the lock.

#![expect(unsafe_code, reason = "references to a value in shared memory")]

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr;
use std::thread;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::robust::{Lent, RobustWord};

use super::Mutex;
use crate::error::LockError;
use crate::raw::Taken;
use crate::recovery::{Recovery, Sealed, ValueGuard};

/// The value of a [`Mutex`] that the calling thread holds; dropping it gives the mutex back.
///
/// While there is one, `fork` of `proc-core` refuses in its thread, since the child would have it as
/// well. In a child that inherited it nevertheless, dropping it does nothing; the value is the parent's
/// there, and whoever forked sees to it that the child lets it be.
///
/// If it is forgotten, the mutex stays held; a thread that ends like that takes its process with it
/// (see [`Lent`]), and the mutex counts as left by a dead holder.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct MutexGuard<'mutex, T: NoUninit + CheckedBitPattern> {
    mutex: &'mutex Mutex<T>,
    /// Whether the guard, if a panic drops it, poisons the mutex.
    poisons: bool,
    /// References to the value may be about.
    lent: Lent,
    /// The kernel knows the holding thread, so no other can give the mutex back.
    not_send: PhantomData<*mut T>,
}

impl<'mutex, T: NoUninit + CheckedBitPattern> MutexGuard<'mutex, T> {
    /// The caller has just taken the lock.
    #[inline]
    pub(super) fn new(mutex: &'mutex Mutex<T>) -> Self {
        Self { mutex, poisons: !thread::panicking(), lent: Lent::new(), not_send: PhantomData }
    }

    #[inline]
    pub(super) fn that_poisons(mut self) -> Self {
        self.poisons = !thread::panicking();
        self
    }

    #[inline]
    pub(super) fn that_does_not_poison(mut self) -> Self {
        self.poisons = false;
        self
    }

    /// The line of the lock.
    pub(crate) fn line(&self) -> &RobustWord {
        self.mutex.place.line()
    }

    /// Goes on with a lock that was given back meanwhile, and taken again.
    pub(crate) fn retaken(self, taken: Taken) -> Result<Self, LockError<Recovery<'mutex, T>>> {
        let mutex = self.mutex;
        mutex.place.note(taken);
        let retaken = mutex.check(Ok(taken));
        // The lock is the new guard's now, or was given back with it.
        let guard = ManuallyDrop::new(self);
        // SAFETY: it is taken out of a guard that is not looked at any more.
        drop(unsafe { ptr::read(&raw const guard.lent) });
        retaken
    }

    /// Whether the value is whole, as far as anybody has told.
    #[must_use]
    pub fn is_consistent(guard: &Self) -> bool {
        !guard.mutex.place.is_poisoned()
    }

    /// Declares that the value is whole: nobody after this is told of a death or a panic before it.
    pub fn mark_consistent(guard: &mut Self) {
        // A forked child does not hold what its parent holds.
        if guard.mutex.place.is_mine() {
            guard.mutex.place.mark_consistent();
        }
    }
}

impl<T: NoUninit + CheckedBitPattern> ValueGuard for MutexGuard<'_, T> {}

impl<T: NoUninit + CheckedBitPattern> Sealed for MutexGuard<'_, T> {
    fn say_consistent(&mut self) {
        Self::mark_consistent(self);
    }
}

impl<T: NoUninit + CheckedBitPattern> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the pointer is good (V1); the bytes were checked when the lock was taken, and
        // only its holder changes them: this thread, and through a `&mut T` to a valid `T`.
        unsafe { &*self.mutex.value() }
    }
}

impl<T: NoUninit + CheckedBitPattern> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`; `self` is borrowed mutably, so this is the only reference.
        unsafe { &mut *self.mutex.value() }
    }
}

impl<T: NoUninit + CheckedBitPattern> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.poisons && thread::panicking() {
            self.poison();
        }
        self.mutex.place.unlock();
    }
}

impl<T: NoUninit + CheckedBitPattern> MutexGuard<'_, T> {
    #[cold]
    fn poison(&self) {
        // A forked child does not hold what its parent holds.
        if self.mutex.place.is_mine() {
            self.mutex.place.poison();
        }
    }
}

impl<T: NoUninit + CheckedBitPattern + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

impl<T: NoUninit + CheckedBitPattern + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, formatter)
    }
}

// SAFETY: through a shared guard other threads get a `&T` at most; giving the mutex back takes the
// guard itself, which stays in its thread.
unsafe impl<T: NoUninit + CheckedBitPattern + Sync> Sync for MutexGuard<'_, T> {}
