//! Fences of unequal weight: free where news is brought, dear where somebody goes to sleep.
//!
//! Two threads that each write one word and then look at the other's need a full fence between the
//! two, both of them, or each may miss what the other wrote. If one side comes a million times as often
//! as the other, the seldom one can pay for both: it makes the system put a full fence into whatever
//! the others are doing at that moment.
//!
//! | before | behind | of two such threads |
//! |--------|--------|---------------------|
//! | light  | heavy  | one sees what the other wrote |
//! | heavy  | heavy  | one sees what the other wrote |
//! | light  | light  | both may miss it |
//!
//! The light one is no instruction at all in a process that has [joined](join_heavy_fences), and a full
//! fence in one that has not. The heavy one is a system call, and the longer the more of the other
//! processors run somebody who has joined: it interrupts them.
//!
//! # References
//!
//! - P1202, "Asymmetric fences", of the C++ committee; Linux `membarrier(2)`

#[cfg(not(ipc_loom))]
use super::{Ordering::SeqCst, compiler_fence, fence};

/// Whether this process has joined: it is so in a forked child, too, and stays so.
#[cfg(not(ipc_loom))]
#[expect(clippy::disallowed_types, reason = "it never leaves the process")]
static JOINED: core::sync::atomic::AtomicBool = core::sync::atomic::AtomicBool::new(false);

/// Makes [light fences](fence_light) light in this process, if the system lets it.
///
/// In a process that has threads already the first call takes some milliseconds.
#[cfg(not(ipc_loom))]
pub fn join_heavy_fences() {
    use super::Ordering::Relaxed;

    if !JOINED.load(Relaxed) && crate::sys::fence::take_part().is_ok() {
        JOINED.store(true, Relaxed);
    }
}

/// The often-used side's fence.
#[cfg(not(ipc_loom))]
#[inline]
pub fn fence_light() {
    // Whoever reads an old value has a fence too many.
    if JOINED.load(super::Ordering::Relaxed) {
        compiler_fence(SeqCst);
    } else {
        fence(SeqCst);
    }
}

/// The seldom-used side's fence. It is false if the system refuses: then it was one for this thread
/// alone, and may have missed what stands before a light one.
#[cfg(not(ipc_loom))]
#[cold]
#[must_use]
pub fn fence_heavy() -> bool {
    super::step();
    fence(SeqCst);
    crate::sys::fence::everywhere().is_ok()
}

/// Whether the system grants [heavy fences](fence_heavy) now.
#[cfg(not(ipc_loom))]
#[must_use]
pub fn are_fences_granted() -> bool {
    crate::sys::fence::everywhere().is_ok()
}

/// The model's fences are all full ones.
#[cfg(ipc_loom)]
pub fn join_heavy_fences() {}

/// They always are in the model.
#[cfg(ipc_loom)]
#[must_use]
pub fn are_fences_granted() -> bool {
    true
}

/// The often-used side's fence, which is a full one in the model.
#[cfg(ipc_loom)]
pub fn fence_light() {
    super::fence(super::Ordering::SeqCst);
}

/// The seldom-used side's fence, which is a full one in the model, and no system call.
#[cfg(ipc_loom)]
#[must_use]
pub fn fence_heavy() -> bool {
    super::fence(super::Ordering::SeqCst);
    true
}
