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
    unsafe { copy(first.as_ptr(), target, first.len()) };
    if !second.is_empty() {
        super::step();
        // SAFETY: `first.len()` is at most the length of the target.
        let rest = unsafe { target.add(first.len()) };
        // SAFETY: the rest of the target that the caller vouches for.
        unsafe { copy(second.as_ptr(), rest, second.len()) };
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
    unsafe { copy(source, target, len) };
}

/// Copies bytes. A few of them take two moves that overlap, which are done before a call would be.
///
/// # Safety
///
/// The `len` bytes from `source` on can be read and those from `target` on written, and they do not
/// overlap.
#[inline]
unsafe fn copy(source: *const u8, target: *mut u8, len: usize) {
    match len {
        8..=16 => {
            // SAFETY: there are as many bytes, and the ranges are the caller's.
            unsafe { copy_ends::<8>(source, target, len) };
        }
        4..8 => {
            // SAFETY: as above.
            unsafe { copy_ends::<4>(source, target, len) };
        }
        1..4 => {
            // SAFETY: as above.
            unsafe { copy_ends::<1>(source, target, len) };
            // SAFETY: the byte in the middle, or one of the others again.
            let source = unsafe { source.add(len / 2) };
            // SAFETY: as above.
            let target = unsafe { target.add(len / 2) };
            // SAFETY: as above.
            unsafe { copy_ends::<1>(source, target, 1) };
        }
        _ => {
            // SAFETY: the caller vouches for both ranges.
            unsafe { core::ptr::copy_nonoverlapping(source, target, len) };
        }
    }
}

/// Copies the first and the last `N` bytes of `len`, which are not fewer.
///
/// # Safety
///
/// As [`copy`], and `len` is at least `N`.
#[inline]
unsafe fn copy_ends<const N: usize>(source: *const u8, target: *mut u8, len: usize) {
    // SAFETY: the caller vouches for the range; an array of bytes may lie anywhere.
    let first: [u8; N] = unsafe { source.cast::<[u8; N]>().read() };
    // SAFETY: as above.
    let end = unsafe { source.add(len - N) };
    // SAFETY: the last `N` bytes of the range.
    let last: [u8; N] = unsafe { end.cast::<[u8; N]>().read() };
    // SAFETY: the caller vouches for the range.
    unsafe { target.cast::<[u8; N]>().write(first) };
    // SAFETY: as above.
    let end = unsafe { target.add(len - N) };
    // SAFETY: the last `N` bytes of the range.
    unsafe { end.cast::<[u8; N]>().write(last) };
}

/// Where a copy is cut in two: nowhere, but in the crash world.
#[inline]
fn halfway(len: usize) -> usize {
    if cfg!(ipc_crash) { len / 2 } else { len }
}

#[cfg(test)]
mod tests {
    use super::{copy_in, copy_out};

    #[test]
    fn copies_of_every_length_write_all_bytes_and_no_others() {
        let source: Vec<u8> = (1..=100).collect();
        for len in 0..=source.len() {
            let (mut there, mut back) = ([0; 101], [0; 101]);
            // SAFETY: it is longer than the bytes.
            unsafe { copy_in(there.as_mut_ptr(), &source[..len]) };
            assert_eq!(there[..len], source[..len]);
            assert!(there[len..].iter().all(|byte| *byte == 0), "{len}");
            // SAFETY: both are longer than that.
            unsafe { copy_out(there.as_ptr(), back.as_mut_ptr(), len) };
            assert_eq!(back, there);
        }
    }
}
