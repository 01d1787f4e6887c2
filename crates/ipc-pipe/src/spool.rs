//! Memory for messages that are too long for a packet, used again and again.
//!
//! A *sheet* is a file in memory that a message's bytes are written to. What travels is a descriptor
//! that was opened for this message, with a lock of its own on the file ([`Presence`]). The kernel
//! takes the lock away when the last duplicate of that descriptor is closed: by the receiver when it
//! has read the bytes, at its death, or with a message that nobody receives. So a sheet that is not
//! locked is nobody's, and fresh pages need not be made for the next message.
//!
//! Sheets are one line's, for whoever received a message may look at the sheet for ever. And they are
//! one process's: a forked child makes its own, so that no two write to one.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Mutex;

use ipc_core::Presence;
use ipc_core::robust::Thread;

use crate::sys::memory;

/// How many bytes of memory a line keeps for messages to come, at most.
const MOST_KEPT: u64 = 8 << 20;
/// And in how many sheets: each is a descriptor.
const MOST_SHEETS: usize = 8;

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
    len: u64,
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
        let free = self.with_kept(|kept| kept.take_free(bytes.len() as u64)).flatten();
        let mut sheet = match free {
            Some(sheet) => sheet,
            None => Sheet::new()?,
        };
        memory::write(sheet.file.as_fd(), bytes)?;
        sheet.len = sheet.len.max(bytes.len() as u64);
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
    /// memory, or else any.
    fn take_free(&mut self, len: u64) -> Option<Sheet> {
        let fits = |sheet: &Sheet| sheet.len >= len && sheet.is_free();
        let place = self.sheets.iter().rposition(fits);
        // One that is not kept afterwards should not be taken from those that are.
        let may_be_any = len <= MOST_KEPT;
        let place = place.or_else(|| {
            may_be_any.then(|| self.sheets.iter().rposition(Sheet::is_free)).flatten()
        })?;
        Some(self.sheets.remove(place))
    }

    /// Keeps a sheet, if that is not too much memory; those that were not used for longest go.
    fn keep(&mut self, sheet: Sheet) {
        self.sheets.push(sheet);
        let mut total = 0_u64;
        let newest = self.sheets.iter().rev().take(MOST_SHEETS);
        let n_kept = newest.take_while(|sheet| {
            total = total.saturating_add(sheet.len);
            total <= MOST_KEPT
        });
        let n_gone = self.sheets.len() - n_kept.count();
        self.sheets.drain(..n_gone);
    }
}

impl Sheet {
    fn new() -> io::Result<Self> {
        Ok(Self { file: Presence::enter_file(memory::create()?.as_fd(), KEEPER)?, len: 0 })
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
        if let Some(sheet) = self.sheet.take().filter(|sheet| sheet.len <= MOST_KEPT) {
            self.spool.with_kept(|kept| kept.keep(sheet));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd as _, OwnedFd};

    use super::{MOST_SHEETS, Spool};
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
    fn not_more_is_kept_than_is_said() {
        let spool = Spool::default();
        let all: Vec<_> = (0..3 * MOST_SHEETS).map(|_| send(&spool, b"x")).collect();
        assert_eq!(n_kept(&spool), MOST_SHEETS);
        drop(all);
        drop(send(&spool, &vec![0; 5 << 20]));
        drop(send(&spool, &vec![0; 9 << 20]));
        let lens: Vec<u64> = spool.kept.lock().unwrap().sheets.iter().map(|s| s.len).collect();
        assert_eq!(lens.iter().max(), Some(&(5 << 20)), "{lens:?}");
    }
}
