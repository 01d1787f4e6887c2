//! `Segment`: a piece of shared memory, nameless unless asked.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::error::SegmentError;
use crate::header::{self, Contents, Extent, HEADER_LEN, Kind};
use crate::mapping::Mapping;
use crate::open_segments;
use crate::per_process::PerProcess;
use crate::sys::memory::{self, Sealing};
use crate::sys::names;

/// Above so many bytes the machine is asked whether it has them before they are taken.
///
/// The kernel hands out memory until it has none left and then kills somebody, so a request that
/// cannot be met must not even begin. Asking takes longer than making a small segment.
const ASK_ABOVE: u64 = 64 << 20;

/// Who may use a segment with a name: its owner, who may read and write it.
const PRIVATE: u32 = 0o600;

/// A piece of memory that several processes can have mapped at the same time.
///
/// It begins with a header that says what lies in it, which whoever opens it checks; what follows,
/// the body, is all zeros at first and belongs to the user. Cloning a handle is cheap and does not
/// clone the memory. A handle can be sent to another process inside any message (see
/// [`wire`](crate::wire)); a process that receives memory that it has mapped already gets a handle
/// to that same mapping.
///
/// Prefer the types of the crates above, which know what to put into it, to a bare segment.
///
/// # Process death
///
/// A nameless segment lives as long as any process has it open, and no longer: the kernel frees it
/// with the last one, however that ends. A named one lives until its name is
/// [taken away](Self::unlink) and the last user is gone.
///
/// # Examples
///
/// ```
/// use ipc_core::{Kind, Segment};
/// use ipc_core::primitive::{AtomicU64, Ordering};
///
/// const KIND: Kind = Kind::new(*b"counter\0", 1);
///
/// let segment = Segment::create(KIND, 0, 4096)?;
/// let counter: &AtomicU64 = segment.at(0)?;
/// assert_eq!(counter.fetch_add(1, Ordering::Relaxed), 0);
///
/// // What another process does with a descriptor that it was sent:
/// let fd = segment.as_fd().try_clone_to_owned()?;
/// let received = Segment::from_fd(fd, KIND, 0)?;
/// assert_eq!(received.id(), segment.id());
/// # use std::os::fd::AsFd;
/// # Ok::<(), ipc_core::SegmentError>(())
/// ```
#[doc(alias = "shared_memory")]
#[doc(alias = "mmap")]
#[derive(Clone)]
pub struct Segment {
    pub(crate) inner: Arc<Inner>,
}

/// What all handles to a segment in this process share.
pub(crate) struct Inner {
    mapping: Mapping,
    /// A copy of what the header said when it was checked; the mapping is as long as the body.
    pub(crate) contents: Contents,
    pub(crate) file: OwnedFd,
    id: SegmentId,
}

/// Which memory a segment is: equal for all handles to the same memory, on the whole machine.
///
/// It is good for comparing as long as any handle lives; later the system may use it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    device: u64,
    inode: u64,
}

impl SegmentId {
    pub(crate) const fn new(device: u64, inode: u64) -> Self {
        Self { device, inode }
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}:{:x}", self.device, self.inode)
    }
}

