//! A few bytes: the fewest lie where they are kept, and need no memory of their own.

use std::mem;
use std::ops::Deref;

/// So many lie here: with them it is no larger than a vector.
const MOST_HERE: usize = 15;

/// Bytes of a value that goes through a ring.
#[derive(Debug)]
pub(crate) enum Few {
    Here { len: u8, bytes: [u8; MOST_HERE] },
    There(Vec<u8>),
}

impl Few {
    /// A copy of some bytes.
    pub(crate) fn copy(bytes: &[u8]) -> Self {
        Self::here(bytes).unwrap_or_else(|| Self::There(bytes.to_vec()))
    }

    /// Takes bytes out of a vector: with its memory, if they are many.
    pub(crate) fn take(bytes: &mut Vec<u8>) -> Self {
        Self::here(bytes).unwrap_or_else(|| Self::There(mem::take(bytes)))
    }

    fn here(bytes: &[u8]) -> Option<Self> {
        let mut here = [0; MOST_HERE];
        here.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self::Here { len: u8::try_from(bytes.len()).ok()?, bytes: here })
    }
}

impl From<Vec<u8>> for Few {
    fn from(bytes: Vec<u8>) -> Self {
        Self::There(bytes)
    }
}

impl Deref for Few {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Here { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Self::There(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Few, MOST_HERE};

    #[test]
    fn bytes_are_the_same_wherever_they_lie() {
        assert_eq!(size_of::<Few>(), size_of::<Vec<u8>>());
        for len in [0, 1, MOST_HERE, MOST_HERE + 1, 100] {
            let bytes: Vec<u8> = (1..).take(len).collect();
            assert_eq!(*Few::copy(&bytes), bytes);
            let mut given = bytes.clone();
            let taken = Few::take(&mut given);
            assert_eq!(*taken, bytes);
            assert_eq!(matches!(taken, Few::Here { .. }), len <= MOST_HERE);
            assert_eq!(given.capacity() > 0, (1..=MOST_HERE).contains(&len), "its memory stays");
        }
    }
}
