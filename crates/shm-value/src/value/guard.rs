//! `ValueGuard`: a turn at changing a value.

use core::fmt;
use core::ops::{Deref, DerefMut};
use std::thread;

use bytemuck::{CheckedBitPattern, NoUninit};

use super::Value;
use crate::raw::Turn;

/// A turn at changing a [`Value`], and a copy of it to change.
///
/// Dropping it makes the copy the value, all at once, and lets the next have its turn. If nothing
/// was changed, nothing is written. If a panic drops it, the value stays as it was.
///
/// In a forked child that inherited it, dropping it does nothing. If it is forgotten, nobody else has
/// a turn until the thread ends.
#[must_use = "a guard that is dropped at once changes nothing"]
pub struct ValueGuard<'value, T: NoUninit + CheckedBitPattern> {
    value: &'value Value<T>,
    copy: T,
    is_changed: bool,
    /// Whether the thread was panicking already.
    was_panicking: bool,
    turn: Turn<'value>,
}

impl<'value, T: NoUninit + CheckedBitPattern> ValueGuard<'value, T> {
    #[inline]
    pub(super) fn new(value: &'value Value<T>, turn: Turn<'value>, copy: T) -> Self {
        Self { value, copy, is_changed: false, was_panicking: thread::panicking(), turn }
    }

    /// Gives the turn back and leaves the value as it was.
    pub fn discard(mut guard: Self) {
        guard.is_changed = false;
    }
}

impl<T: NoUninit + CheckedBitPattern> Deref for ValueGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.copy
    }
}

impl<T: NoUninit + CheckedBitPattern> DerefMut for ValueGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.is_changed = true;
        &mut self.copy
    }
}

impl<T: NoUninit + CheckedBitPattern> Drop for ValueGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let is_broken_off = thread::panicking() && !self.was_panicking;
        // A forked child does not have its parent's turn.
        if self.is_changed && !is_broken_off && self.turn.is_mine() {
            self.value.publish(&self.copy);
        }
    }
}

impl<T: NoUninit + CheckedBitPattern + fmt::Debug> fmt::Debug for ValueGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.copy, formatter)
    }
}

impl<T: NoUninit + CheckedBitPattern + fmt::Display> fmt::Display for ValueGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.copy, formatter)
    }
}
