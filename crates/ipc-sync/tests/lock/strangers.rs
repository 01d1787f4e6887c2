//! Processes in other namespaces.

#![expect(unsafe_code, reason = "namespaces and process ids are made by system calls")]

use std::io::Write as _;
use std::{fs, io, mem};

use ipc_sync::Lock;
use testkit::Outcome;

use crate::together::{in_child, passed};

/// A thread id that is given out twice.
const REUSED: i32 = 1000;

/// Where a pid namespace says which id it has given out last.
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";

pub(crate) fn a_reused_id_is_not_the_dead_holder() -> Outcome {
    let lock = Lock::new()?;
    in_child(|| {
        // SAFETY: it takes no pointer, and this process has one thread.
        if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) } != 0 {
            return skip("no pid namespace is to be had", &io::Error::last_os_error());
        }
        // The first child is the namespace's init.
        fork_and_wait(|| {
            if let Err(error) = fs::write(LAST_PID, "100") {
                return skip("process ids cannot be chosen", &error);
            }
            let dies_holding = as_reused(|| {
                mem::forget(lock.lock().unwrap());
                true
            });
            // Neither is the word of the dead its own, nor does it wait for itself.
            let is_told = as_reused(|| {
                let is_free = !lock.is_locked();
                let error = lock.lock().unwrap_err();
                is_free && error.is_owner_died()
            });
            // And it holds it no longer when it has given it back.
            let finds_it_clean = as_reused(|| lock.try_lock().is_ok());
            dies_holding && is_told && finds_it_clean
        })
    });
    passed()
}

/// Says aloud that the machine does not let us look.
fn skip(what: &str, why: &io::Error) -> bool {
    writeln!(io::stderr(), "SKIPPED: {what}: {why}").is_ok()
}

/// Runs `body` in a process whose id, and so the id of its only thread, is the reused one.
fn as_reused(body: impl FnOnce() -> bool) -> bool {
    fs::write(LAST_PID, (REUSED - 1).to_string()).unwrap();
    fork_and_wait(|| {
        // SAFETY: it takes nothing and cannot fail.
        assert_eq!(unsafe { libc::gettid() }, REUSED);
        body()
    })
}

/// Runs `body` in a child, and says whether it was content.
///
/// The test kit's children look for their parent by its id, which has none in a namespace of its
/// children.
fn fork_and_wait(body: impl FnOnce() -> bool) -> bool {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            let is_content = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            // SAFETY: it does not return.
            unsafe { libc::_exit(i32::from(!is_content.unwrap_or(false))) }
        }
        child => {
            let mut status = 0;
            // SAFETY: the status is valid for writing.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            waited == child && status == 0
        }
    }
}
