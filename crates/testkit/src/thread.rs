//! A thread that dies: it ends without a word, and its process goes on.
//!
//! A thread that returns is looked after: destructors of its thread-local values run, and those of
//! libc's keys. One that dies runs nothing; only the kernel sees its end.

#![expect(unsafe_code, reason = "ends a thread behind libc's back, and waits for one that did")]

use std::{
    os::unix::thread::JoinHandleExt as _,
    panic::{self, AssertUnwindSafe},
    process, ptr, thread,
};

/// A thread that runs a function and then dies.
///
/// A panic in the function ends the process: nobody could be told of it.
#[derive(Debug)]
pub struct Mortal {
    thread: libc::pthread_t,
}

impl Mortal {
    /// Starts one.
    #[must_use = "it is to be waited for"]
    pub fn spawn(body: impl FnOnce() + Send + 'static) -> Self {
        // SAFETY: the function borrows nothing.
        unsafe { Self::spawn_borrowing(body) }
    }

    /// Starts one whose function may borrow.
    ///
    /// # Safety
    ///
    /// The thread is [waited for](Self::wait) before what it borrows ends.
    unsafe fn spawn_borrowing(body: impl FnOnce() + Send) -> Self {
        let live = move || {
            if panic::catch_unwind(AssertUnwindSafe(body)).is_err() {
                process::abort();
            }
            // SAFETY: the call ends this thread and touches nothing else; what is on its stack is
            // never looked at again.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        };
        // SAFETY: the caller's duty.
        let thread = unsafe { thread::Builder::new().spawn_unchecked(live) };
        Self { thread: thread.expect("starting a thread").into_pthread_t() }
    }

    /// Waits until it is dead.
    ///
    /// # Panics
    ///
    /// If libc does not know the thread.
    pub fn wait(self) {
        // SAFETY: the thread has not been joined before, since that takes the value; libc waits
        // for a word that the kernel clears at the end of a thread, however that ends.
        let joined = unsafe { libc::pthread_join(self.thread, ptr::null_mut()) };
        assert_eq!(joined, 0, "joining a thread");
    }
}

/// Runs `body` in a thread of its own, which then dies.
pub fn die_alone(body: impl FnOnce() + Send) {
    // SAFETY: it is waited for right away.
    unsafe { Mortal::spawn_borrowing(body) }.wait();
}
