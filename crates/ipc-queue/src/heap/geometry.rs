//! Where the blocks of a heap lie: computed from its limit, alike in every process.
//!
//! ```text
//! the room:  | words of class 0 | words of class 1 | … | blocks of class 0 | blocks of class 1 | … |
//! ```
//!
//! Class `k` has blocks of `4096 << k` bytes, and so many of them that the limit in bytes, or the
//! number of messages that there can be, is reached before they are used up. All of this is
//! addresses: there is memory behind those blocks that are in use.

use ipc_core::PAGE;

use super::block::Block;

/// A block of the least class is a page: memory is given and given back in pages.
const LEAST_SHIFT: u32 = PAGE.trailing_zeros();

/// How many classes there are at most: the greatest block has 64 GiB.
pub(crate) const MOST_CLASSES: usize = 25;

/// The longest message that a block can hold.
const LONGEST: u64 = 1 << (LEAST_SHIFT as usize + MOST_CLASSES - 1);

/// The most blocks in a class; a record has so many bits for the index.
pub(crate) const MOST_BLOCKS: u32 = 1 << 20;

/// How many blocks of a class can be in somebody's hands beside those in the queue.
const IN_HANDS: u32 = 1024;

/// So many words of blocks lie on a page, which is how many are begun at a time.
pub(crate) const BLOCKS_BEGUN: u32 = 64;

#[cfg(not(ipc_loom))]
const _: () = assert!(BLOCKS_BEGUN as usize * size_of::<Block>() == PAGE, "a page of words");

/// Great blocks begin at a multiple of this, which suits great pages.
const ALIGNMENT: u64 = 2 << 20;

/// Which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockId {
    pub(crate) class: u8,
    pub(crate) index: u32,
}

/// One class of blocks.
#[derive(Clone, Copy, Debug, Default)]
struct Class {
    n_blocks: u32,
    /// Where the words of the first block lie in the room, and where its bytes do.
    words: u64,
    bytes: u64,
}

/// What lies where in the room of a heap.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    max_bytes: u64,
    n_classes: usize,
    classes: [Class; MOST_CLASSES],
    tables_len: u64,
    room: u64,
}

impl Geometry {
    /// The greatest limit that a heap can have.
    pub(crate) const MOST_BYTES: u64 = 1 << 40;

    /// The heap that is limited to `max_bytes`, at most [`MOST_BYTES`](Self::MOST_BYTES), for a queue
    /// of `n_slots`.
    pub(crate) fn new(max_bytes: u64, n_slots: u32) -> Self {
        let max_bytes = max_bytes - max_bytes % PAGE as u64;
        let mut geometry = Self {
            max_bytes,
            n_classes: 0,
            classes: [Class::default(); MOST_CLASSES],
            tables_len: 0,
            room: 0,
        };
        if max_bytes == 0 {
            return geometry;
        }
        geometry.n_classes = class_of(max_bytes.min(LONGEST)) + 1;
        let most = n_slots.saturating_add(IN_HANDS).min(MOST_BLOCKS);
        let mut end = 0;
        for (class, place) in geometry.classes.iter_mut().enumerate().take(geometry.n_classes) {
            // A message of the class takes more than half of a block.
            let least = if class == 0 { block_len(0) } else { block_len(class - 1) + PAGE as u64 };
            let n_blocks = (max_bytes / least).max(1).min(most.into());
            #[expect(clippy::cast_possible_truncation, reason = "at most `MOST_BLOCKS`")]
            let n_blocks = n_blocks as u32;
            place.n_blocks = n_blocks;
            place.words = end;
            end += u64::from(n_blocks.next_multiple_of(BLOCKS_BEGUN)) * size_of::<Block>() as u64;
        }
        geometry.tables_len = end;
        for (class, place) in geometry.classes.iter_mut().enumerate().take(geometry.n_classes) {
            place.bytes = end.next_multiple_of(block_len(class).min(ALIGNMENT));
            end = place.bytes + u64::from(place.n_blocks) * block_len(class);
        }
        geometry.room = end;
        geometry
    }

    /// How many bytes may have memory at a time.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// The longest message that fits.
    #[inline]
    pub(crate) fn max_message(&self) -> u64 {
        self.max_bytes.min(LONGEST)
    }

    /// How long the room is.
    pub(crate) fn room(&self) -> u64 {
        self.room
    }

    /// How much of the room, from its beginning, the words of all blocks take.
    pub(crate) fn tables_len(&self) -> u64 {
        self.tables_len
    }

