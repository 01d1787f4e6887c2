//! The hash of a key: words multiplied into each other.
//!
//! The seed is a map's own, and nobody outside knows it, so nobody can send keys that all belong into
//! one slot.

/// The fraction of the golden ratio: bits without a pattern.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash of some words.
#[inline]
pub(super) fn hash(seed: u64, words: impl Iterator<Item = u64>) -> u64 {
    let folded = words.fold(seed, |hash, word| fold(hash ^ word, FACTOR) ^ seed.rotate_left(32));
    fold(folded, FACTOR.rotate_left(32))
}

/// Both halves of a product, in one word.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves of a wide word")]
const fn fold(left: u64, right: u64) -> u64 {
    let product = left as u128 * right as u128;
    product as u64 ^ (product >> 64) as u64
}
