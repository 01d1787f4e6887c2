//! How long a thread may run at a time, and so how soon it runs when it is woken.
//!
//! # Safety
//!
//! What is unsafe here are two calls that have no safe wrapper.
#![expect(unsafe_code, reason = "raw system calls")]

use core::mem::{MaybeUninit, size_of};

/// Asks the kernel to give the calling thread the processor for a short time at once, in return for
/// which it gets it as soon as it is woken, whoever else is busy.
///
/// This is for threads that sleep nearly always, and it needs no privilege. A kernel that does not know
/// of it, or a sandbox that forbids it, leaves the thread as it is; so does a thread whose policy says
/// itself who runs before whom.
///
/// # References
///
/// - Linux 6.12 `sched_setattr(2)`: `sched_runtime` of a thread under `SCHED_OTHER`
pub(crate) fn shorten() {
    /// The least there is, in nanoseconds.
    const SHORTEST: u64 = 100_000;

    let (Some(mut attributes), this_thread, no_flags) = (attributes(), 0, 0) else { return };
    if [libc::SCHED_OTHER, libc::SCHED_BATCH]
        .map(i32::cast_unsigned)
        .contains(&attributes.sched_policy)
    {
        attributes.sched_runtime = SHORTEST;
        // SAFETY: reads the attributes, which say their own size.
        unsafe {
            libc::syscall(libc::SYS_sched_setattr, this_thread, &raw const attributes, no_flags)
        };
    }
}

/// What the kernel says of the calling thread.
///
/// # References
///
/// - Linux `sched_getattr(2)`
fn attributes() -> Option<libc::sched_attr> {
    let mut attributes = MaybeUninit::<libc::sched_attr>::zeroed();
    let (this_thread, len, no_flags) = (0, size_of::<libc::sched_attr>(), 0);
    // SAFETY: writes at most as much as it is told that there is room for.
    let result = unsafe {
        libc::syscall(libc::SYS_sched_getattr, this_thread, attributes.as_mut_ptr(), len, no_flags)
    };
    // SAFETY: it is all numbers, and was filled with zeros before.
    (result == 0).then(|| unsafe { attributes.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_has_a_short_slice_and_is_otherwise_as_it_was() {
        let before = attributes().unwrap();
        shorten();
        let after = attributes().unwrap();
        let others = |it: &libc::sched_attr| (it.sched_policy, it.sched_nice, it.sched_flags);
        assert_eq!(others(&before), others(&after));
        // An older kernel knows of no slices, and says that they are zero.
        assert!([0, 100_000].contains(&after.sched_runtime), "{}", after.sched_runtime);
    }
}