impl Segment {
    /// Makes a nameless segment with a body of so many bytes, all zero, and perhaps some room.
    ///
    /// The body's memory is there when this returns: using it never fails for lack of space. The
    /// room takes none until some of it is [asked for](Self::back_room).
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`] if the machine does not have so much, or a file may not be so long
    /// (`RLIMIT_FSIZE`), and [`SegmentError::Io`] if the process has too many descriptors or mappings.
    pub fn create(
        kind: Kind,
        type_hash: u64,
        extent: impl Into<Extent>,
    ) -> Result<Self, SegmentError> {
        let contents = Contents { kind, type_hash, extent: extent.into() };
        let file = memory::create(&format!("multiproc {kind}"))?;
        fill(&file, &contents)?;
        memory::seal(file.as_fd())?;
        Self::adopt(file, contents)
    }

    /// Makes a segment with a name, for programs that know each other by nothing else.
    ///
    /// `initialize` gets the segment before it has its name: nobody ever sees it half made. If this
    /// process dies before it has finished, nothing is left behind. The segment is for this user
    /// alone. It stays until somebody calls [`unlink`](Self::unlink), even if nobody uses it.
    ///
    /// Unlike a nameless segment it cannot be sealed: a process of the same user that shortens the
    /// file in `/dev/shm` by hand kills those who use it.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create), and [`SegmentError::BadName`], [`SegmentError::AlreadyExists`].
    pub fn create_named(
        name: &str,
        kind: Kind,
        type_hash: u64,
        extent: impl Into<Extent>,
        initialize: impl FnOnce(&Self),
    ) -> Result<Self, SegmentError> {
        check_name(name)?;
        let contents = Contents { kind, type_hash, extent: extent.into() };
        let folder = names::folder().map_err(|error| refused(error, 0))?;
        let file = names::create_nameless(folder.as_fd()).map_err(|error| refused(error, 0))?;
        fill(&file, &contents)?;
        let segment = Self::adopt(file, contents)?;
        initialize(&segment);
        names::link(segment.as_fd(), folder.as_fd(), name).map_err(|error| refused(error, 0))?;
        Ok(segment)
    }

    /// Opens the segment of that name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], and as [`from_fd`](Self::from_fd).
    pub fn open_named(name: &str, kind: Kind, type_hash: u64) -> Result<Self, SegmentError> {
        check_name(name)?;
        let folder = names::folder().map_err(|error| refused(error, 0))?;
        let file = match names::open(folder.as_fd(), name) {
            Ok(file) => file,
            Err(error) if names::is_not_a_file(&error) => return Err(SegmentError::NotASegment),
            Err(error) => return Err(refused(error, 0)),
        };
        Self::from_fd(file, kind, type_hash)
    }

    /// Takes the name away, so that nobody can open the segment by it any more.
    ///
    /// Those who have it open keep it; the memory is freed with the last of them.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`].
    pub fn unlink(name: &str) -> Result<(), SegmentError> {
        check_name(name)?;
        let folder = names::folder().map_err(|error| refused(error, 0))?;
        names::unlink(folder.as_fd(), name).map_err(|error| refused(error, 0))
    }

    /// Opens the segment behind a descriptor, after checking that it is what was asked for.
    ///
    /// Nothing is mapped before the check. If this process has the same memory mapped already, the
    /// result shares that mapping and the descriptor is closed.
    ///
    /// # Errors
    ///
    /// Each way in which it can be something else has its own variant of [`SegmentError`].
    pub fn from_fd(fd: OwnedFd, kind: Kind, type_hash: u64) -> Result<Self, SegmentError> {
        let segment = Self::from_fd_of_any_kind(fd)?;
        segment.check(kind, type_hash)?;
        Ok(segment)
    }

    /// Opens the segment behind a descriptor, whatever lies in it.
    ///
    /// Use it where the kind is known only later, and [`check`](Self::check) then.
    ///
    /// # Errors
    ///
    /// As [`from_fd`](Self::from_fd), but for the kind and the type.
    pub fn from_fd_of_any_kind(fd: OwnedFd) -> Result<Self, SegmentError> {
        let facts = memory::facts(fd.as_fd())?;
        if !facts.is_file {
            return Err(SegmentError::NotASegment);
        }
        let (device, inode) = facts.identity;
        if let Some(inner) = open_segments::find(SegmentId::new(device, inode)) {
            return Ok(Self { inner });
        }
        match memory::sealing(fd.as_fd())? {
            Sealing::Sealed => {}
            Sealing::Unknown => return Err(SegmentError::NotASegment),
            // Files in memory with a name cannot be sealed. One that only this user could ever open
            // was made by this user, who can harm this process in simpler ways.
            Sealing::Open => {
                if facts.owner != names::effective_user() || facts.permissions != PRIVATE {
                    return Err(SegmentError::NotSealed);
                }
            }
        }
        if !memory::is_read_write(fd.as_fd())? {
            return Err(SegmentError::PermissionDenied);
        }
        let mut bytes = [0; HEADER_LEN];
        let count = memory::read_at(fd.as_fd(), &mut bytes, 0)?;
        let found = bytes.get(..count).unwrap_or(&bytes);
        // The size was asked for before the seals, but if it is sealed it was the last one, and if
        // it is not, the private file is taken at its word.
        let contents = header::read(found, memory::facts(fd.as_fd())?.size, pid_namespace()?)?;
        Self::adopt(fd, contents)
    }

    /// Checks that this is what somebody expects.
    ///
    /// # Errors
    ///
    /// [`SegmentError::WrongKind`], [`SegmentError::WrongKindVersion`] or
    /// [`SegmentError::WrongType`].
    pub fn check(&self, kind: Kind, type_hash: u64) -> Result<(), SegmentError> {
        self.inner.contents.check(kind, type_hash)
    }

    /// The length of the body in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.contents.extent.body
    }

    /// Whether the body has no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What lies in it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.inner.contents.kind
    }

    /// The hash of the type of what lies in it, as its maker gave it.
    #[must_use]
    pub fn type_hash(&self) -> u64 {
        self.inner.contents.type_hash
    }

    /// Which memory this is.
    #[must_use]
    pub fn id(&self) -> SegmentId {
        self.inner.id
    }

    /// Where the body begins in this process, at a multiple of 128.
    ///
    /// The pointer is good for [`len`](Self::len) bytes, for as long as any clone of this handle
    /// lives in this process. Other processes may write there at any time.
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.inner.mapping.body()
    }

    /// Maps memory whose header was written or checked, unless another thread has just done so.
    fn adopt(file: OwnedFd, contents: Contents) -> Result<Self, SegmentError> {
        let (device, inode) = memory::facts(file.as_fd())?.identity;
        let size = contents.mapped_size().ok_or(SegmentError::NoSpace { bytes: u64::MAX })?;
        let mapping = Mapping::new(&file, size).map_err(|error| refused(error, size as u64))?;
        let id = SegmentId::new(device, inode);
        let inner = Arc::new(Inner { mapping, contents, file, id });
        Ok(Self { inner: open_segments::insert(id, inner) })
    }
}

impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.file.as_fd()
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Segment")
            .field("kind", &self.kind())
            .field("len", &self.len())
            .field("id", &format_args!("{}", self.id()))
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        open_segments::forget(self.id);
    }
}

/// Gives a fresh file its size and its header.
fn fill(file: &OwnedFd, contents: &Contents) -> Result<(), SegmentError> {
    const TOO_MUCH: SegmentError = SegmentError::NoSpace { bytes: u64::MAX };
    let size = contents.size().ok_or(TOO_MUCH)?;
    if !contents.extent.is_allowed() {
        return Err(SegmentError::NoSpace { bytes: size });
    }
    if contents.extent.room > 0 {
        memory::set_size(file.as_fd(), size).map_err(|error| refused(error, size))?;
    }
    back(file, 0, contents.mapped_size().ok_or(TOO_MUCH)? as u64)?;
    let header = header::write(contents, pid_namespace()?);
    let written = memory::write_start(file.as_fd(), &header)?;
    // The bytes have their memory, so nothing can cut the write short.
    if written != header.len() {
        return Err(io::Error::from(io::ErrorKind::WriteZero).into());
    }
    Ok(())
}

/// Puts memory behind a part of a file.
pub(crate) fn back(file: &OwnedFd, offset: u64, len: u64) -> Result<(), SegmentError> {
    check_available(len)?;
    memory::reserve(file.as_fd(), offset, len).map_err(|error| refused(error, len))
}

/// Refuses what the machine surely does not have.
pub(crate) fn check_available(len: u64) -> Result<(), SegmentError> {
    if len > ASK_ABOVE && memory::available().is_some_and(|available| len > available) {
        return Err(SegmentError::NoSpace { bytes: len });
    }
    Ok(())
}

/// The pid namespace of this process, asked for once.
pub(crate) fn pid_namespace() -> Result<u64, SegmentError> {
    static NAMESPACE: PerProcess<u64> = PerProcess::new();
    Ok(*NAMESPACE.get_or_try_make(|_| memory::pid_namespace())?)
}

fn check_name(name: &str) -> Result<(), SegmentError> {
    let bad = name.is_empty()
        || name.len() > 255
        || name.contains(['/', '\0'])
        || name.bytes().all(|byte| byte == b'.');
    if bad { Err(SegmentError::BadName) } else { Ok(()) }
}

/// Sorts a refusal of the system into the variants that have a name.
pub(crate) fn refused(error: io::Error, bytes: u64) -> SegmentError {
    match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::OutOfMemory
        | io::ErrorKind::FileTooLarge
        | io::ErrorKind::QuotaExceeded => SegmentError::NoSpace { bytes },
        io::ErrorKind::AlreadyExists => SegmentError::AlreadyExists,
        io::ErrorKind::NotFound => SegmentError::NotFound,
        io::ErrorKind::PermissionDenied => SegmentError::PermissionDenied,
        _ => SegmentError::Io(error),
    }
}
