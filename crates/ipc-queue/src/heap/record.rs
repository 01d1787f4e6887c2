//! What a slot says of its message: how long it is, and where its bytes are.

use super::geometry::BlockId;

const LARGE: u64 = 1 << 63;
const CLASS_SHIFT: u32 = 58;
const INDEX_SHIFT: u32 = 38;
const LEN_MASK: u64 = (1 << INDEX_SHIFT) - 1;

/// A record as it lies in the slot: one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The bytes are in the slot.
    Inline(u64),
    /// The bytes are in a block.
    Large(BlockId, u64),
}

impl Record {
    #[inline]
    pub(crate) fn bits(self) -> u64 {
        match self {
            Self::Inline(len) => len,
            Self::Large(id, len) => {
                let class = u64::from(id.class) << CLASS_SHIFT;
                LARGE | class | u64::from(id.index) << INDEX_SHIFT | len
            }
        }
    }

    /// What the bits say; nothing of it is checked.
    #[inline]
    pub(crate) fn from_bits(bits: u64) -> Self {
        if bits & LARGE == 0 {
            return Self::Inline(bits);
        }
        let class = (bits >> CLASS_SHIFT & 0x1f) as u8;
        let index = (bits >> INDEX_SHIFT & 0xf_ffff) as u32;
        Self::Large(BlockId { class, index }, bits & LEN_MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::Record;
    use crate::heap::geometry::{BlockId, MOST_BLOCKS, MOST_CLASSES};

    #[test]
    fn what_was_written_is_read() {
        let last_class = u8::try_from(MOST_CLASSES - 1).unwrap();
        for class in [0, 7, last_class] {
            for index in [0, 1, MOST_BLOCKS - 1] {
                for len in [0, 5, 1 << 36] {
                    let record = Record::Large(BlockId { class, index }, len);
                    assert_eq!(Record::from_bits(record.bits()), record);
                    assert_eq!(Record::from_bits(Record::Inline(len).bits()), Record::Inline(len));
                }
            }
        }
    }
}
