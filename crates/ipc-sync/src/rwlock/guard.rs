//! The guards of an `RwLock`: the value to look at, and the value to change.
//!
//! # Safety
//!
//! References to the value are made here and nowhere else, and live no longer than the guard, which
//! is proof that this thread is inside: as one of the readers, or as the only one.

#![expect(unsafe_code, reason = "references to a value in shared memory")]

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr;
use std::thread;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::robust::{Lent, Thread};

use super::RwLock;
use crate::raw::Share;
use crate::recovery::{Recovery, Sealed, ValueGuard};

/// The value of an [`RwLock`] that the calling thread may look at; dropping it gives the share back.
///
/// While there is one, `fork` of `proc-core` refuses in its thread, as with a
/// [`MutexGuard`](crate::MutexGuard); in a child that inherited it nevertheless, dropping it does
/// nothing. If it is forgotten, the share stays taken; a thread that ends like that takes its process
/// with it (see [`Lent`]), and the share comes back.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct RwLockReadGuard<'lock, T: NoUninit + CheckedBitPattern> {
    lock: &'lock RwLock<T>,
    share: Share<'lock>,
    /// References to the value may be about.
    _lent: Lent,
    /// The kernel knows the reading thread, so no other can give the share back.
    not_send: PhantomData<*const T>,
}

/// The value of an [`RwLock`] that the calling thread may change; dropping it gives the lock back.
///
/// While there is one, `fork` of `proc-core` refuses in its thread, as with a
/// [`MutexGuard`](crate::MutexGuard); in a child that inherited it nevertheless, dropping it does
/// nothing. If it is forgotten, the lock stays held; a thread that ends like that takes its process
/// with it (see [`Lent`]), and the lock counts as left by a dead writer.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct RwLockWriteGuard<'lock, T: NoUninit + CheckedBitPattern> {
    lock: &'lock RwLock<T>,
    /// Whether the guard, if a panic drops it, poisons the lock.
    poisons: bool,
    /// References to the value may be about.
    lent: Lent,
    /// The kernel knows the writing thread, so no other can give the lock back.
    not_send: PhantomData<*mut T>,
}

/// An [`RwLock`] that is held for writing, and whose value may be half changed.
pub type RwLockRecovery<'lock, T> = Recovery<'lock, T, RwLockWriteGuard<'lock, T>>;

impl<'lock, T: NoUninit + CheckedBitPattern> RwLockReadGuard<'lock, T> {
    /// The calling thread has just come in to read.
    #[inline]
    pub(super) fn new(lock: &'lock RwLock<T>, share: Share<'lock>) -> Self {
        Self { lock, share, _lent: Lent::new(), not_send: PhantomData }
    }

    /// Whether the value is whole, as far as anybody has told.
    #[must_use]
    pub fn is_consistent(guard: &Self) -> bool {
        !guard.lock.raw().is_poisoned()
    }
}

impl<'lock, T: NoUninit + CheckedBitPattern> RwLockWriteGuard<'lock, T> {
    /// The calling thread has just come in to write.
    #[inline]
    pub(super) fn new(lock: &'lock RwLock<T>) -> Self {
        Self { lock, poisons: !thread::panicking(), lent: Lent::new(), not_send: PhantomData }
    }

    #[inline]
    pub(super) fn that_does_not_poison(mut self) -> Self {
        self.poisons = false;
        self
    }

    #[inline]
    pub(super) fn that_poisons(mut self) -> Self {
        self.poisons = !thread::panicking();
        self
    }

    /// Whether the value is whole, as far as anybody has told.
    #[must_use]
    pub fn is_consistent(guard: &Self) -> bool {
        !guard.lock.raw().is_poisoned()
    }

    /// Declares that the value is whole: nobody after this is told of a death or a panic before it.
    pub fn mark_consistent(guard: &mut Self) {
        // A forked child does not hold what its parent holds.
        if guard.is_held() {
            guard.lock.raw().mark_consistent();
        }
    }

    /// Lets other readers in, but no writer before this one has stopped reading, too.
    ///
    /// # Errors
    ///
    /// The guard itself, if the thread holds as many locks as a thread can; and in a forked child
    /// that inherited the guard.
    pub fn downgrade(guard: Self) -> Result<RwLockReadGuard<'lock, T>, Self> {
        if !guard.is_held() {
            return Err(guard);
        }
        // SAFETY: the lines stay mapped until the words are given back: R1 of `RwLock`.
        match unsafe { guard.lock.raw().downgrade(Thread::current()) } {
            Ok(share) => {
                let reading = RwLockReadGuard::new(guard.lock, share);
                // It has given back what the guard would.
                let guard = ManuallyDrop::new(guard);
                // SAFETY: it is taken out of a guard that is not looked at any more.
                drop(unsafe { ptr::read(&raw const guard.lent) });
                Ok(reading)
            }
            Err(_) => Err(guard),
        }
    }

    fn is_held(&self) -> bool {
        self.lock.raw().is_written_by(Thread::current())
    }

    #[cold]
    fn poison(&self) {
        // A forked child does not hold what its parent holds.
        if self.is_held() {
            self.lock.raw().poison();
        }
    }
}

impl<T: NoUninit + CheckedBitPattern> ValueGuard for RwLockWriteGuard<'_, T> {}

impl<T: NoUninit + CheckedBitPattern> Sealed for RwLockWriteGuard<'_, T> {
    fn say_consistent(&mut self) {
        Self::mark_consistent(self);
    }
}

impl<T: NoUninit + CheckedBitPattern> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the pointer is good (V1); the bytes were checked when the thread came in, and
        // nobody changes them while somebody reads.
        unsafe { &*self.lock.value() }
    }
}

impl<T: NoUninit + CheckedBitPattern> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the pointer is good (V1); the bytes were checked when the thread came in, and only
        // it changes them, through a `&mut T` to a valid `T`.
        unsafe { &*self.lock.value() }
    }
}

impl<T: NoUninit + CheckedBitPattern> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`; `self` is borrowed mutably, so this is the only reference.
        unsafe { &mut *self.lock.value() }
    }
}

impl<T: NoUninit + CheckedBitPattern> Drop for RwLockReadGuard<'_, T> {
    #[expect(clippy::inline_always, reason = "a call costs a fifth of what coming in to read does")]
    #[inline(always)]
    fn drop(&mut self) {
        self.share.unlock_read(Thread::current());
    }
}

impl<T: NoUninit + CheckedBitPattern> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.poisons && thread::panicking() {
            self.poison();
        }
        self.lock.raw().unlock_write(Thread::current());
    }
}

impl<T: NoUninit + CheckedBitPattern + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

impl<T: NoUninit + CheckedBitPattern + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

impl<T: NoUninit + CheckedBitPattern + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, formatter)
    }
}

impl<T: NoUninit + CheckedBitPattern + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, formatter)
    }
}

// SAFETY: through a shared guard other threads get a `&T` at most; giving the share back takes the
// guard itself, which stays in its thread.
unsafe impl<T: NoUninit + CheckedBitPattern + Sync> Sync for RwLockReadGuard<'_, T> {}

// SAFETY: as for the reader's.
unsafe impl<T: NoUninit + CheckedBitPattern + Sync> Sync for RwLockWriteGuard<'_, T> {}
