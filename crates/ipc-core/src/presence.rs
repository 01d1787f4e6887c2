//! `Presence`: to be counted among those who use a segment, by the kernel.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::SegmentError;
use crate::segment::Segment;
use crate::sys::{memory, presence};

/// Counts its holders, in all processes together, among those who play some role in a segment.
///
/// A role is a number that the users of a segment agree on: "may put", say. Whoever has a presence
/// of one role can ask whether there [is anybody else](Self::is_anybody_else) in another. A presence
/// is one descriptor; its duplicates, which other processes get in a message or by a fork, are the
/// same presence, and it ends when the last of them is closed.
///
/// It is a shared lock on an open file of the memory, and on nothing that lies in the memory: so
/// there is no number that could go wrong, and nobody who maps the segment can forge one.
///
/// # Process death
///
/// A process that dies closes its descriptors, so that nobody has to take it off any list. That
/// happens a little after the kernel has marked the words that its threads [held](crate::robust):
/// usually some microseconds, but the memory of the process goes first, and that may take longer.
/// And nobody is woken by it: who waits looks again.
///
/// # Examples
///
/// ```
/// use ipc_core::{Kind, Presence, Segment};
///
/// const KIND: Kind = Kind::new(*b"example\0", 1);
///
/// let segment = Segment::create(KIND, 0, 64)?;
/// let writer = Presence::enter(&segment, 0..1)?;
/// let reader = Presence::enter(&segment, 1..2)?;
/// assert!(reader.is_anybody_else(0..1)?);
/// drop(writer);
/// assert!(!reader.is_anybody_else(0..1)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// - Linux "Open file description locks", `fcntl_locking(2)`
#[doc(alias = "F_OFD_SETLK")]
#[derive(Debug)]
pub struct Presence {
    /// An open file of its own: closing the segment's would end no lock of it.
    file: OwnedFd,
}

impl Presence {
    /// Begins a presence in some roles of a segment.
    ///
    /// # Errors
    ///
    /// If the process has too many descriptors, or there is no `/proc`, or somebody has locked the
    /// segment in a way of their own.
    pub fn enter(segment: &Segment, roles: Range<u32>) -> io::Result<Self> {
        Self::enter_file(segment.as_fd(), roles)
    }

    /// Begins a presence in some roles of a file in memory that is no segment.
    ///
    /// Who is sent the presence can read and write the file by it.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter).
    pub fn enter_file(file: BorrowedFd<'_>, roles: Range<u32>) -> io::Result<Self> {
        let file = presence::reopen(file)?;
        presence::lock_shared(file.as_fd(), &roles)?;
        Ok(Self { file })
    }

    /// Takes over a presence that came from elsewhere, with the segment that it is for.
    ///
    /// # Errors
    ///
    /// As [`Segment::from_fd`], but for the kind and the type, and as [`enter`](Self::enter).
    pub fn receive(fd: OwnedFd, roles: Range<u32>) -> Result<(Segment, Self), SegmentError> {
        if !memory::facts(fd.as_fd())?.is_file {
            return Err(SegmentError::NotASegment);
        }
        // The segment keeps its file as long as it is mapped, so it must not be this one.
        let segment = Segment::from_fd_of_any_kind(presence::reopen(fd.as_fd())?)?;
        // The lock should be there; it does no harm to take it again, and nobody need be trusted.
        presence::lock_shared(fd.as_fd(), &roles)?;
        Ok((segment, Self { file: fd }))
    }

    /// Whether there is another presence in any of `roles`, in whatever process.
    ///
    /// It is a system call of some hundred nanoseconds.
    ///
    /// # Errors
    ///
    /// If the system has no memory to answer.
    pub fn is_anybody_else(&self, roles: Range<u32>) -> io::Result<bool> {
        presence::is_locked_by_others(self.file.as_fd(), &roles)
    }
}

impl AsFd for Presence {
    /// The descriptor, to be sent to another process: see [`serialize_fd`](crate::wire::serialize_fd).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
