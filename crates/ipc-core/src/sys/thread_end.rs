//! Being called when the calling thread ends.
//!
//! Unlike a destructor of a thread-local value, that is not called when a thread ends the process by
//! `exit`.
//!
//! # References
//!
//! - POSIX `pthread_key_create`

#![expect(unsafe_code, reason = "libc's thread keys")]

use core::ffi::c_void;
use core::ptr;
use std::sync::OnceLock;

/// Has libc call `at_end` when the calling thread ends; says whether it will: there are but so many keys
/// for a process (`PTHREAD_KEYS_MAX`), and it may take memory.
///
/// Only ever used with one function: the first is called for all.
pub(crate) fn call_at_end(at_end: extern "C" fn(*mut c_void)) -> bool {
    static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();
    let key = match KEY.get() {
        Some(&key) => key,
        None => {
            let Some(made) = make_key(at_end) else { return false };
            let kept = *KEY.get_or_init(|| made);
            if kept != made {
                // SAFETY: another thread was faster, and nobody has seen this one.
                unsafe { libc::pthread_key_delete(made) };
            }
            kept
        }
    };
    // SAFETY: the key was made; what is kept under it is given to the function and followed by
    // nobody.
    unsafe { libc::pthread_setspecific(key, ptr::dangling::<c_void>()) == 0 }
}

fn make_key(at_end: extern "C" fn(*mut c_void)) -> Option<libc::pthread_key_t> {
    let mut key = 0;
    // SAFETY: the key is written to a local variable; the destructor is a safe function.
    let made = unsafe { libc::pthread_key_create(&raw mut key, Some(at_end)) };
    (made == 0).then_some(key)
}
