//! Plain data as words, and words as plain data.
//!
//! A value lies in shared memory as whole words, so that it can be copied word by word while others
//! write there. What comes back is a private copy; its bits are checked before they are a value.
//!
//! # Safety
//!
//! A [`Draft`] writes into private memory of its own, at places below its length, and is read as
//! `T` only after [`CheckedBitPattern`] has said that it is one.

#![expect(unsafe_code, reason = "the bytes of a private copy")]

use core::mem::MaybeUninit;
use core::ptr;

use bytemuck::{CheckedBitPattern, NoUninit};

/// How many bytes a word has.
pub(crate) const WORD: usize = size_of::<u64>();

/// How many words a `T` takes.
pub(crate) const fn n_words<T>() -> usize {
    size_of::<T>().div_ceil(WORD)
}

/// The words of a value; the last is filled up with zeros.
#[inline]
pub(crate) fn words_of<T: NoUninit>(value: &T) -> impl Iterator<Item = u64> + Clone {
    words_of_bytes(bytemuck::bytes_of(value))
}

/// The words of some bytes; the last is filled up with zeros.
#[inline]
pub(crate) fn words_of_bytes(bytes: &[u8]) -> impl Iterator<Item = u64> + Clone {
    let (whole, rest) = bytes.as_chunks::<WORD>();
    let last = (!rest.is_empty()).then(|| {
        let mut word = [0; WORD];
        for (place, byte) in word.iter_mut().zip(rest) {
            *place = *byte;
        }
        word
    });
    whole.iter().copied().chain(last).map(u64::from_le_bytes)
}

/// The bytes of some words, so many as there are wanted.
pub(crate) fn bytes_of_words(words: impl Iterator<Item = u64>, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len.next_multiple_of(WORD));
    bytes.extend(words.flat_map(u64::to_le_bytes));
    bytes.truncate(len);
    bytes
}

/// A value that comes word by word.
pub(crate) struct Draft<T: CheckedBitPattern>(MaybeUninit<T::Bits>);

impl<T: CheckedBitPattern> Draft<T> {
    /// A draft of the words, of which there are as many as a `T` takes; what is missing is zero.
    #[inline]
    pub(crate) fn of(words: impl Iterator<Item = u64>) -> Self {
        let mut bits = MaybeUninit::<T::Bits>::zeroed();
        let start: *mut u8 = bits.as_mut_ptr().cast();
        for (idx, word) in words.take(n_words::<T>()).enumerate() {
            let at = idx * WORD;
            let len = WORD.min(size_of::<T>() - at);
            // SAFETY: below the number of words of `T`, so `at` is below its length.
            let place = unsafe { start.add(at) };
            // SAFETY: `len` bytes of a word, to where at least as many are left of the private copy.
            unsafe { ptr::copy_nonoverlapping(word.to_le_bytes().as_ptr(), place, len) };
        }
        Self(bits)
    }

    /// The value, if the bits are one.
    #[inline]
    pub(crate) fn check(self) -> Option<T> {
        const { assert!(size_of::<T>() == size_of::<T::Bits>(), "bits are laid out as the value") };
        // SAFETY: all of its bytes were written, if only with zeros, and any bytes are a `Bits`.
        let bits = unsafe { self.0.assume_init() };
        if !T::is_valid_bit_pattern(&bits) {
            return None;
        }
        // SAFETY: a `Bits` with a valid pattern is a valid `T`, of the same layout; both are `Copy`.
        Some(unsafe { ptr::from_ref(&bits).cast::<T>().read() })
    }
}