    pub(crate) fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// The class whose blocks are long enough for `len` bytes, if there is one.
    #[inline]
    pub(crate) fn class_for(&self, len: u64) -> Option<usize> {
        (len <= self.max_message()).then(|| class_of(len)).filter(|class| *class < self.n_classes)
    }

    #[inline]
    pub(crate) fn n_blocks(&self, class: usize) -> u32 {
        self.classes.get(class).map_or(0, |class| class.n_blocks)
    }

    /// Whether there is such a block: what was read from shared memory may be anything.
    #[inline]
    pub(crate) fn has(&self, id: BlockId) -> bool {
        id.index < self.n_blocks(id.class.into())
    }

    /// Where the words of a block lie in the room.
    #[inline]
    pub(crate) fn words_of(&self, id: BlockId) -> u64 {
        let words = self.classes.get(usize::from(id.class)).map_or(0, |class| class.words);
        words + u64::from(id.index) * size_of::<Block>() as u64
    }

    /// Where the bytes of a class begin in the room, and how long they all are.
    pub(crate) fn bytes_of_class(&self, class: usize) -> (u64, u64) {
        let Some(place) = self.classes.get(class) else { return (0, 0) };
        (place.bytes, u64::from(place.n_blocks) * block_len(class))
    }

    /// Where the bytes of a block lie in the room.
    #[inline]
    pub(crate) fn bytes_of(&self, id: BlockId) -> u64 {
        let (bytes, _) = self.bytes_of_class(id.class.into());
        bytes + u64::from(id.index) * block_len(id.class.into())
    }
}

/// The class whose blocks are the least that hold `len` bytes.
#[inline]
fn class_of(len: u64) -> usize {
    let shift = 64 - len.saturating_sub(1).leading_zeros();
    shift.saturating_sub(LEAST_SHIFT) as usize
}

/// How long the blocks of a class are.
#[inline]
pub(crate) fn block_len(class: usize) -> u64 {
    (PAGE as u64) << class
}

#[cfg(test)]
mod tests {
    use super::{BlockId, Geometry, MOST_BLOCKS, MOST_CLASSES, block_len};

    #[test]
    fn a_message_goes_to_the_least_block_that_holds_it() {
        let geometry = Geometry::new(1 << 30, 16);
        for (len, class) in [(0, 0), (1, 0), (4096, 0), (4097, 1), (8192, 1), (8193, 2)] {
            assert_eq!(geometry.class_for(len), Some(class), "{len}");
        }
        assert_eq!(geometry.class_for(1 << 30), Some(18));
        assert_eq!(geometry.class_for((1 << 30) + 1), None);
        assert_eq!(Geometry::new(1 << 40, 1).max_message(), 1 << 36);
        assert_eq!(Geometry::new(1 << 40, 1).n_classes(), MOST_CLASSES);
        assert_eq!(Geometry::new(10_000, 1).max_message(), 8192);
    }

    #[test]
    fn no_two_things_lie_at_the_same_place() {
        for max_bytes in [0, 4096, 5 << 20, 1 << 30, (1 << 40) - 1, 1 << 40] {
            for n_slots in [1, 1000, 1 << 23] {
                let geometry = Geometry::new(max_bytes, n_slots);
                let mut end = geometry.tables_len();
                let mut words_end = 0;
                for class in 0..geometry.n_classes() {
                    let n_blocks = geometry.n_blocks(class);
                    assert!((1..=MOST_BLOCKS).contains(&n_blocks));
                    let id = |index| BlockId { class: class.try_into().unwrap(), index };
                    assert!(geometry.words_of(id(0)) >= words_end);
                    words_end = geometry.words_of(id(n_blocks));
                    assert!(geometry.bytes_of(id(0)) >= end);
                    end = geometry.bytes_of(id(n_blocks));
                    assert_eq!(geometry.bytes_of(id(0)) % block_len(class).min(2 << 20), 0);
                    assert!(geometry.has(id(n_blocks - 1)) && !geometry.has(id(n_blocks)));
                }
                assert!(words_end <= geometry.tables_len());
                assert_eq!(geometry.room(), end);
                assert!(i64::try_from(end).is_ok());
            }
        }
    }

    #[test]
    fn a_queue_of_few_messages_needs_few_words() {
        assert!(Geometry::new(1 << 30, 16).tables_len() < 2 << 20);
    }
}
