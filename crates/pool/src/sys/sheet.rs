//! Linux: memory that one process writes and another reads, part by part.
//!
//! # Safety
//!
//! A sheet is mapped as bytes behind a pointer, never as a slice that could be written to meanwhile. It
//! cannot be cut: it is sealed, so that no access ends the process.
#![expect(unsafe_code, reason = "maps memory that another process writes, and copies into such")]

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;

use ipc_core::check_file_len;
use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::buffer::spare_capacity;
use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create,
};
use rustix::io::{Errno, pread, retry_on_intr};
use rustix::mm::madvise;

/// A sheet can neither grow nor be cut.
const FIRM: SealFlags = SealFlags::GROW.union(SealFlags::SHRINK);

/// Makes a file in memory that has this size for ever, and takes no memory before it is written to.
///
/// # References
///
/// - Linux `memfd_create(2)`, `fcntl(2)` with `F_ADD_SEALS`
pub(crate) fn blank_sheet(len: usize) -> io::Result<OwnedFd> {
    check_file_len(len)?;
    let size = u64::try_from(len).map_err(io::Error::other)?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create("multiproc sheet", flags)?;
    retry_on_intr(|| ftruncate(&file, size))?;
    fcntl_add_seals(&file, FIRM)?;
    Ok(file)
}

/// A sheet, as the one process has it that writes on it.
#[derive(Debug)]
pub(crate) struct Sheet {
    file: OwnedFd,
    memory: MmapRaw,
}

impl Sheet {
    /// Maps a sheet that is empty.
    ///
    /// # References
    ///
    /// - POSIX `mmap`
    pub(crate) fn map(file: OwnedFd) -> io::Result<Self> {
        check_firm(&file)?;
        let memory = MmapOptions::new().map_raw(&file)?;
        Ok(Self { file, memory })
    }

    /// Sees to it that nobody can write on it but by mappings that are there already: that is, by this one.
    ///
    /// # References
    ///
    /// - Linux `fcntl(2)` with `F_SEAL_FUTURE_WRITE`, since 5.1
    pub(crate) fn keep_others_from_writing(&self) -> io::Result<()> {
        Ok(fcntl_add_seals(&self.file, SealFlags::FUTURE_WRITE | SealFlags::SEAL)?)
    }

    pub(crate) fn file(&self) -> &OwnedFd {
        &self.file
    }

    pub(crate) fn len(&self) -> usize {
        self.memory.len()
    }

