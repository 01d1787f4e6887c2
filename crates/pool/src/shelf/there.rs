//! The shelves, as a worker has them.
//!
//! # Safety
//!
//! What is lent out of the shelf of arguments is of the task that the worker is at. Only the parent can
//! write there, and it does not before it has the answer to that task, or this process is dead.
#![expect(unsafe_code, reason = "lends bytes of memory that another process writes")]

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::{Mark, Shelf, Slot, part_of};
use crate::sys::{self, SheetView};

/// The shelf of a pool's arguments.
#[derive(Debug)]
pub(crate) enum Arguments {
    /// It is read where it lies.
    Mapped(SheetView),
    /// There is no room in the address space: what lies there is copied.
    Unmapped { sheet: OwnedFd, copy: Vec<u8> },
}

impl Arguments {
    /// Nothing that the tasks do to the descriptors of this process is to harm them, so it is mapped at once.
    pub(crate) fn new(sheet: OwnedFd) -> Self {
        match SheetView::map(&sheet) {
            Ok(view) => Self::Mapped(view),
            Err(_) => Self::Unmapped { sheet, copy: Vec::new() },
        }
    }

    /// The bytes of the argument of the task that this worker is at.
    pub(crate) fn get(&mut self, mark: &[u8]) -> io::Result<&[u8]> {
        let part = part_of(mark).ok_or(io::ErrorKind::InvalidData)?;
        match self {
            Self::Mapped(view) => {
                // SAFETY: the parent does not write there before the task is answered (see above), and
                // nothing is answered while its argument is borrowed.
                let bytes = unsafe { view.read(part) };
                bytes.ok_or_else(|| io::ErrorKind::InvalidData.into())
            }
            Self::Unmapped { sheet, copy } => {
                sys::copy_out(sheet, &part, copy)?;
                Ok(copy)
            }
        }
    }
}

/// The shelf of a worker's results, and what lies there.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// None if there can be none.
    shelf: Option<Arc<Shelf>>,
    /// With the tickets of their tasks, which grow.
    away: VecDeque<(u64, Slot)>,
}

impl Results {
    pub(crate) fn new(sheet: OwnedFd) -> Self {
        Self { shelf: Shelf::on(sheet), away: VecDeque::new() }
    }

    /// Puts the result of the task with this ticket there, if there is room. The parent has copied those up
    /// to the ticket `n_copied`.
    pub(crate) fn put(&mut self, ticket: u64, bytes: &[u8], n_copied: u64) -> Option<Mark> {
        while self.away.front().is_some_and(|(ticket, _)| *ticket <= n_copied) {
            self.away.pop_front();
        }
        let slot = self.shelf.as_ref()?.put(bytes)?;
        let mark = *slot.mark();
        self.away.push_back((ticket, slot));
        Some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Results};
    use crate::shelf::{LARGEST_PART, RESULT_BYTES, Shelf, mark};
    use crate::sys::blank_sheet;

    #[test]
    fn result_is_overwritten_only_when_it_was_copied_or_one_after_it() {
        let mut results = Results::new(blank_sheet(RESULT_BYTES).unwrap());
        let large = vec![1; RESULT_BYTES / LARGEST_PART];
        let marks: Vec<_> =
            (2..).map_while(|ticket| results.put(ticket, &large, 0)).take(100).collect();
        assert_eq!(marks.len(), LARGEST_PART);
        assert_eq!(results.put(9, &large, 1), None);
        assert_eq!(results.put(9, &large, 2), Some(marks[0]));
        assert_eq!(results.put(10, &large, 2), None);
        assert_eq!(results.put(11, &large, 4), Some(marks[1]));
        assert_eq!(results.put(12, &large, 4), Some(marks[2]));
    }

    #[test]
    fn without_a_sheet_there_is_no_room() {
        assert_eq!(Results::default().put(2, b"x", 0), None);
    }

    #[test]
    fn arguments_that_cannot_be_mapped_are_copied() {
        let shelf = Shelf::for_arguments().unwrap();
        let sheet = shelf.sheet().try_clone().unwrap();
        let mut arguments = Arguments::Unmapped { sheet, copy: Vec::new() };
        let slots = [b"first".as_slice(), b"the second"].map(|bytes| shelf.put(bytes).unwrap());
        assert_eq!(arguments.get(slots[1].mark()).unwrap(), b"the second");
        assert_eq!(arguments.get(slots[0].mark()).unwrap(), b"first");
        assert!(arguments.get(&mark(1 << 40, 8)).is_err());
    }
}
