//! The sheets of the other end that a line has mapped: a page that is there already costs nothing.
//!
//! A [sheet](crate::spool) that its owner uses again is fixed: its pages stay (see
//! [`memory::fix`](crate::sys::memory::fix)). So it can be mapped once and read through the mapping
//! whenever a message comes in it again. What is kept is memory that the sender has given up at the
//! same limit, or will.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use crate::spool::{MOST_KEPT, MOST_SHEETS};
use crate::sys::memory::{self, Facts, Mapped};

/// The sheets of the other end that are mapped; the one that was used last comes last.
#[derive(Debug, Default)]
pub(crate) struct Sheets {
    /// Never waited for: a forked child may find it locked by a thread that it has not got.
    mapped: Mutex<Vec<Known>>,
}

/// Which file it is, and its bytes.
type Known = ((u64, u64), Arc<Mapped>);

/// A sheet with a message in it. As long as this is there, its sender leaves it alone.
#[derive(Debug)]
pub(crate) struct Sheet {
    file: OwnedFd,
    mapped: Option<Arc<Mapped>>,
}

impl Sheet {
    /// Fills the bytes from the start.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> io::Result<()> {
        match &self.mapped {
            Some(mapped) if mapped.read(bytes) => Ok(()),
            _ => memory::read(self.file.as_fd(), bytes),
        }
    }

    /// Appends so many bytes from the start; there is room for them.
    pub(crate) fn append(&self, bytes: &mut Vec<u8>, len: usize) -> io::Result<()> {
        match &self.mapped {
            Some(mapped) if mapped.append(bytes, len) => Ok(()),
            _ => memory::append(self.file.as_fd(), bytes, len),
        }
    }
}

impl Sheets {
    /// The sheet behind a descriptor, of which that is known.
    pub(crate) fn open(&self, file: OwnedFd, facts: &Facts) -> Sheet {
        let mapped = self.map(file.as_fd(), facts);
        Sheet { file, mapped }
    }

    /// The mapping of a sheet, if it can be mapped and is worth it.
    fn map(&self, file: BorrowedFd<'_>, facts: &Facts) -> Option<Arc<Mapped>> {
        if !facts.is_fixed || facts.len > MOST_KEPT {
            return None;
        }
        let mut mapped = self.mapped.try_lock().ok()?;
        let found = mapped.iter().rposition(|(id, _)| *id == facts.id);
        let sheet = match found {
            Some(place) => mapped.remove(place),
            None => {
                let bytes = Mapped::open(file, usize::try_from(facts.len).ok()?).ok()?;
                (facts.id, Arc::new(bytes))
            }
        };
        let bytes = Arc::clone(&sheet.1);
        mapped.push(sheet);
        // Those that were not used for longest go.
        let mut total = 0_u64;
        let newest = mapped.iter().rev().take(MOST_SHEETS);
        let n_kept = newest.take_while(|(_, bytes)| {
            total = total.saturating_add(bytes.len() as u64);
            total <= MOST_KEPT
        });
        let n_gone = mapped.len() - n_kept.count();
        mapped.drain(..n_gone);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd as _, OwnedFd};

    use super::Sheets;
    use crate::spool::MOST_SHEETS;
    use crate::sys::memory;

    fn file(len: usize, is_fixed: bool) -> OwnedFd {
        let file = memory::create().unwrap();
        memory::write(file.as_fd(), &vec![7; len]).unwrap();
        if is_fixed {
            drop(memory::fix(file.as_fd(), len).unwrap());
        }
        file
    }

    fn is_mapped(sheets: &Sheets, file: &OwnedFd) -> bool {
        let facts = memory::facts(file.as_fd()).unwrap();
        sheets.map(file.as_fd(), &facts).is_some()
    }

    fn lens(sheets: &Sheets) -> Vec<usize> {
        sheets.mapped.lock().unwrap().iter().map(|(_, bytes)| bytes.len()).collect()
    }

    #[test]
    fn only_what_is_fixed_and_not_too_long_is_mapped() {
        let sheets = Sheets::default();
        assert!(!is_mapped(&sheets, &file(10, false)));
        assert!(!is_mapped(&sheets, &file(17 << 20, true)));
        assert!(is_mapped(&sheets, &file(10, true)));
        assert_eq!(lens(&sheets), [10]);
    }

    #[test]
    fn a_fixed_file_with_a_hole_is_not_mapped() {
        let file = memory::create().unwrap();
        memory::write(file.as_fd(), &[7; 10]).unwrap();
        rustix::fs::ftruncate(&file, 1 << 20).unwrap();
        assert!(memory::fix(file.as_fd(), 1 << 20).is_err(), "it has not so many");
        assert!(!is_mapped(&Sheets::default(), &file));
    }

    #[test]
    fn pages_of_a_fixed_file_stay() {
        use rustix::fs::{FallocateFlags, fallocate, ftruncate};
        use rustix::io::Errno;
        let file = file(1 << 20, true);
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        assert_eq!(fallocate(&file, punch, 0, 1 << 20), Err(Errno::PERM));
        assert_eq!(ftruncate(&file, 10), Err(Errno::PERM));
        assert!(memory::write(file.as_fd(), b"x").is_err());
        let stat = rustix::fs::fstat(&file).unwrap();
        assert_eq!((stat.st_size, stat.st_blocks), (1 << 20, 2 << 10));
    }

    #[test]
    fn a_sheet_is_mapped_once_and_not_too_many_are_kept() {
        let sheets = Sheets::default();
        let first = file(4096, true);
        for _ in 0..3 {
            assert!(is_mapped(&sheets, &first));
        }
        assert_eq!(lens(&sheets), [4096]);
        for _ in 0..2 * MOST_SHEETS {
            assert!(is_mapped(&sheets, &file(10, true)));
        }
        assert_eq!(lens(&sheets), [10; MOST_SHEETS]);
        assert!(is_mapped(&sheets, &file(9 << 20, true)));
        assert!(is_mapped(&sheets, &file(9 << 20, true)));
        assert_eq!(lens(&sheets), [9 << 20]);
    }
}
