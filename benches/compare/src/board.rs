//! Memory that a measuring process shares with the workers it forks.

#![expect(unsafe_code, reason = "references into a mapping")]

use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

use crate::Result;

/// The most workers of a crew.
pub(crate) const LANES: usize = 16;

/// What a crew and whoever measures it tell each other.
#[repr(C)]
pub(crate) struct Board {
    /// How many workers are in place.
    pub(crate) n_ready: AtomicU32,
    /// The workers may begin.
    pub(crate) go: Padded<AtomicBool>,
    /// The workers shall end.
    pub(crate) stop: Padded<AtomicBool>,
    /// What each worker has done.
    pub(crate) lanes: [Padded<AtomicU64>; LANES],
}

/// A word with its cache line, and the one that is fetched with it, to itself.
#[repr(C, align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

/// Types that may begin as zeros in memory which other processes write.
///
/// # Safety
///
/// All zeros must be a value of the type, and it must be made of atomics, or of what is meant by its
/// makers to be shared between processes.
pub(crate) unsafe trait Zeroed: Sync {}

// SAFETY: it is made of atomics.
unsafe impl Zeroed for Board {}
// SAFETY: it is an atomic.
unsafe impl Zeroed for Padded<AtomicU64> {}
// SAFETY: it is an atomic.
unsafe impl Zeroed for Padded<AtomicU32> {}

// SAFETY: it is made of atomics.
unsafe impl<const N: usize> Zeroed for Padded<[AtomicU64; N]> {}

/// Makes a value that lies in memory which forked processes share, and is never freed.
pub(crate) fn share<T: Zeroed>() -> Result<&'static T> {
    let len = NonZeroUsize::new(size_of::<T>()).ok_or("nothing to share")?;
    let place: NonNull<T> = map(len, MapFlags::MAP_SHARED)?.cast();
    // SAFETY: the mapping is page-aligned, as long as a `T`, all zeros, which is a `T` by the duty
    // of the trait, and never unmapped.
    Ok(unsafe { place.as_ref() })
}

/// Maps memory of zeros.
pub(crate) fn map(len: NonZeroUsize, flags: MapFlags) -> Result<NonNull<std::ffi::c_void>> {
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a mapping at an address of the kernel's choosing replaces no other.
    Ok(unsafe { mmap_anonymous(None, len, protection, flags) }?)
}
