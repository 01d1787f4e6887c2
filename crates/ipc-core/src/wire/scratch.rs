//! Scratch: bytes that are worked on for a moment, short ones on the stack.
//!
//! Most values that travel take a few bytes. Those are never in allocated memory: they are encoded into
//! an array in the caller's frame, or decoded from there. Longer ones go to a vector that the thread
//! keeps for the next of them.

use std::cell::Cell;
use std::fmt;

/// Where the bytes of a value can be written.
///
/// There is a vector, [`Scratch`], and [`Draft`](super::Draft). It is sealed, so that a codec's bytes cannot be
/// lost.
pub trait Buffer: sealed::Sealed {
    /// How many bytes there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a byte.
    fn push(&mut self, byte: u8);

    /// Appends bytes.
    fn push_all(&mut self, bytes: &[u8]);

    /// Keeps the first `len` bytes only, if there are more.
    fn truncate(&mut self, len: usize);
}

/// Bytes for a moment: of a value that was just encoded, or is about to be decoded.
///
/// As many as [`SHORT`](Self::SHORT) need no allocation.
///
/// # Examples
///
/// ```
/// use ipc_core::wire::{self, Scratch};
///
/// let mut scratch = Scratch::new();
/// wire::encode_plain(&("seven", 7_u32), &mut scratch)?;
/// assert_eq!(wire::decode_plain::<(String, u32)>(scratch.bytes())?, ("seven".to_owned(), 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Scratch {
    short: [u8; Self::SHORT],
    /// How many bytes `short` has; or [`IN_LONG`].
    len: usize,
    long: Vec<u8>,
}

/// In place of a length: the bytes are in `long`, which is to be given back to the thread.
const IN_LONG: usize = usize::MAX;

/// So many bytes has the longest number that is not a wide one.
const A_NUMBER: usize = 10;

/// A longer vector is not kept.
const MOST_KEPT: usize = 1 << 20;

thread_local! {
    static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Scratch {
    /// So many bytes are kept on the stack.
    pub const SHORT: usize = 128;

    /// Makes one without bytes.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self { short: [0; Self::SHORT], len: 0, long: Vec::new() }
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.short.get(..self.len).unwrap_or(&self.long)
    }

    /// Makes it `len` bytes, at most [`SHORT`](Self::SHORT), for the caller to write; what is in them
    /// is anything.
    #[inline]
    pub fn short(&mut self, len: usize) -> &mut [u8] {
        self.give_long_back();
        self.len = len.min(Self::SHORT);
        self.short.get_mut(..self.len).unwrap_or_default()
    }

    /// The bytes as a vector, for more than a few of them.
    pub fn long(&mut self) -> &mut Vec<u8> {
        if self.len != IN_LONG {
            // Taken out and put back, so that a value whose own code uses another scratch finds
            // none and makes one.
            self.long = KEPT.try_with(Cell::take).unwrap_or_default();
            self.long.clear();
            self.long.extend_from_slice(self.short.get(..self.len).unwrap_or_default());
            self.len = IN_LONG;
        }
        &mut self.long
    }

    #[inline]
    fn give_long_back(&mut self) {
        if self.len == IN_LONG {
            self.keep_long();
        }
    }

    #[cold]
    fn keep_long(&mut self) {
        self.len = 0;
        let long = std::mem::take(&mut self.long);
        if long.capacity() <= MOST_KEPT {
            KEPT.try_with(|kept| kept.set(long)).ok();
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    #[inline]
    fn drop(&mut self) {
        self.give_long_back();
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Scratch").field(&self.bytes()).finish()
    }
}

impl Buffer for Scratch {
    #[inline]
    fn len(&self) -> usize {
        if self.len == IN_LONG { self.long.len() } else { self.len }
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        match self.short.get_mut(self.len) {
            Some(place) => {
                *place = byte;
                self.len += 1;
            }
            None => self.long().push(byte),
        }
    }

    #[inline]
    fn push_all(&mut self, bytes: &[u8]) {
        if bytes.len() <= A_NUMBER {
            // It was written byte by byte just now, and would not be there yet for a wider copy.
            bytes.iter().for_each(|byte| self.push(*byte));
            return;
        }
        let end = self.len.saturating_add(bytes.len());
        match self.short.get_mut(self.len..end) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len = end;
            }
            None => self.long().extend_from_slice(bytes),
        }
    }

    fn truncate(&mut self, len: usize) {
        if self.len == IN_LONG {
            self.long.truncate(len);
        } else {
            self.len = self.len.min(len);
        }
    }
}

impl Buffer for Vec<u8> {
    #[inline]
    fn len(&self) -> usize {
        Self::len(self)
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        Self::push(self, byte);
    }

    #[inline]
    fn push_all(&mut self, bytes: &[u8]) {
        // A number was put together byte by byte just now. Whoever reads it in larger pieces waits until all
        // of that has come to the cache; whoever reads it as it was written does not.
        if bytes.len() <= size_of::<u64>() {
            let len = Self::len(self) + bytes.len();
            let word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
            self.extend_from_slice(&word.to_le_bytes());
            Self::truncate(self, len);
        } else {
            self.extend_from_slice(bytes);
        }
    }

    fn truncate(&mut self, len: usize) {
        Self::truncate(self, len);
    }
}

pub(super) mod sealed {
    #[expect(unnameable_types, reason = "that is how it seals")]
    pub trait Sealed {}

    impl Sealed for super::Scratch {}
    impl Sealed for Vec<u8> {}
}

#[cfg(test)]
mod tests {
    use super::{Buffer as _, IN_LONG, Scratch};

    /// Appends bytes in pieces of so many, and checks them after each.
    fn fill(piece: usize) {
        let mut scratch = Scratch::new();
        let mut expected: Vec<u8> = Vec::new();
        for number in 0_u8..100 {
            let bytes = vec![number; piece];
            match piece {
                1 => scratch.push(number),
                _ => scratch.push_all(&bytes),
            }
            expected.extend(bytes);
            assert_eq!(scratch.bytes(), expected);
            assert_eq!(scratch.len(), expected.len());
            assert_eq!(scratch.len == IN_LONG, expected.len() > Scratch::SHORT);
        }
        for len in [expected.len() + 1, expected.len(), expected.len() / 2, 0] {
            scratch.truncate(len);
            expected.truncate(len);
            assert_eq!(scratch.bytes(), expected);
        }
        scratch.push_all(b"anew");
        assert_eq!(scratch.bytes(), b"anew");
    }

    #[test]
    fn bytes_are_the_same_on_the_stack_and_behind_it() {
        for piece in [1, 2, 3, 63, 64, 65, 127, 128, 129, 1000] {
            fill(piece);
        }
    }

    #[test]
    fn one_that_is_used_again_has_only_what_is_new() {
        let mut scratch = Scratch::new();
        scratch.push_all(&[1; 500]);
        scratch.short(3).copy_from_slice(b"abc");
        assert_eq!(scratch.bytes(), b"abc");
        assert_eq!(scratch.long(), b"abc");
        assert_eq!(scratch.short(1000).len(), Scratch::SHORT);
    }

    #[test]
    fn what_one_has_in_use_another_does_not_get() {
        let mut outer = Scratch::new();
        outer.push_all(&[1; 500]);
        let mut inner = Scratch::new();
        inner.push_all(&[2; 600]);
        assert_eq!(outer.bytes(), [1; 500]);
        assert_eq!(inner.bytes(), [2; 600]);
        drop(outer);
        let mut next = Scratch::new();
        assert!(next.long().capacity() >= 500, "the thread keeps the memory");
        assert!(next.bytes().is_empty());
    }
}
