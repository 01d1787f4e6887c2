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

use ipc_core::wire::Sink;

use super::growing::Growing;
use super::{Lying, Shelf, Slot, part_of};
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

    /// A result that is put there as it is encoded, if it has long runs and there is room.
    ///
    /// `n_copied` says up to which ticket the parent has copied results, or that none may be put there now.
    pub(crate) fn draft<'r>(&'r mut self, n_copied: &'r dyn Fn() -> Option<u64>) -> Drafted<'r> {
        let growing = self.shelf.as_ref().map(Growing::on);
        Drafted { growing, away: &mut self.away, n_copied }
    }
}

/// The result of the task that the worker is at, on its way to the shelf.
pub(crate) struct Drafted<'r> {
    /// None if there is no shelf.
    growing: Option<Growing<'r>>,
    away: &'r mut VecDeque<(u64, Slot)>,
    n_copied: &'r dyn Fn() -> Option<u64>,
}

impl Drafted<'_> {
    /// Appends what is told of the result, which is that of the task with this ticket; `false` if nothing is
    /// there.
    pub(crate) fn finish(self, ticket: u64, told: &mut Vec<u8>) -> bool {
        let Some(slot) = self.growing.and_then(Growing::finish) else { return false };
        Lying::tell(&slot, told);
        self.away.push_back((ticket, slot));
        true
    }
}

impl Sink for Drafted<'_> {
    fn put(&mut self, first: &[u8], second: &[u8]) -> bool {
        let (Some(growing), Some(n_copied)) = (&mut self.growing, (self.n_copied)()) else {
            return false;
        };
        while self.away.front().is_some_and(|(ticket, _)| *ticket <= n_copied) {
            self.away.pop_front();
        }
        growing.put(first, second)
    }

    fn truncate(&mut self, len: usize) {
        if let Some(growing) = &mut self.growing {
            growing.truncate(len);
        }
    }

    fn take_back(&mut self) -> Vec<u8> {
        // Where it may not be put, somebody else may: then nothing is read either, and nobody wants it.
        let growing = self.growing.as_mut().filter(|_| (self.n_copied)().is_some());
        growing.map_or_else(Vec::new, Growing::take_back)
    }
}

#[cfg(test)]
mod tests {
    use ipc_core::wire::{self, Draft, Sink as _};

    use super::{Arguments, Results};
    use crate::shelf::{LARGEST_PART, Lying, RESULT_BYTES, Shelf, mark};
    use crate::sys::blank_sheet;

    /// Puts a result there as it is; what is told of it, if there was room.
    fn put(
        results: &mut Results,
        ticket: u64,
        bytes: &[u8],
        n_copied: Option<u64>,
    ) -> Option<Vec<u8>> {
        let n_copied = || n_copied;
        let mut draft = results.draft(&n_copied);
        let mut told = Vec::new();
        (draft.put(bytes, &[]) && draft.finish(ticket, &mut told)).then_some(told)
    }

    #[test]
    fn result_is_overwritten_only_when_it_was_copied_or_one_after_it() {
        let mut results = Results::new(blank_sheet(RESULT_BYTES).unwrap());
        let large = vec![1; RESULT_BYTES / LARGEST_PART];
        let mut put = |ticket, n_copied| put(&mut results, ticket, &large, Some(n_copied));
        let marks: Vec<_> = (2..).map_while(|ticket| put(ticket, 0)).take(100).collect();
        assert_eq!(marks.len(), LARGEST_PART);
        assert_eq!(put(9, 1), None);
        assert_eq!(put(9, 2).as_ref(), Some(&marks[0]));
        assert_eq!(put(10, 2), None);
        assert_eq!(put(11, 4).as_ref(), Some(&marks[1]));
        assert_eq!(put(12, 4).as_ref(), Some(&marks[2]));
    }

    #[test]
    fn without_a_sheet_there_is_no_room_nor_where_another_may_write() {
        assert_eq!(put(&mut Results::default(), 2, b"x", Some(0)), None);
        let mut results = Results::new(blank_sheet(RESULT_BYTES).unwrap());
        assert_eq!(put(&mut results, 2, b"x", None), None);
    }

    #[test]
    fn long_runs_of_a_result_are_told_of_and_copied_to_their_own_memory() {
        let sheet = blank_sheet(RESULT_BYTES).unwrap();
        let mut results = Results::new(sheet.try_clone().unwrap());
        let n_copied = || Some(0);
        let value = ("ab".repeat(50_000), vec![1_u8; 5_000], "c".repeat(30_000), 7_u8);
        let mut draft = results.draft(&n_copied);
        let mut rest = Vec::new();
        let mut written = Draft::new(&mut rest, Some(&mut draft));
        wire::encode_plain(&value, &mut written).unwrap();
        assert!(written.finish());
        let mut told = Vec::new();
        assert!(draft.finish(2, &mut told));
        let lying = Lying::read(&told).unwrap();
        let lens: Vec<_> = lying.runs.iter().map(ExactSizeIterator::len).collect();
        assert_eq!(lens, [100_000, 30_000]);
        let pieces = lying.copy_out(&sheet).unwrap();
        let arrived: (String, Vec<u8>, String, u8) = wire::decode_pieces(pieces).unwrap();
        assert!(arrived == value);
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