    /// Puts memory behind a part, or says that there is none: without it, to write there would end the process.
    ///
    /// # References
    ///
    /// - Linux `madvise(2)` with `MADV_POPULATE_WRITE`, since 5.14
    pub(crate) fn reserve(&self, part: &Range<usize>) -> io::Result<()> {
        loop {
            match self.memory.advise_range(Advice::PopulateWrite, part.start, part.len()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// Writes bytes at a place; `false` if they do not fit there.
    pub(crate) fn write(&self, at: usize, bytes: &[u8]) -> bool {
        if at.checked_add(bytes.len()).is_none_or(|end| end > self.len()) {
            return false;
        }
        // SAFETY: the place is in the mapping, as was checked.
        let place = unsafe { self.memory.as_mut_ptr().add(at) };
        // SAFETY: so are all bytes behind it, as many as there are. They are of another mapping than these,
        // and this process has no reference to them.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        true
    }

    /// A copy of a part that this process has written; of what is no part, nothing.
    pub(crate) fn copy(&self, part: Range<usize>) -> Vec<u8> {
        let mut bytes = Vec::new();
        if part.start <= part.end && part.end <= self.len() {
            bytes.reserve_exact(part.len());
            // SAFETY: the place is in the mapping, as was checked.
            let place = unsafe { self.memory.as_ptr().add(part.start) };
            // SAFETY: so are all bytes of the part, and there is room for as many.
            unsafe { place.copy_to_nonoverlapping(bytes.as_mut_ptr(), part.len()) };
            // SAFETY: they were just written.
            unsafe { bytes.set_len(part.len()) };
        }
        bytes
    }
}

/// A sheet, as a process has it that reads what the writer has told it of.
#[derive(Debug)]
pub(crate) struct SheetView {
    memory: MmapRaw,
}

impl SheetView {
    /// Maps a sheet on which this process cannot write.
    ///
    /// # References
    ///
    /// - Linux `mmap(2)`, `fcntl(2)` with `F_SEAL_FUTURE_WRITE`
    pub(crate) fn map(file: &OwnedFd) -> io::Result<Self> {
        check_firm(file)?;
        Ok(Self { memory: MmapOptions::new().map_raw_read_only(file)? })
    }

    /// The bytes of a part, if there is such.
    ///
    /// # Safety
    ///
    /// Nobody writes there as long as they are borrowed.
    pub(crate) unsafe fn read(&self, part: Range<usize>) -> Option<&[u8]> {
        if part.start > part.end || part.end > self.memory.len() {
            return None;
        }
        // SAFETY: the place is in the mapping, as was checked.
        let place = unsafe { self.memory.as_ptr().add(part.start) };
        // SAFETY: so are all bytes of the part. They stay mapped as long as we are borrowed, and nobody writes
        // there (duty of the caller).
        Some(unsafe { std::slice::from_raw_parts(place, part.len()) })
    }
}

/// Copies a part of a sheet out, in place of what was in `bytes`. Whoever has the sheet may write there
/// meanwhile: then it is some bytes.
///
/// # References
///
/// - POSIX `pread`
pub(crate) fn copy_out(
    sheet: &OwnedFd,
    part: &Range<usize>,
    bytes: &mut Vec<u8>,
) -> io::Result<()> {
    bytes.clear();
    append_copy(sheet, part, bytes)
}

/// The same, behind what is in `bytes`.
pub(crate) fn append_copy(
    sheet: &OwnedFd,
    part: &Range<usize>,
    bytes: &mut Vec<u8>,
) -> io::Result<()> {
    bytes.try_reserve_exact(part.len()).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    let before = bytes.len();
    let end = before + part.len();
    prepare(bytes, part.len());
    while bytes.len() < end {
        let at = part.start + bytes.len() - before;
        let at = u64::try_from(at).map_err(io::Error::other)?;
        match pread(sheet, spare_capacity(bytes), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(end);
    Ok(())
}

/// From so many bytes on, pages that are missing are got all together.
const MANY: usize = 128 << 10;

/// Has memory put behind the `len` bytes that are to be written next, if they are many: one by one, as each page is
/// written to for the first time, takes longer than to copy what it is for. That it cannot be done harms nobody.
///
/// # References
///
/// - Linux `madvise(2)` with `MADV_POPULATE_WRITE`, since 5.14
fn prepare(bytes: &mut Vec<u8>, len: usize) {
    let room = bytes.spare_capacity_mut();
    if len < MANY || room.len() < len {
        return;
    }
    let start = room.as_mut_ptr();
    // Whole pages only.
    let page = rustix::param::page_size();
    let before = start.addr().next_multiple_of(page) - start.addr();
    let n_bytes = len.saturating_sub(before) / page * page;
    // SAFETY: not behind the end, since it is less than `len` from it.
    let start = unsafe { start.add(before.min(len)) };
    // SAFETY: the pages are of a vector that we have alone, and what is in them does not change.
    let _prepared =
        unsafe { madvise(start.cast(), n_bytes, rustix::mm::Advice::LinuxPopulateWrite) };
}

/// Whether a file has the size that it has for ever.
fn check_firm(file: &OwnedFd) -> io::Result<()> {
    let is_firm = fcntl_get_seals(file)?.contains(FIRM);
    if is_firm && fstat(file)?.st_size > 0 {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
