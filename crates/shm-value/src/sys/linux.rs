//! Files in memory that are sealed against writing.
//!
//! # Safety
//!
//! A [`ReadOnly`] mapping is made of sealed files only: see [`is_frozen`]. A file that is being filled
//! has not left this module.

#![expect(unsafe_code, reason = "maps files, and lends their bytes")]

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use ipc_core::check_file_len;
use memmap2::{Mmap, MmapMut};
use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals,
    memfd_create,
};
use rustix::io::{Errno, retry_on_intr};

/// What nobody can do any more.
const FROZEN: SealFlags =
    SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// Makes a nameless file of so many bytes, lets `fill` write them, and seals it.
///
/// # References
///
/// - Linux `memfd_create(2)`, `fallocate(2)`, `F_ADD_SEALS`
pub(crate) fn create_frozen(size: usize, fill: impl FnOnce(&mut [u8])) -> io::Result<OwnedFd> {
    check_file_len(size)?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = match memfd_create("multiproc frozen", flags | MemfdFlags::NOEXEC_SEAL) {
        // Kernels before 6.3 do not know the flag.
        Err(Errno::INVAL) => memfd_create("multiproc frozen", flags)?,
        made => made?,
    };
    retry_on_intr(|| fallocate(&file, FallocateFlags::empty(), 0, size as u64))?;
    // SAFETY: nobody else has the file, and the mapping ends before this function does.
    let mut mapping = unsafe { MmapMut::map_mut(&file) }?;
    fill(&mut mapping);
    drop(mapping);
    fcntl_add_seals(&file, FROZEN)?;
    Ok(file)
}

/// Whether this is a file in memory that nobody can write, and whose size nobody can change.
///
/// # References
///
/// - Linux `F_GET_SEALS`, `fcntl(2)`
pub(crate) fn is_frozen(file: BorrowedFd<'_>) -> bool {
    let least = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW;
    fcntl_get_seals(file).is_ok_and(|seals| seals.contains(least))
}

/// A mapping of a frozen file.
#[derive(Debug)]
pub(crate) struct ReadOnly(Mmap);

impl ReadOnly {
    /// Maps all of the file.
    ///
    /// # References
    ///
    /// - Linux `mmap(2)`
    pub(crate) fn map(file: &OwnedFd) -> io::Result<Self> {
        if !is_frozen(file.as_fd()) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        // SAFETY: the file is sealed: nobody can write or shorten it.
        Ok(Self(unsafe { Mmap::map(file) }?))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
