//! Files in memory: written and read by calls, or through mappings once their pages are there to stay.
//!
//! A call cannot make us touch what is not there. A mapping could: whoever can shorten the file, or
//! take pages out of it, kills those who look. So a file is mapped only if it was [fixed](fix): sealed
//! by the kernel, for good, against getting shorter and against all writes but those through the
//! mapping of who fixed it; and if it has memory for all its bytes.
//!
//! # Safety
//!
//! Bytes in a mapping are reached by pointers only, inside of its length, never by references: the
//! other side may write them at any time.
#![expect(unsafe_code, reason = "copies bytes into a mapping and out of one")]

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use ipc_core::check_file_len;
use ipc_core::primitive::{copy_in, copy_out};
use memmap2::{MmapOptions, MmapRaw};
use rustix::buffer::spare_capacity;
use rustix::fs::{
    CWD, MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat,
    memfd_create, openat,
};
use rustix::io::{Errno, pread, pwrite, retry_on_intr};

/// Makes a nameless file in memory.
///
/// # References
///
/// - Linux `memfd_create(2)`
pub(crate) fn create() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create("multiproc message", flags | MemfdFlags::NOEXEC_SEAL) {
        // Kernels before 6.3 do not know the flag.
        Err(Errno::INVAL) => Ok(memfd_create("multiproc message", flags)?),
        made => Ok(made?),
    }
}

/// Writes all of the bytes to the start of the file.
///
/// # References
///
/// - Linux `pwrite(2)`
pub(crate) fn write(file: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    check_file_len(bytes.len())?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = (bytes.len() - rest.len()) as u64;
        let count = retry_on_intr(|| pwrite(file, rest, at))?;
        rest = match rest.get(count..) {
            Some(rest) if count > 0 => rest,
            _ => return Err(io::ErrorKind::WriteZero.into()),
        };
    }
    Ok(())
}

/// Fills the bytes from the start of the file.
///
/// # References
///
/// - Linux `pread(2)`
pub(crate) fn read(file: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<()> {
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match retry_on_intr(|| pread(file, &mut *rest, at as u64))? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => at += count,
        }
    }
    Ok(())
}

/// Appends so many bytes from the start of the file; there is room for them.
///
/// # References
///
/// - Linux `pread(2)`
pub(crate) fn append(file: BorrowedFd<'_>, bytes: &mut Vec<u8>, len: usize) -> io::Result<()> {
    let start = bytes.len();
    while bytes.len() - start < len {
        let at = (bytes.len() - start) as u64;
        if retry_on_intr(|| pread(file, spare_capacity(bytes), at))? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    // The room may have been more than was asked for, and so the file.
    bytes.truncate(start + len);
    Ok(())
}

/// What there is to know of a file in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Which it is: its device and its number there, which no other file has as long as this one is open
    /// or mapped by anybody.
    pub(crate) id: (u64, u64),
    /// How many bytes it really has in memory: a file with holes can claim any length.
    pub(crate) len: u64,
    /// Whether it was [fixed](fix), and has all its bytes.
    pub(crate) is_fixed: bool,
}

/// Looks at a file: `None` if it is none in memory, but something whose reading might never end.
///
/// What its sender really has in memory, we can have too.
///
/// # References
///
/// - Linux `fstat(2)`, `F_GET_SEALS`, `fcntl(2)`
pub(crate) fn facts(file: BorrowedFd<'_>) -> Option<Facts> {
    // Only files in memory have seals.
    let seals = fcntl_get_seals(file).ok()?;
    let stat = fstat(file).ok()?;
    let len = u64::try_from(stat.st_size).ok()?;
    let backed = u64::try_from(stat.st_blocks).ok()?.saturating_mul(BLOCK);
    let is_fixed = seals.contains(FIXED) && backed >= len;
    Some(Facts { id: (stat.st_dev, stat.st_ino), len: len.min(backed), is_fixed })
}

/// What `stat` counts room in.
const BLOCK: u64 = 512;

/// No page leaves a file that has these seals: it neither gets shorter nor has holes made into it.
const FIXED: SealFlags = SealFlags::SHRINK.union(SealFlags::FUTURE_WRITE);

/// Maps so many bytes of a file and fixes it: from now on its bytes change through this mapping only,
/// and its pages stay.
///
/// It is an error if the file has not so many: whoever else has it may have been at it before.
///
/// # References
///
/// - Linux `F_SEAL_SHRINK`, `F_SEAL_FUTURE_WRITE`, `fcntl(2)`
pub(crate) fn fix(file: BorrowedFd<'_>, len: usize) -> io::Result<Mapped> {
    let raw = MmapOptions::new().len(len).map_raw(file.as_raw_fd())?;
    fcntl_add_seals(file, FIXED)?;
    match facts(file) {
        Some(facts) if facts.is_fixed && facts.len >= len as u64 => Ok(Mapped { raw }),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Bytes of a file that was [fixed](fix), mapped.
#[derive(Debug)]
pub(crate) struct Mapped {
    raw: MmapRaw,
}

impl Mapped {
    /// Maps so many bytes of a fixed file, which it has, to be read.
    ///
    /// A mapping keeps what it was made by open, and with it the locks of that: so it is made by a
    /// descriptor of its own.
    ///
    /// # References
    ///
    /// - Linux `mmap(2)`, `proc_pid_fd(5)`
    pub(crate) fn open(file: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let path = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let own = retry_on_intr(|| openat(CWD, path.as_str(), flags, Mode::empty()))?;
        Ok(Self { raw: MmapOptions::new().len(len).map_raw_read_only(&own)? })
    }

    pub(crate) fn len(&self) -> usize {
        self.raw.len()
    }

    /// Writes the bytes to the start, of what [`fix`] has mapped; whether they fit.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= self.len();
        if fits {
            // SAFETY: so many bytes are mapped, by `fix` to be written, and no other thread of this
            // process has this mapping as long as it is borrowed mutably.
            unsafe { copy_in(self.raw.as_mut_ptr(), bytes) };
        }
        fits
    }

    /// Fills the bytes from the start, if there are so many; whether there are.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> bool {
        let fits = bytes.len() <= self.len();
        if fits {
            // SAFETY: so many bytes are mapped, and their pages stay. A hostile sender may change them
            // meanwhile: what comes out is checked by whoever decodes it.
            unsafe { copy_out(self.raw.as_ptr(), bytes.as_mut_ptr(), bytes.len()) };
        }
        fits
    }

    /// Appends so many bytes from the start, if there are so many and the room for them; whether so.
    pub(crate) fn append(&self, bytes: &mut Vec<u8>, len: usize) -> bool {
        let Range { start, end } = bytes.len()..bytes.len().saturating_add(len);
        let fits = len <= self.len() && end <= bytes.capacity();
        if fits {
            let target = bytes.spare_capacity_mut().as_mut_ptr();
            // SAFETY: as for `read`; and the room is there.
            unsafe { copy_out(self.raw.as_ptr(), target.cast(), len) };
            // SAFETY: the bytes behind `start` were written just now.
            unsafe { bytes.set_len(start + len) };
        }
        fits
    }
}
