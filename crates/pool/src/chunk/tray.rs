//! The tray: where a worker puts the results of a chunk down, one by one, as they are done.
//!
//! The answer to a chunk is one record, which is sent when all is done. A worker that dies before
//! that has done some items; what came of them is on its tray, a piece of shared memory of which the
//! parent reads when the worker is dead. So they are not lost, and not run again.
//!
//! Its [words](super::words) say how far the worker has come, and how far it may come: what a worker has
//! not begun the parent can take back, for another one that has nothing to do.
//!
//! The parent reads what a process wrote that may have scribbled: it takes no more bytes than there are,
//! and what is not a result is an error of the item when it is decoded.

use ipc_core::primitive::{AtomicU64, join_heavy_fences};
use ipc_core::{Kind, Layout, Segment, SegmentError};

use super::MOST_ANSWER;
use super::words::{Found, WORD, Words};

const KIND: Kind = Kind::new(*b"pl-trays", 1);

/// So many bytes of results fit: as many as an answer to a chunk may have.
pub(crate) const TRAY_BYTES: usize = MOST_ANSWER;

/// The ticket, the progress, the limit, and the bytes as words.
type Line = [AtomicU64; 3 + TRAY_BYTES / WORD];

/// A worker's tray, as the worker has it or as the parent has it.
#[derive(Clone, Debug)]
pub(crate) struct Tray {
    segment: Segment,
}

impl Tray {
    pub(crate) fn new() -> Result<Self, SegmentError> {
        let mut layout = Layout::new();
        let words = layout.one::<Line>();
        debug_assert_eq!(words, 0, "the words begin where the segment does");
        Ok(Self { segment: Segment::create(KIND, 0, layout.size())? })
    }

    /// Opens a tray that came from elsewhere.
    pub(crate) fn open(segment: Segment) -> Result<Self, SegmentError> {
        segment.check(KIND, 0)?;
        segment.at::<Line>(0)?;
        join_heavy_fences();
        Ok(Self { segment })
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Where it lies in memory; `None` never happens.
    #[inline]
    pub(crate) fn words(&self) -> Option<Words<'_>> {
        let [ticket, progress, limit, bytes @ ..] = self.segment.at::<Line>(0).ok()?;
        Some(Words { ticket, progress, limit, bytes })
    }

    /// How many items of the chunk with this ticket the worker has done, and their results; none if it is
    /// at another chunk.
    pub(crate) fn read(&self, ticket: u64) -> Found {
        self.words().map_or_else(Found::default, |words| words.read(ticket))
    }

    /// Takes from the worker what it has not begun of the chunk with this ticket: says how many items it
    /// keeps, of which it may leave the last; `None` if that cannot be done.
    pub(crate) fn revoke(&self, ticket: u64) -> Option<u32> {
        self.words()?.revoke(ticket)
    }
}

#[cfg(test)]
mod tests {
    use ipc_core::primitive::Ordering::Relaxed;
    use ipc_core::wire::Sort;
    use proptest::collection::vec;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::{TRAY_BYTES, Tray};
    use crate::chunk::words::{Found, Row};

    fn found(n_done: u32, bytes: &[u8]) -> Found {
        Found { n_done, row: Row::default(), bytes: bytes.to_vec() }
    }

    proptest! {
        #[test]
        fn results_of_any_lengths_are_read_as_they_were_put(
            numbers in vec(proptest::num::u64::ANY, 0..5),
            lens in vec(0_usize..40, 0..50),
        ) {
            let tray = Tray::new().unwrap();
            let words = tray.words().unwrap();
            words.begin(7);
            let (mut row, mut bytes) = (Row::default(), Vec::new());
            for number in numbers {
                row = row.and(Sort::Signed).unwrap();
                prop_assert!(words.put_word(row, number));
                bytes.extend(number.to_le_bytes());
                let n_done = row.n_words.into();
                prop_assert_eq!(tray.read(7), Found { n_done, row, bytes: bytes.clone() });
            }
            let mut list = Vec::new();
            words.append_row(row, &mut list);
            prop_assert_eq!(list, bytes.clone());
            let mut pieces = Vec::new();
            for (n_done, len) in (u32::from(row.n_words) + 1..).zip(lens) {
                let from = pieces.len();
                pieces.extend((0..len).map(|byte| u8::try_from(byte).unwrap() + 1));
                prop_assert!(words.put(n_done, row, &pieces, from));
                let bytes = [bytes.as_slice(), &pieces].concat();
                prop_assert_eq!(tray.read(7), Found { n_done, row, bytes });
            }
        }
    }

    #[test]
    fn nothing_of_another_chunk_counts() {
        let tray = Tray::new().unwrap();
        let words = tray.words().unwrap();
        assert_eq!(tray.read(5), Found::default(), "none was begun");
        words.begin(5);
        assert!(words.put(1, Row::default(), b"one", 0));
        words.begin(6);
        assert_eq!((tray.read(5), tray.read(6)), (Found::default(), Found::default()));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_what_was_put_stays() {
        let tray = Tray::new().unwrap();
        let words = tray.words().unwrap();
        words.begin(2);
        let mut pieces = vec![3; TRAY_BYTES];
        assert!(words.put(1, Row::default(), &pieces, 0));
        pieces.push(4);
        assert!(!words.put(2, Row::default(), &pieces, TRAY_BYTES));
        pieces.pop();
        assert_eq!(tray.read(2), found(1, &pieces));
        let n_words = u16::try_from(TRAY_BYTES / 8).unwrap();
        assert!(words.put_word(Row { sort: Sort::Char, n_words }, 7));
        assert!(!words.put_word(Row { sort: Sort::Char, n_words: n_words + 1 }, 7));
        assert_eq!(tray.read(2).n_done, n_words.into());
    }

    #[test]
    fn worker_keeps_the_item_that_it_is_at_and_begins_none_behind_it() {
        let tray = Tray::open(Tray::new().unwrap().segment().clone()).unwrap();
        let words = tray.words().unwrap();
        let row = Row::default();
        words.begin(8);
        assert!(words.may_go_on(8, 0));
        assert!(words.put(1, row, b"x", 0) && words.may_go_on(8, 1));
        assert_eq!(tray.revoke(8), Some(2));
        assert!(words.put(2, row, b"xy", 1) && !words.may_go_on(8, 2));
        // It stays so, and is about no other chunk.
        assert_eq!(tray.revoke(9), Some(1));
        words.begin(9);
        assert!(words.put(1, row, b"x", 0) && !words.may_go_on(9, 1) && words.may_go_on(10, 1));
    }

    #[test]
    fn scribbled_progress_is_cut_to_what_there_is() {
        let tray = Tray::new().unwrap();
        let words = tray.words().unwrap();
        words.begin(2);
        words.progress.store(u64::MAX, Relaxed);
        let Found { n_done, row, bytes } = tray.read(2);
        assert_eq!((n_done, row.n_words), (u16::MAX.into(), u16::MAX));
        assert_eq!(bytes.len(), TRAY_BYTES);
        assert!(tray.revoke(2).is_some());
    }
}
