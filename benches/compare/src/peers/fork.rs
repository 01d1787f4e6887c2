//! `fork` and `waitpid`, and nothing else.

#![expect(unsafe_code, reason = "forks")]

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, madvise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use crate::Result;
use crate::board::map;

/// From the start to the join.
pub(crate) fn start() -> Result {
    // SAFETY: the child ends at once, without touching anything.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            status => Err(format!("the child ended with {status:?}").into()),
        },
        // SAFETY: it returns nowhere.
        ForkResult::Child => unsafe { libc::_exit(0) },
    }
}

const PAGE: usize = 4096;

/// Uses so much memory in small pages until this process ends, as a process with much data does.
pub(crate) fn use_memory(mib: usize) -> Result {
    let Some(len) = NonZeroUsize::new(mib << 20) else { return Ok(()) };
    let place: NonNull<c_void> = map(len, MapFlags::MAP_PRIVATE)?;
    // SAFETY: it is our own mapping of that length; the advice changes nothing of what lies there.
    unsafe { madvise(place, len.get(), MmapAdvise::MADV_NOHUGEPAGE) }?;
    for offset in (0..len.get()).step_by(PAGE) {
        let byte = place.as_ptr().cast::<u8>().wrapping_add(offset);
        // SAFETY: it lies inside of the mapping, which nobody else knows.
        unsafe { byte.write_volatile(1) };
    }
    Ok(())
}
