//! A piece of a segment at an address, as long as the value lives.
//!
//! A mapping outlives its last handle if the kernel's list of some thread leads through it, because
//! a guard was forgotten: then it stays for ever.
//!
//! # Safety
//!
//! The module turns the start of a mapping into the start of its body and undoes the mapping at most
//! once, in `drop`; no reference to mapped bytes is made here.
#![expect(unsafe_code, reason = "pointer arithmetic inside a mapping, and its end")]

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use memmap2::MmapRaw;

use crate::header::HEADER_LEN;
use crate::sys::memory;

/// Header and body of a segment, or a part of its room, mapped for reading and writing and shared
/// with other processes.
#[derive(Debug)]
pub(crate) struct Mapping {
    raw: ManuallyDrop<MmapRaw>,
}

impl Mapping {
    /// Maps header and body: `size` bytes, of which the file has at least so many.
    pub(crate) fn new(file: &OwnedFd, size: usize) -> io::Result<Self> {
        if size < HEADER_LEN {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Self::part(file, 0, size)
    }

    /// Maps `len` bytes from `offset` on, which the file has.
    pub(crate) fn part(file: &OwnedFd, offset: u64, len: usize) -> io::Result<Self> {
        Ok(Self { raw: ManuallyDrop::new(memory::map(file, offset, len)?) })
    }

    /// Where the mapping begins, and how long it is.
    pub(crate) fn bytes(&self) -> NonNull<[u8]> {
        // SAFETY: a mapping never begins at address zero.
        let start = unsafe { NonNull::new_unchecked(self.raw.as_mut_ptr()) };
        NonNull::slice_from_raw_parts(start, self.raw.len())
    }

    /// Where the body begins, in what [`new`](Self::new) has mapped.
    pub(crate) fn body(&self) -> NonNull<u8> {
        // SAFETY: `new` saw to it that the mapping is at least as long as a header, so the sum is
        // inside it or one past its end.
        let body = unsafe { self.raw.as_mut_ptr().add(HEADER_LEN) };
        // SAFETY: it points into a mapping, or to its end: never to address zero.
        unsafe { NonNull::new_unchecked(body) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let start = self.raw.as_mut_ptr().addr();
        if !is_in_use(start..start + self.raw.len()) {
            // SAFETY: not used again: it is being dropped.
            unsafe { ManuallyDrop::drop(&mut self.raw) };
        }
    }
}

#[cfg(not(ipc_loom))]
use crate::robust::is_any_held_within as is_in_use;

/// The model keeps its words elsewhere.
#[cfg(ipc_loom)]
fn is_in_use(_: std::ops::Range<usize>) -> bool {
    false
}
