//! Memory for messages that are too long for a packet, used again and again.
//!
//! A *sheet* is a file in memory that a message's bytes are written to. What travels is a descriptor
//! that was opened for this message, with a lock of its own on the file ([`Presence`]). The kernel
//! takes the lock away when the last duplicate of that descriptor is closed: by the receiver when it
//! has read the bytes, at its death, or with a message that nobody receives. So a sheet that is not
//! locked is nobody's, and fresh pages need not be made for the next message.
//!
//! The first message is written to a sheet by a call, which makes the pages. If there is a second one
//! that is not longer, the sheet is [fixed](memory::fix): it is mapped here from then on, and may be
//! at the other side, so that a message costs two copies in memory that is there.
//!
//! Sheets are one line's, for whoever received a message may look at the sheet for ever. And they are
//! one process's: a forked child makes its own, so that no two write to one.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Mutex;

use ipc_core::Presence;
use ipc_core::robust::Thread;

use crate::sys::memory::{self, Mapped};

/// How many bytes of memory a line keeps for messages to come, at most.
pub(crate) const MOST_KEPT: u64 = 16 << 20;
/// And in how many sheets: each is a descriptor.
pub(crate) const MOST_SHEETS: usize = 12;

/// The role in a sheet of who travels with it.
const MESSAGE: Range<u32> = 0..1;
/// The role of who keeps it: none that anybody asks for.
const KEEPER: Range<u32> = 1..2;

/// The sheets that a line keeps.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    /// Never waited for: a forked child may find it locked by a thread that it has not got.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The generation of the process whose they are.
    generation: u64,
    /// The one that was used last comes last.
    sheets: Vec<Sheet>,
}

/// A file in memory that messages are written to, one after the other.
#[derive(Debug)]
struct Sheet {
    file: Presence,
    /// How long the longest message in it was.
    len: usize,
    /// Its bytes, if it was fixed.
    mapped: Option<Mapped>,
}

/// Bytes in a sheet, and a descriptor to send them by.
#[derive(Debug)]
pub(crate) struct Written<'s> {
    spool: &'s Spool,
    /// Always there, until it is dropped.
    sheet: Option<Sheet>,
    message: Presence,
}

impl Spool {
    /// Writes a message's bytes to memory.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<Written<'_>> {
        let free = self.with_kept(|kept| kept.take_free(bytes.len())).flatten();
        // If it cannot be written, somebody at the other side has been at it.
        let written = free.and_then(|mut sheet| sheet.write(bytes).is_ok().then_some(sheet));
        let sheet = match written {
            Some(sheet) => sheet,
            None => Sheet::with(bytes)?,
        };
        let message = Presence::enter_file(sheet.file.as_fd(), MESSAGE)?;
        Ok(Written { spool: self, sheet: Some(sheet), message })
    }

    /// Looks at what is kept; `None` if another thread does just now.
    fn with_kept<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> Option<T> {
        let mut kept = self.kept.try_lock().ok()?;
        let generation = Thread::current().generation();
        if kept.generation != generation {
            *kept = Kept { generation, sheets: Vec::new() };
        }
        Some(work(&mut kept))
    }
}

impl Kept {
    /// Takes out a sheet that no message is in: the one that was used last of those that have the
    /// memory, or else one that can get longer.
    fn take_free(&mut self, len: usize) -> Option<Sheet> {
        let fits = |sheet: &Sheet| sheet.len >= len && sheet.is_free();
        let place = self.sheets.iter().rposition(fits);
        // One that is not kept afterwards should not be taken from those that are.
        let may_grow =
            |sheet: &Sheet| len as u64 <= MOST_KEPT && sheet.mapped.is_none() && sheet.is_free();
        let place = place.or_else(|| self.sheets.iter().rposition(may_grow))?;
        Some(self.sheets.remove(place))
    }

    /// Keeps a sheet, if that is not too much memory; those that were not used for longest go.
    fn keep(&mut self, sheet: Sheet) {
        self.sheets.push(sheet);
        let mut total = 0_u64;
        let newest = self.sheets.iter().rev().take(MOST_SHEETS);
        let n_kept = newest.take_while(|sheet| {
            total = total.saturating_add(sheet.len as u64);
            total <= MOST_KEPT
        });
        let n_gone = self.sheets.len() - n_kept.count();
        self.sheets.drain(..n_gone);
    }
}

impl Sheet {
    /// A fresh one with a message's bytes.
    fn with(bytes: &[u8]) -> io::Result<Self> {
        let file = Presence::enter_file(memory::create()?.as_fd(), KEEPER)?;
        memory::write(file.as_fd(), bytes)?;
        Ok(Self { file, len: bytes.len(), mapped: None })
    }

