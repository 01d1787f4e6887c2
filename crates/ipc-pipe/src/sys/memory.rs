//! Files in memory, written and read by calls: nobody can make us touch what is not there.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{MemfdFlags, fcntl_get_seals, fstat, memfd_create};
use rustix::io::{Errno, pread, pwrite, retry_on_intr};

/// Makes a nameless file in memory.
///
/// # References
///
/// - Linux `memfd_create(2)`
pub(crate) fn create() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC;
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

/// Appends so many bytes from the start of the file.
///
/// # References
///
/// - Linux `pread(2)`
pub(crate) fn append(file: BorrowedFd<'_>, bytes: &mut Vec<u8>, len: usize) -> io::Result<()> {
    let start = bytes.len();
    bytes.try_reserve_exact(len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
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

/// How many bytes of memory the file has: `None` if it is no file in memory, but something whose
/// reading might never end.
///
/// A file with holes can claim any length. What its sender really has in memory, we can have too.
///
/// # References
///
/// - Linux `fstat(2)`, `F_GET_SEALS`, `fcntl(2)`
pub(crate) fn size(file: BorrowedFd<'_>) -> Option<u64> {
    // Only files in memory have seals.
    fcntl_get_seals(file).ok()?;
    let stat = fstat(file).ok()?;
    let len = u64::try_from(stat.st_size).ok()?;
    let backed = u64::try_from(stat.st_blocks).ok()?.saturating_mul(BLOCK);
    Some(len.min(backed))
}

/// What `stat` counts room in.
const BLOCK: u64 = 512;
