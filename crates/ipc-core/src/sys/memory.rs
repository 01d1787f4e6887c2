//! Nameless memory behind a descriptor, and looking at descriptors that others made.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{
    FallocateFlags, FileType, MemfdFlags, Mode, OFlags, SealFlags, fallocate, fcntl_add_seals,
    fcntl_get_seals, fcntl_getfl, fstat, ftruncate, memfd_create,
};
use rustix::io::{Errno, fcntl_dupfd_cloexec, pread, pwrite, retry_on_intr};
use rustix::process::{Resource, getrlimit};

use crate::proc::name_missing_proc;

/// Makes a nameless file in memory: close-on-exec, sealable, never executable where that is known.
///
/// # References
///
/// - Linux `memfd_create(2)`
pub(crate) fn create(label: &str) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(label, flags | MemfdFlags::NOEXEC_SEAL) {
        // Kernels before 6.3 do not know the flag.
        Err(Errno::INVAL) => Ok(memfd_create(label, flags)?),
        made => Ok(made?),
    }
}

/// Gives the file its size, and no memory.
///
/// # References
///
/// - Linux `ftruncate(2)`
pub(crate) fn set_size(file: BorrowedFd<'_>, size: u64) -> io::Result<()> {
    Ok(retry_on_intr(|| ftruncate(file, size))?)
}

/// The greatest size that this process may give a file: a greater one would end the process.
///
/// # References
///
/// - Linux `RLIMIT_FSIZE`, `getrlimit(2)`
pub(crate) fn greatest_size() -> u64 {
    getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)
}

/// An error if this process may not give a file this length: the attempt would end the process.
///
/// # Errors
///
/// `EFBIG`, what a process is told that ignores `SIGXFSZ`.
#[doc(hidden)]
pub fn check_file_len(len: usize) -> io::Result<()> {
    if len as u64 > greatest_size() { Err(Errno::FBIG.into()) } else { Ok(()) }
}

/// Puts memory behind every byte of a part of the file, which grows if need be.
///
/// # References
///
/// - Linux `fallocate(2)`
pub(crate) fn reserve(file: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<()> {
    Ok(retry_on_intr(|| fallocate(file, FallocateFlags::empty(), offset, len))?)
}

/// Takes the memory behind a part of the file away: what is read there is zeros.
///
/// # References
///
/// - Linux `FALLOC_FL_PUNCH_HOLE`, `fallocate(2)`
pub(crate) fn punch(file: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(retry_on_intr(|| fallocate(file, flags, offset, len))?)
}

/// Forbids for all time that the file shrinks, grows, or is sealed any further.
///
/// # References
///
/// - Linux `F_ADD_SEALS`, `fcntl(2)`
pub(crate) fn seal(file: BorrowedFd<'_>) -> io::Result<()> {
    Ok(fcntl_add_seals(file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?)
}

/// What the kernel says about a descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Whether it is a regular file, which memory is too.
    pub(crate) is_file: bool,
    /// The device and the inode: the same for every descriptor of the same memory.
    pub(crate) identity: (u64, u64),
    /// The size in bytes.
    pub(crate) size: u64,
    /// The user the file belongs to.
    pub(crate) owner: u32,
    /// Who may read and write it.
    pub(crate) permissions: u32,
}

/// Asks what a descriptor is.
///
/// # References
///
/// - Linux `fstat(2)`
pub(crate) fn facts(file: BorrowedFd<'_>) -> io::Result<Facts> {
    let stat = fstat(file)?;
    Ok(Facts {
        is_file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
        identity: (stat.st_dev, stat.st_ino),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        owner: stat.st_uid,
        permissions: Mode::from_raw_mode(stat.st_mode).bits(),
    })
}

/// How many bytes of memory are behind a file.
///
/// # References
///
/// - Linux `fstat(2)`
#[cfg(not(ipc_loom))]
pub(crate) fn taken(file: BorrowedFd<'_>) -> io::Result<u64> {
    const BLOCK: u64 = 512;

    Ok(u64::try_from(fstat(file)?.st_blocks).unwrap_or(0).saturating_mul(BLOCK))
}

/// How far a file is protected against a change of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealing {
    /// Nobody can change the size any more.
    Sealed,
    /// Memory whose size can still be changed.
    Open,
    /// Not memory: a file on a disk, a device.
    Unknown,
}

/// Asks for the seals.
///
/// # References
///
/// - Linux `F_GET_SEALS`, `fcntl(2)`
pub(crate) fn sealing(file: BorrowedFd<'_>) -> io::Result<Sealing> {
    match fcntl_get_seals(file) {
        Ok(seals) if seals.contains(SealFlags::SHRINK | SealFlags::GROW) => Ok(Sealing::Sealed),
        Ok(_) => Ok(Sealing::Open),
        Err(Errno::INVAL | Errno::BADF) => Ok(Sealing::Unknown),
        Err(error) => Err(error.into()),
    }
}

/// Whether the descriptor can be read and written.
///
/// # References
///
/// - Linux `F_GETFL`, `fcntl(2)`
pub(crate) fn is_read_write(file: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(fcntl_getfl(file)?.contains(OFlags::RDWR))
}

/// Maps `len` bytes of the file from `offset` on, shared.
///
/// # References
///
/// - Linux `mmap(2)`
pub(crate) fn map(file: &OwnedFd, offset: u64, len: usize) -> io::Result<MmapRaw> {
    MmapOptions::new().offset(offset).len(len).map_raw(file)
}

/// Fills `buffer` from `offset` on; the number of bytes read is less at the file's end.
///
/// # References
///
/// - Linux `pread(2)`
pub(crate) fn read_at(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    Ok(retry_on_intr(|| pread(file, &mut *buffer, offset))?)
}

/// Writes `bytes` at the start of the file; the number of bytes written may be less.
///
/// # References
///
/// - Linux `pwrite(2)`
pub(crate) fn write_start(file: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| pwrite(file, bytes, 0))?)
}

/// A second descriptor of the same thing, close-on-exec.
///
/// # References
///
/// - Linux `F_DUPFD_CLOEXEC`, `fcntl(2)`
pub(crate) fn duplicate(file: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // Never one of the three standard descriptors, even where one of them is closed.
    Ok(fcntl_dupfd_cloexec(file.as_fd(), 3)?)
}

/// The number of the pid namespace that this process lives in.
///
/// # References
///
/// - Linux `pid_namespaces(7)`
pub(crate) fn pid_namespace() -> io::Result<u64> {
    let metadata = fs::metadata("/proc/self/ns/pid").map_err(name_missing_proc)?;
    Ok(metadata.ino())
}

/// How many bytes the machine could still give out, as far as it tells.
///
/// # References
///
/// - Linux `proc_meminfo(5)`
pub(crate) fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    let sum = kib("MemAvailable:")?.saturating_add(kib("SwapFree:").unwrap_or(0));
    Some(sum.saturating_mul(1024))
}