    /// Writes another message's bytes to it, which fit if it was fixed.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > self.len {
            memory::write(self.file.as_fd(), bytes)?;
            self.len = bytes.len();
            return Ok(());
        }
        let mapped = match self.mapped.take() {
            Some(mapped) => mapped,
            None => memory::fix(self.file.as_fd(), self.len)?,
        };
        let is_written = self.mapped.insert(mapped).write(bytes);
        is_written.then_some(()).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn is_free(&self) -> bool {
        matches!(self.file.is_anybody_else(MESSAGE), Ok(false))
    }
}

impl Written<'_> {
    /// What leads to the bytes.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.message.as_fd()
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        if let Some(sheet) = self.sheet.take().filter(|sheet| sheet.len as u64 <= MOST_KEPT) {
            self.spool.with_kept(|kept| kept.keep(sheet));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd as _, OwnedFd};

    use super::{MOST_SHEETS, Spool};
    use crate::sheets::Sheets;
    use crate::sys::memory;

    fn send(spool: &Spool, bytes: &[u8]) -> OwnedFd {
        spool.write(bytes).unwrap().fd().try_clone_to_owned().unwrap()
    }

    fn read(fd: &OwnedFd, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        memory::read(fd.as_fd(), &mut bytes).unwrap();
        bytes
    }

    fn n_kept(spool: &Spool) -> usize {
        spool.kept.lock().unwrap().sheets.len()
    }

    #[test]
    fn a_sheet_is_written_again_only_when_its_message_is_gone() {
        let spool = Spool::default();
        let first = send(&spool, b"first");
        let second = send(&spool, b"second");
        assert_eq!(n_kept(&spool), 2);
        assert_eq!((read(&first, 5), read(&second, 6)), (b"first".to_vec(), b"second".to_vec()));
        let again = first.try_clone().unwrap();
        drop(first);
        let third = send(&spool, b"third");
        assert_eq!(read(&again, 5), b"first", "a duplicate is the message too");
        drop((again, second, third));
        drop(send(&spool, b"fourth"));
        assert_eq!(n_kept(&spool), 3);
    }

    #[test]
    fn a_sheet_is_fixed_by_a_second_message_that_is_not_longer() {
        let spool = Spool::default();
        let is_fixed = |fd: &OwnedFd| memory::facts(fd.as_fd()).unwrap().is_fixed;
        assert!(!is_fixed(&send(&spool, b"first")));
        assert!(!is_fixed(&send(&spool, b"a longer one")));
        let third = send(&spool, b"the third");
        assert!(is_fixed(&third));
        assert_eq!(read(&third, 9), b"the third");
        drop(third);
        let fourth = send(&spool, b"another long");
        assert_eq!((read(&fourth, 12), n_kept(&spool)), (b"another long".to_vec(), 1));
        drop(fourth);
        let fifth = send(&spool, b"one that is longer still");
        assert!(!is_fixed(&fifth), "the first sheet cannot get longer any more");
        assert_eq!(n_kept(&spool), 2);
    }

    #[test]
    fn a_receiver_that_has_mapped_a_sheet_gives_it_back() {
        let (spool, sheets) = (Spool::default(), Sheets::default());
        for _ in 0..5 {
            let fd = send(&spool, &[1; 5000]);
            let facts = memory::facts(fd.as_fd()).unwrap();
            drop(sheets.open(fd, &facts));
        }
        assert_eq!(n_kept(&spool), 1);
    }

    #[test]
    fn a_receiver_that_spoils_a_sheet_costs_a_sheet_and_no_message() {
        let spoil: [fn(&OwnedFd); 3] = [
            |fd| rustix::fs::ftruncate(fd, 0).unwrap(),
            |fd| rustix::fs::fcntl_add_seals(fd, rustix::fs::SealFlags::SEAL).unwrap(),
            |fd| rustix::fs::fcntl_add_seals(fd, rustix::fs::SealFlags::WRITE).unwrap(),
        ];
        for spoil in spoil {
            let spool = Spool::default();
            spoil(&send(&spool, &[1; 5000]));
            for len in [5000, 6000, 4000] {
                let bytes = vec![2; len];
                assert_eq!(read(&send(&spool, &bytes), len), bytes);
            }
        }
    }

    #[test]
    fn not_more_is_kept_than_is_said() {
        let spool = Spool::default();
        let all: Vec<_> = (0..3 * MOST_SHEETS).map(|_| send(&spool, b"x")).collect();
        assert_eq!(n_kept(&spool), MOST_SHEETS);
        drop(all);
        drop(send(&spool, &vec![0; 10 << 20]));
        drop(send(&spool, &vec![0; 17 << 20]));
        let lens: Vec<usize> = spool.kept.lock().unwrap().sheets.iter().map(|s| s.len).collect();
        assert_eq!(lens.iter().max(), Some(&(10 << 20)), "{lens:?}");
    }
}
