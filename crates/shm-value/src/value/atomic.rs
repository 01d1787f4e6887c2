//! `Atomic`: the operations on a number that take no lock.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `store`, `swap`, `compare_exchange`, `fetch_update`, `fetch_add`, `fetch_sub`, `fetch_or` | the same, but for `store`, and `load` | what was done before the number was changed |
//!
//! # Safety
//!
//! An `Atomic` is a word of [`ipc_core::primitive`] under another name.

#![expect(unsafe_code, reason = "a word under another name")]

use core::fmt;
use core::marker::PhantomData;
use core::ptr;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::number::{Integer, Number, pack, unpack};

/// A number in shared memory, with operations that take no lock and wait for nobody.
///
/// It is what a [`Value`](crate::Value) or a [`RawValue`](crate::RawValue) of a number is as well; one
/// cannot make it alone. Each operation is a release and an acquire: who sees what it wrote sees all
/// that its thread did before.
///
/// # Process death
///
/// An operation has been done or it has not; there is nothing in between.
#[repr(transparent)]
pub struct Atomic<T> {
    word: AtomicU64,
    number: PhantomData<T>,
}

impl<T: Number> Atomic<T> {
    /// The word under this name.
    #[inline]
    pub(super) fn of(word: &AtomicU64) -> &Self {
        // SAFETY: it is a transparent `AtomicU64`, of which any bits are a number.
        unsafe { &*ptr::from_ref(word).cast::<Self>() }
    }

    /// The number.
    #[inline]
    #[must_use]
    pub fn load(&self) -> T {
        // E1 acquire.
        number(self.word.load(Acquire))
    }

    /// Replaces the number.
    #[inline]
    pub fn store(&self, new: T) {
        // E1 release.
        self.word.store(pack(&new), Release);
    }

    /// Replaces the number and returns what it was.
    #[inline]
    #[must_use = "use `store` if what it was does not matter"]
    pub fn swap(&self, new: T) -> T {
        // E1 release, E1 acquire.
        number(self.word.swap(pack(&new), AcqRel))
    }

    /// Replaces the number if it is `current`, and returns what it was.
    ///
    /// Floats are the same if their bits are.
    ///
    /// # Errors
    ///
    /// What it is, if that is not `current`.
    #[inline]
    pub fn compare_exchange(&self, current: T, new: T) -> Result<T, T> {
        // E1 release, E1 acquire.
        let swapped = self.word.compare_exchange(pack(&current), pack(&new), AcqRel, Acquire);
        swapped.map(number).map_err(number)
    }

    /// Replaces the number by what `change` makes of it, and returns what it was.
    ///
    /// `change` is called again if somebody else was faster.
    #[inline]
    pub fn fetch_update(&self, mut change: impl FnMut(T) -> T) -> T {
        let mut found = self.word.load(Relaxed);
        loop {
            let old = number(found);
            // E1 release, E1 acquire.
            match self.word.compare_exchange(found, pack(&change(old)), AcqRel, Relaxed) {
                Ok(_) => return old,
                Err(now) => found = now,
            }
        }
    }

    /// Adds to the number, and returns what it was; an integer wraps around.
    #[inline]
    pub fn fetch_add(&self, addend: T) -> T {
        if T::IS_ADDED_AS_WORD {
            // E1 release, E1 acquire.
            number(self.word.fetch_add(pack(&addend), AcqRel))
        } else {
            self.fetch_update(|number| number.plus(addend))
        }
    }

    /// Subtracts from the number, and returns what it was; an integer wraps around.
    #[inline]
    pub fn fetch_sub(&self, subtrahend: T) -> T {
        if T::IS_ADDED_AS_WORD {
            // E1 release, E1 acquire.
            number(self.word.fetch_add(pack(&subtrahend).wrapping_neg(), AcqRel))
        } else {
            self.fetch_update(|number| number.minus(subtrahend))
        }
    }

    /// Replaces the number by `other` if that is greater, and returns what it was.
    #[inline]
    pub fn fetch_max(&self, other: T) -> T {
        self.fetch_update(|number| if other > number { other } else { number })
    }

    /// Replaces the number by `other` if that is less, and returns what it was.
    #[inline]
    pub fn fetch_min(&self, other: T) -> T {
        self.fetch_update(|number| if other < number { other } else { number })
    }
}

impl<T: Integer> Atomic<T> {
    /// Sets the bits of `bits`, and returns what the number was.
    #[inline]
    pub fn fetch_or(&self, bits: T) -> T {
        // E1 release, E1 acquire.
        number(self.word.fetch_or(pack(&bits), AcqRel))
    }

    /// Keeps the bits of `bits` only, and returns what the number was.
    #[inline]
    pub fn fetch_and(&self, bits: T) -> T {
        self.fetch_update(|number| self::number(pack(&number) & pack(&bits)))
    }

    /// Flips the bits of `bits`, and returns what the number was.
    #[inline]
    pub fn fetch_xor(&self, bits: T) -> T {
        self.fetch_update(|number| self::number(pack(&number) ^ pack(&bits)))
    }
}

impl<T: Number + fmt::Debug> fmt::Debug for Atomic<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.load(), formatter)
    }
}

/// The number in a word: any bits are one.
#[inline]
fn number<T: Number>(word: u64) -> T {
    unpack(word).unwrap_or_else(T::zeroed)
}
