//! A copy of this process that is not its child but its sibling.
//!
//! The fork server uses it, so that what it starts is a child of the process that asked: that one
//! can wait for it and gets its exit status from the kernel, whatever becomes of the server.
//!
//! libc's `fork` has no such form, so this is the system call itself, made from a process with a
//! single thread, and what libc does around it that matters there is done here:
//!
//! - libc's copy of the thread's id is set by the kernel, at the place that libc named to it;
//! - the kernel is told again of the thread's list of robust mutexes, and of the place to clear at
//!   the thread's end;
//! - libc's locks need no care, because no other thread can hold one.
//!
//! What is not done: functions registered with `pthread_atfork` do not run. In the fork server only
//! code that runs before `main` can have registered any.
//!
//! # Safety
//!
//! The two places in libc's thread record are found by [`Places::find`], which checks that the first
//! holds the thread's id; the record lives as long as the thread.
#![expect(unsafe_code, reason = "a raw clone, and what libc knows about the thread")]

use std::ffi::{c_int, c_long, c_void};
use std::io;
use std::ptr;

use rustix::thread::gettid;

/// Where libc keeps what a copy of the calling thread must set anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    /// libc's copy of the thread's id.
    thread_id: *mut c_int,
    /// What the kernel clears when the thread ends.
    clear_at_end: *mut c_int,
    /// libc's list of robust mutexes, and its size.
    robust_list: (*mut c_void, usize),
}

/// What became of this process: it is now two.
#[derive(Debug)]
pub(crate) enum Copied {
    /// This is the one that called; the other's number.
    Original(u32),
    /// This is the new one.
    Copy,
}

impl Places {
    /// Finds them for the calling thread; `None` if this libc or kernel does not let us.
    pub(crate) fn find() -> Option<Self> {
        let own_id = gettid().as_raw_nonzero().get();
        let mut clear_at_end: *mut c_int = ptr::null_mut();
        // SAFETY: writes an address to the local.
        let result = unsafe { libc::prctl(PR_GET_TID_ADDRESS, &raw mut clear_at_end) };
        if result != 0 || clear_at_end.is_null() {
            return None;
        }
        let thread_id = place_of_id(clear_at_end, own_id)?;
        // SAFETY: libc registered the place with the kernel, or it lies in libc's record; either
        // lives as long as this thread.
        if unsafe { thread_id.read_volatile() } != own_id {
            return None;
        }

        let mut head: *mut c_void = ptr::null_mut();
        let mut size: usize = 0;
        // SAFETY: writes an address and a size to the locals; 0 is the calling thread.
        let result =
            unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut size) };
        if result != 0 {
            return None;
        }
        Some(Self { thread_id, clear_at_end, robust_list: (head, size) })
    }
}

const PR_GET_TID_ADDRESS: c_int = 40;

/// Where libc keeps the id of this thread: glibc names that very place to the kernel, to be cleared.
#[cfg(target_env = "gnu")]
fn place_of_id(clear_at_end: *mut c_int, _own_id: c_int) -> Option<*mut c_int> {
    Some(clear_at_end)
}

/// Where libc keeps the id of this thread: musl names another place, so it is searched for. It is the
/// only word of the thread's record that holds the id.
#[cfg(not(target_env = "gnu"))]
fn place_of_id(_clear_at_end: *mut c_int, own_id: c_int) -> Option<*mut c_int> {
    /// How many words are looked at: less than the record has in every version.
    const SEARCHED: usize = 32;

    // SAFETY: has no conditions.
    let record = unsafe { libc::pthread_self() }.cast::<c_int>();
    let mut found = None;
    for index in 0..SEARCHED {
        let place = record.wrapping_add(index);
        // SAFETY: `pthread_self` is the address of the record here, whose first words these are.
        if unsafe { place.read_volatile() } == own_id && found.replace(place).is_some() {
            return None;
        }
    }
    found
}

/// Makes a copy of this process that is a child of this process's parent, and has its number
/// written to `number`: there it stands before the copy runs.
///
/// # Safety
///
/// This process must have no other thread, `places` must be those of the calling one, and there must
/// be room for an integer at `number` that nobody has a reference to.
///
/// # References
///
/// - Linux `clone(2)` with `CLONE_PARENT` and `CLONE_PARENT_SETTID`
pub(crate) unsafe fn copy_as_sibling(places: Places, number: *mut c_int) -> io::Result<Copied> {
    let flags =
        libc::CLONE_PARENT | libc::CLONE_PARENT_SETTID | libc::CLONE_CHILD_SETTID | libc::SIGCHLD;
    let stack = ptr::null_mut::<c_void>();
    let no_tls: c_long = 0;
    // `clone3` would do as well, but is forbidden in many containers.
    // SAFETY:
    // - Without a stack of its own the copy goes on from here on a copy of ours, as after a fork.
    // - The kernel writes the copy's id to `number` (duty of the caller), and to a place in the copy
    //   that holds just that.
    // - There is no other thread whose locks or half-done work the copy would inherit (duty of the
    //   caller).
    #[cfg(target_arch = "x86_64")]
    let pid = unsafe {
        libc::syscall(libc::SYS_clone, c_long::from(flags), stack, number, places.thread_id, no_tls)
    };
    // SAFETY: as above; here the last two arguments stand the other way round.
    #[cfg(not(target_arch = "x86_64"))]
    let pid = unsafe {
        libc::syscall(libc::SYS_clone, c_long::from(flags), stack, number, no_tls, places.thread_id)
    };
    match u32::try_from(pid) {
        Err(_) => Err(io::Error::last_os_error()),
        Ok(0) => {
            let (head, size) = places.robust_list;
            // SAFETY: the head is libc's own for this thread, and the copy has it at the same place.
            unsafe { libc::syscall(libc::SYS_set_robust_list, head, size) };
            // SAFETY: the place is the one that libc named to the kernel for this thread.
            unsafe { libc::syscall(libc::SYS_set_tid_address, places.clear_at_end) };
            Ok(Copied::Copy)
        }
        Ok(pid) => Ok(Copied::Original(pid)),
    }
}
