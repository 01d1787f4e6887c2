//! `View`: a segment of somebody else's, open for reading.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};

use super::Snapshot;
use crate::error::SegmentError;
use crate::header::{self, Contents, Extent, HEADER_LEN, Kind};
use crate::segment::{SegmentId, pid_namespace};
use crate::sys::memory::{self, Sealing};

/// A segment that is only looked at: open for reading, and not mapped.
///
/// # Process death
///
/// A view keeps the memory of a nameless segment from being freed, as any descriptor does. So keep it
/// for as long as it takes to look, and no longer.
///
/// # Examples
///
/// ```
/// use std::fs::File;
/// use std::os::fd::{AsFd, AsRawFd};
/// use ipc_core::inspect::View;
/// use ipc_core::primitive::{AtomicU64, Ordering};
/// use ipc_core::{Kind, Segment};
///
/// const KIND: Kind = Kind::new(*b"counter\0", 1);
///
/// let segment = Segment::create(KIND, 0, 64)?;
/// segment.at::<AtomicU64>(8)?.store(7, Ordering::Relaxed);
///
/// // What another process of this user can do, by the number of this one:
/// let path = format!("/proc/self/fd/{}", segment.as_fd().as_raw_fd());
/// let view = View::open(File::open(path)?)?;
/// assert_eq!(view.kind(), KIND);
/// assert_eq!(view.copy(0, 64)?.at::<AtomicU64>(8)?.load(Ordering::Relaxed), 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct View {
    file: OwnedFd,
    contents: Contents,
    id: SegmentId,
    is_sealed: bool,
}

impl View {
    /// Looks at what may be a segment: checks its header, and reads nothing else.
    ///
    /// The descriptor need be good for reading only. Whoever opened it has seen to it that opening did
    /// no harm: to open a device or a FIFO may.
    ///
    /// # Errors
    ///
    /// As [`Segment::from_fd`](crate::Segment::from_fd), but for the kind and the type, and that it need
    /// neither be sealed nor private: nothing is mapped.
    pub fn open(fd: impl Into<OwnedFd>) -> Result<Self, SegmentError> {
        let file = fd.into();
        let facts = memory::facts(file.as_fd())?;
        if !facts.is_file {
            return Err(SegmentError::NotASegment);
        }
        let mut bytes = [0; HEADER_LEN];
        let count = memory::read_at(file.as_fd(), &mut bytes, 0)?;
        let found = bytes.get(..count).unwrap_or(&bytes);
        let contents = header::read(found, facts.size, pid_namespace()?)?;
        let is_sealed = memory::sealing(file.as_fd())? == Sealing::Sealed;
        let (device, inode) = facts.identity;
        Ok(Self { file, contents, id: SegmentId::new(device, inode), is_sealed })
    }

    /// What lies in it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.contents.kind
    }

    /// The hash of the type of what lies in it.
    #[must_use]
    pub fn type_hash(&self) -> u64 {
        self.contents.type_hash
    }

    /// How long its parts are.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.contents.extent
    }

    /// Which memory it is.
    #[must_use]
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// Whether its size can never change, as that of a nameless segment.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// How many bytes of memory it takes now.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn memory(&self) -> Result<u64, SegmentError> {
        Ok(memory::taken(self.file.as_fd())?)
    }

    /// Copies `len` bytes from `offset` in the body.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] if they do not lie inside the body, or are more than a look is for
    /// ([`Snapshot::MOST`]); [`SegmentError::Truncated`] if the file has shrunk meanwhile.
    pub fn copy(&self, offset: usize, len: usize) -> Result<Snapshot, SegmentError> {
        let body = self.contents.extent.body;
        if offset > body || len > body - offset || len > Snapshot::MOST {
            return Err(SegmentError::OutOfBounds { offset, size: len, len: body });
        }
        // Words keep their alignment if the copy begins where a line does, as the body itself does.
        let start = offset - offset % Snapshot::ALIGNMENT;
        let mut bytes = vec![0; offset - start + len];
        let from = (HEADER_LEN as u64).saturating_add(start as u64);
        let count = read_all(&self.file, &mut bytes, from)?;
        if count < bytes.len() {
            let (expected, found) = (bytes.len() as u64, count as u64);
            return Err(SegmentError::Truncated { expected, found });
        }
        Ok(Snapshot::new(start, body, &bytes))
    }
}

impl fmt::Debug for View {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("View")
            .field("kind", &self.kind())
            .field("extent", &self.extent())
            .field("id", &format_args!("{}", self.id))
            .finish_non_exhaustive()
    }
}

/// Reads until `bytes` are full or the file ends; returns how many were read.
fn read_all(file: &OwnedFd, bytes: &mut [u8], from: u64) -> Result<usize, SegmentError> {
    let mut count = 0;
    while let Some(rest) = bytes.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match memory::read_at(file.as_fd(), rest, from.saturating_add(count as u64))? {
            0 => break,
            n_read => count += n_read,
        }
    }
    Ok(count)
}
