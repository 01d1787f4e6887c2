//! `Recovery`: a value that may be half changed, until somebody says what is to become of it.

use core::fmt;
use core::marker::PhantomData;
use core::ops::DerefMut;

use crate::mutex::MutexGuard;

/// A held lock whose value may be half changed, because a holder died or panicked.
///
/// It comes from a [`Mutex`](crate::Mutex), or from an [`RwLock`](crate::RwLock) that is held for
/// writing. Say what is to become of the value. Dropping it gives back a poisoned lock.
#[must_use = "dropping it leaves the lock poisoned"]
pub struct Recovery<'lock, T, G = MutexGuard<'lock, T>> {
    guard: G,
    value: PhantomData<&'lock T>,
}

/// The guard of a value that may be changed: [`MutexGuard`] or
/// [`RwLockWriteGuard`](crate::RwLockWriteGuard).
///
/// Only this crate has such guards.
pub trait ValueGuard: DerefMut + Sealed {}

/// What a guard can do for a [`Recovery`].
#[expect(unnameable_types, reason = "so that nobody else has such guards")]
pub trait Sealed {
    /// Declares that the value is whole.
    fn say_consistent(&mut self);
}

impl<T, G: ValueGuard<Target = T>> Recovery<'_, T, G> {
    #[inline]
    pub(crate) fn new(guard: G) -> Self {
        Self { guard, value: PhantomData }
    }

    /// Lets `repair` make the value whole; the lock is consistent then, and still held.
    ///
    /// If `repair` panics, the lock is poisoned.
    pub fn recover(mut self, repair: impl FnOnce(&mut T)) -> G {
        repair(&mut self.guard);
        self.mark_consistent()
    }

    /// Declares that the value is whole as it is; the lock is consistent then, and still held.
    pub fn mark_consistent(mut self) -> G {
        self.guard.say_consistent();
        self.guard
    }

    /// The value as the last holder left it.
    #[must_use]
    pub fn get(&self) -> T
    where
        T: Copy,
    {
        *self.guard
    }

    /// Goes on without a decision; until somebody marks the value as consistent, everybody who
    /// takes the lock finds it poisoned.
    pub fn into_guard(self) -> G {
        self.guard
    }
}

impl<T, G> fmt::Debug for Recovery<'_, T, G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Recovery").finish_non_exhaustive()
    }
}
