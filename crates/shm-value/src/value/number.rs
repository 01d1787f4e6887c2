//! Numbers, and values that fit into one word.
//!
//! A value of n bytes lies in the n highest bytes of its word, above zeros. So the machine's addition
//! of words is one of numbers of any width: what overflows leaves at the top.

use core::iter;

use bytemuck::{AnyBitPattern, CheckedBitPattern, NoUninit};

use crate::plain::{Draft, WORD, words_of};

/// A number on which there are atomic operations in shared memory: an integer or a float.
///
/// Integers wrap around, as in C and in Python's `Value`.
pub trait Number: NoUninit + AnyBitPattern + PartialOrd + Sealed {}

/// A [`Number`] that is an integer.
pub trait Integer: Number {}

/// What the atomic operations need to know.
#[expect(unnameable_types, reason = "so that the numbers are those of this crate")]
pub trait Sealed {
    /// Whether the machine adds words of them.
    const IS_ADDED_AS_WORD: bool;

    /// The sum.
    #[must_use]
    fn plus(self, other: Self) -> Self;

    /// The difference.
    #[must_use]
    fn minus(self, other: Self) -> Self;
}

macro_rules! integers {
    ($($number:ty),*) => {$(
        impl Number for $number {}
        impl Integer for $number {}
        impl Sealed for $number {
            const IS_ADDED_AS_WORD: bool = true;

            #[inline]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
        }
    )*};
}

macro_rules! floats {
    ($($number:ty),*) => {$(
        impl Number for $number {}
        impl Sealed for $number {
            const IS_ADDED_AS_WORD: bool = false;

            #[inline]
            fn plus(self, other: Self) -> Self {
                self + other
            }

            #[inline]
            fn minus(self, other: Self) -> Self {
                self - other
            }
        }
    )*};
}

integers!(u8, i8, u16, i16, u32, i32, u64, i64, usize, isize);
floats!(f32, f64);

/// Whether a value fits into one word.
pub(super) const fn fits<T>() -> bool {
    size_of::<T>() <= WORD
}

/// By how much a value of up to eight bytes is shifted in its word.
#[expect(clippy::cast_possible_truncation, reason = "at most 64")]
const fn shift<T>() -> u32 {
    (WORD.saturating_sub(size_of::<T>()) * 8) as u32
}

/// The word of a value of up to eight bytes.
#[inline]
pub(super) fn pack<T: NoUninit>(value: &T) -> u64 {
    words_of(value).next().unwrap_or(0).checked_shl(shift::<T>()).unwrap_or(0)
}

/// The value in a word, if its bits are one.
#[inline]
pub(super) fn unpack<T: CheckedBitPattern>(word: u64) -> Option<T> {
    Draft::of(iter::once(word.checked_shr(shift::<T>()).unwrap_or(0))).check()
}
