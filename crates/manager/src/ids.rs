//! Maps by numbers that were given out one after the other.
//!
//! Nobody chooses them, so nobody can choose them to collide, and mixing their bits once is enough. What
//! strangers choose (keys, names) goes into maps of `std`'s own.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by such numbers.
pub(crate) type IdMap<V> = HashMap<u64, V, BuildHasherDefault<IdHasher>>;

/// Mixes the bits of one number.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHasher(u64);

/// Odd, and with its bits all over the place: the golden ratio's.
const MIXER: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(MIXER);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_row_are_found_and_no_others() {
        let map: IdMap<u64> = (1..1000).map(|id| (id, 2 * id)).collect();
        assert!((1..1000).all(|id| map.get(&id) == Some(&(2 * id))));
        assert_eq!((map.get(&0), map.get(&1000)), (None, None));
    }
}
