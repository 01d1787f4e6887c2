//! A number for a type, to compare across processes.

use std::any::type_name;

/// A number for `T`: the same in all processes that run the same program.
///
/// It goes into the header of a segment, so that one that was made for values of another type is
/// refused when it is opened. It is made of the type's name, size and alignment. Two builds of a
/// program may disagree about the name; then the segment is refused, which is safe. Two types that
/// agree in all three are taken for one, so this is a guard against mistakes, not against malice:
/// what is read from the segment is checked all the same.
///
/// # Examples
///
/// ```
/// use ipc_core::type_hash;
///
/// assert_eq!(type_hash::<u64>(), type_hash::<u64>());
/// assert_ne!(type_hash::<u64>(), type_hash::<i64>());
/// ```
#[must_use]
pub fn type_hash<T>() -> u64 {
    let mut hash = FNV_START;
    add(&mut hash, type_name::<T>().as_bytes());
    add(&mut hash, &(size_of::<T>() as u64).to_le_bytes());
    add(&mut hash, &(align_of::<T>() as u64).to_le_bytes());
    hash
}

/// The constants of FNV-1a with 64 bits: short, and the same everywhere for ever.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn add(hash: &mut u64, bytes: &[u8]) {
    for byte in bytes {
        *hash = (*hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
    }
}

#[cfg(test)]
mod tests {
    use super::{FNV_START, add};

    #[test]
    fn the_hash_is_the_published_one() {
        let mut hash = FNV_START;
        add(&mut hash, b"foobar");
        assert_eq!(hash, 0x8594_4171_f739_67e8);
    }
}
