//! Payload bytes on their way into and out of shared memory.
//!
//! They pass through the door so that the crash world can die between two halves of a copy. The
//! words around them (a claimed slot, a held lock) keep honest processes off the bytes; a hostile
//! one may change them under the copy, which is why nothing is read twice and nothing that was
//! read is trusted: what arrives is checked afterwards, in private memory.

#![expect(unsafe_code, reason = "copies between private memory and a mapping, by raw pointers")]

/// Copies private bytes into shared memory.
///
/// # Safety
///
/// The `bytes.len()` bytes from `target` on must be mapped and writable, and no thread of this
/// process may access them during the call.
#[inline]
pub unsafe fn copy_in(target: *mut u8, bytes: &[u8]) {
    let (first, second) = bytes.split_at(halfway(bytes.len()));
    // SAFETY: the caller vouches for the whole target; the source is a slice, and private.
    unsafe { core::ptr::copy_nonoverlapping(first.as_ptr(), target, first.len()) };
    if !second.is_empty() {
        super::step();
        // SAFETY: `first.len()` is at most the length of the target.
        let rest = unsafe { target.add(first.len()) };
        // SAFETY: the rest of the target that the caller vouches for.
        unsafe { core::ptr::copy_nonoverlapping(second.as_ptr(), rest, second.len()) };
    }
}

/// Copies shared bytes into private memory.
///
/// # Safety
///
/// The `len` bytes from `source` on must be mapped, the `len` bytes from `target` on must be
/// writable private memory, and no thread of this process may write either during the call.
#[inline]
pub unsafe fn copy_out(source: *const u8, target: *mut u8, len: usize) {
    super::step();
    // SAFETY: the caller vouches for both ranges; private and shared memory do not overlap.
    unsafe { core::ptr::copy_nonoverlapping(source, target, len) };
}

/// Where a copy is cut in two: nowhere, but in the crash world.
#[inline]
fn halfway(len: usize) -> usize {
    if cfg!(ipc_crash) { len / 2 } else { len }
}
