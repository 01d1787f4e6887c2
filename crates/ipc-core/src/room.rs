//! A segment's room: memory that is there when it is asked for, and given back.
//!
//! A file in memory can be long and have little: the pages that nobody has asked for take none.
//! The room is such a part of the file, behind the body. It is as long as its maker says, within
//! what a file can be, and nothing of it is mapped or backed at first. Whoever wants to use a part
//! of it *backs* that part, which fails if there is no memory, so that using it never does; and maps
//! a *window* on it. What is in a window is reached by pointers: its user knows who may do what there.

use std::ops::Range;
use std::os::fd::AsFd as _;
use std::ptr::NonNull;

use crate::error::SegmentError;
use crate::mapping::Mapping;
use crate::segment::{Segment, back, check_available, refused};
use crate::sys::memory;

/// So much is backed at a time: the kernel begins anew with what a signal has interrupted.
const PIECE: u64 = 16 << 20;

/// A part of a segment's room, mapped as long as the value lives.
///
/// It may be dropped before or after the segment's handles.
///
/// # Examples
///
/// ```
/// use ipc_core::{Extent, Kind, Segment};
///
/// let extent = Extent { body: 64, room: 1 << 40 };
/// let segment = Segment::create(Kind::new(*b"example\0", 1), 0, extent)?;
/// segment.back_room(1 << 30..(1 << 30) + 4096)?;
/// let window = segment.window(1 << 30, 4096)?;
/// assert_eq!(window.bytes().len(), 4096);
/// # Ok::<(), ipc_core::SegmentError>(())
/// ```
#[derive(Debug)]
pub struct Window {
    mapping: Mapping,
}

impl Window {
    /// Where the window lies in this process, and how long it is.
    ///
    /// The pointer is good as long as the window is not dropped. Other processes may write there at
    /// any time, and so may all who have a window on the same part.
    #[must_use]
    pub fn bytes(&self) -> NonNull<[u8]> {
        self.mapping.bytes()
    }
}

impl Segment {
    /// The length of the room in bytes.
    #[must_use]
    pub fn room_len(&self) -> u64 {
        self.inner.contents.extent.room
    }

    /// Puts memory behind a part of the room, as far as there is none: zeros.
    ///
    /// Whole [pages](crate::PAGE) have memory or have none.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] if it is no part of the room, [`SegmentError::NoSpace`] if the
    /// machine does not have so much. A piece of it may have got its memory all the same.
    pub fn back_room(&self, part: Range<u64>) -> Result<(), SegmentError> {
        let (mut at, end) = self.in_file(&part)?;
        // For all of it, before anything is taken.
        check_available(end - at)?;
        while at < end {
            let len = PIECE.min(end - at);
            back(&self.inner.file, at, len)?;
            at += len;
        }
        Ok(())
    }

    /// Takes the memory behind a part of the room away, and what is in it.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] if it is no part of the room, and [`SegmentError::Io`].
    pub fn give_back_room(&self, part: Range<u64>) -> Result<(), SegmentError> {
        let (at, end) = self.in_file(&part)?;
        if at < end {
            let file = self.inner.file.as_fd();
            memory::punch(file, at, end - at).map_err(|error| refused(error, 0))?;
        }
        Ok(())
    }

    /// Maps `len` bytes of the room from `offset` on.
    ///
    /// They need not be backed yet; but who touches what is not may find that there is no memory,
    /// which ends the process.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] if they are no part of the room, and
    /// [`SegmentError::NoSpace`] if the process has no addresses left.
    pub fn window(&self, offset: u64, len: usize) -> Result<Window, SegmentError> {
        let (start, _) = self.in_file(&(offset..offset.saturating_add(len as u64)))?;
        let mapping = Mapping::part(&self.inner.file, start, len)
            .map_err(|error| refused(error, len as u64))?;
        Ok(Window { mapping })
    }

    /// Copies bytes of the room from `offset` on, without mapping them.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] if they are no part of the room, and [`SegmentError::Io`].
    pub fn read_room(&self, offset: u64, bytes: &mut [u8]) -> Result<(), SegmentError> {
        let (mut at, end) = self.in_file(&(offset..offset.saturating_add(bytes.len() as u64)))?;
        let mut rest = bytes;
        while at < end {
            let count = memory::read_at(self.inner.file.as_fd(), rest, at)?;
            rest = match rest.get_mut(count..) {
                Some(rest) if count > 0 => rest,
                _ => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            };
            at += count as u64;
        }
        Ok(())
    }

    /// Where a part of the room begins and ends in the file.
    fn in_file(&self, part: &Range<u64>) -> Result<(u64, u64), SegmentError> {
        let room = self.room_len();
        let is_inside = part.start <= part.end && part.end <= room;
        match self.inner.contents.room_start() {
            // Both sums are at most the size of the file.
            Some(start) if is_inside => Ok((start + part.start, start + part.end)),
            _ => Err(SegmentError::OutOfBounds {
                offset: usize::try_from(part.start).unwrap_or(usize::MAX),
                size: usize::try_from(part.end.saturating_sub(part.start)).unwrap_or(usize::MAX),
                len: usize::try_from(room).unwrap_or(usize::MAX),
            }),
        }
    }
}
