//! A value that is put on a shelf while it is encoded, run by run.

use std::ops::Range;
use std::sync::Arc;

use ipc_core::wire::Sink;

use super::{MOST_RUNS, Shelf, Slot};

/// A value on a shelf that may still grow.
#[derive(Debug)]
pub(crate) struct Growing<'s> {
    shelf: &'s Arc<Shelf>,
    /// None before its first byte.
    slot: Option<Slot>,
    len: usize,
    /// The first of the long runs that it has.
    runs: Vec<Range<usize>>,
}

impl<'s> Growing<'s> {
    /// A value without bytes, which takes no room.
    pub(crate) const fn on(shelf: &'s Arc<Shelf>) -> Self {
        Self { shelf, slot: None, len: 0, runs: Vec::new() }
    }

    /// The value as it is now; none if it has no bytes.
    pub(crate) fn finish(self) -> Option<Slot> {
        let mut slot = self.slot?;
        slot.mark = super::mark(slot.part.start, self.len);
        slot.runs = self.runs;
        Some(slot)
    }
}

impl Sink for Growing<'_> {
    fn put(&mut self, first: &[u8], second: &[u8]) -> bool {
        let middle = self.len.saturating_add(first.len());
        let len = middle.saturating_add(second.len());
        let has_room = match &mut self.slot {
            Some(slot) => slot.part.len() >= len || self.shelf.extend(&mut slot.part, len),
            None => {
                self.slot = self.shelf.take(len);
                self.slot.is_some()
            }
        };
        let Some(slot) = self.slot.as_ref().filter(|_| has_room) else { return false };
        let sheet = &self.shelf.sheet;
        let is_there = sheet.write(slot.part.start + self.len, first)
            && sheet.write(slot.part.start + middle, second);
        if is_there {
            self.len = len;
            if !second.is_empty() && self.runs.len() < MOST_RUNS {
                self.runs.push(middle..len);
            }
        }
        is_there
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.runs.retain(|run| run.end <= len);
    }

    fn take_back(&mut self) -> Vec<u8> {
        let len = std::mem::take(&mut self.len);
        self.runs.clear();
        let slot = self.slot.take();
        slot.map_or_else(Vec::new, |slot| {
            self.shelf.sheet.copy(slot.part.start..slot.part.start + len)
        })
    }
}

#[cfg(test)]
mod tests {
    use ipc_core::wire::Sink as _;

    use super::Growing;
    use crate::shelf::there::Arguments;
    use crate::shelf::{ARGUMENT_BYTES, LARGEST_PART, Shelf};

    #[test]
    fn value_that_grows_is_read_as_it_is_at_last() {
        let shelf = Shelf::for_arguments().unwrap();
        let mut arguments = Arguments::new(shelf.sheet().try_clone().unwrap());
        let mut growing = Growing::on(&shelf);
        let mut expected = Vec::new();
        for n in 0..100 {
            assert!(growing.put(&vec![n; 1000], &vec![n; usize::from(n) * 100]));
            expected.extend(vec![n; 1000 + usize::from(n) * 100]);
        }
        growing.truncate(500_000);
        expected.truncate(500_000);
        let slot = growing.finish().unwrap();
        assert_eq!(slot.len(), 500_000);
        assert!(arguments.get(slot.mark()).unwrap() == expected);
        assert!(Growing::on(&shelf).finish().is_none());
    }

    #[test]
    fn value_that_cannot_grow_is_given_back_as_it_was_and_takes_no_room() {
        let shelf = Shelf::for_arguments().unwrap();
        let mut growing = Growing::on(&shelf);
        assert!(growing.put(b"first", &[1; 5000]));
        let next = shelf.put(&[2; 100]).unwrap();
        assert!(!growing.put(&[3; 5000], b"another one lies behind it"));
        assert_eq!(growing.take_back(), [b"first".as_slice(), &[1; 5000]].concat());
        assert!(growing.take_back().is_empty());
        // Nor is one larger than one value may be.
        let mut growing = Growing::on(&shelf);
        assert!(!growing.put(&vec![4; ARGUMENT_BYTES / LARGEST_PART], b"x"));
        assert!(growing.put(&vec![4; ARGUMENT_BYTES / LARGEST_PART], b""));
        assert!(!growing.put(b"x", b""));
        drop((growing, next));
        let first = shelf.put(&[5]).unwrap();
        assert_eq!(first.part.start, 0);
    }
}
