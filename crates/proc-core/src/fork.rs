//! `fork`, the plain one.

#![expect(unsafe_code, reason = "offers fork")]

use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::panic;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipc_core::robust::Lent;

use crate::children;
use crate::current;
use crate::error::StartError;
use crate::sys::{files, proc, process};

/// Which of the two processes this is after a [`fork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The one that called it; the number of its new child.
    Parent(u32),
    /// The new one.
    Child,
}

/// Copies this process, if it has a single thread: the call returns twice, in the parent and in the
/// child.
///
/// Prefer [`Process`](crate::Process), which reports panics and exits, and can start a child of a
/// program with threads. What Rust has buffered for the standard output is written first, so that it
/// is not written twice; [hooks](on_fork) run before and after. In the child
/// [`current`](crate::current) and [`parent`](crate::parent) tell whose child it is, and handles to
/// processes are those of a stranger. End the child with `libc::_exit` or [`std::process::abort`]
/// unless it shall do at its end what the parent has registered for its own.
///
/// # Errors
///
/// [`StartError::Threads`] if this process has several threads; [`StartError::Lends`] if the calling
/// thread holds a guard or a loan of a value in shared memory, such as `ipc_sync::MutexGuard`; and what
/// the system says if it has no room for another process.
///
/// # Examples
///
/// ```standalone_crate
/// use proc_core::{ExitStatus, Fork, fork, wait};
///
/// match fork()? {
///     Fork::Child => std::process::exit(7),
///     Fork::Parent(pid) => assert_eq!(wait()?, (pid, ExitStatus::Exited(7))),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// - POSIX `fork`
pub fn fork() -> Result<Fork, StartError> {
    check_copyable()?;
    // SAFETY: this process has one thread, which lends nothing; while that is here, nothing can start another.
    unsafe { fork_with_threads() }.map_err(StartError::system("fork"))
}

/// Copies this process as [`fork`] does, however many threads it has.
///
/// # Errors
///
/// `EAGAIN` or `ENOMEM` if the system has no room for another process.
///
/// # Safety
///
/// The child must not use what guards and loans lend that it inherits from the calling thread, nor the slice
/// of a pool's task in which it was called.
///
/// If this process has several threads, the child has only the calling one, and the others may have
/// held any lock: until it ends or runs another program the child may only do what a signal handler
/// may. The call itself takes memory in the child, which libc allows there in spite of that; with
/// another allocator it may not.
pub unsafe fn fork_with_threads() -> io::Result<Fork> {
    let introduction = current::introduce(None, None, None);
    let own_pidfd = process::open_own_pidfd()?;
    // SAFETY: the duty is the caller's.
    match unsafe { copy() }? {
        Some(pid) => {
            children::add_copy(pid);
            Ok(Fork::Parent(pid))
        }
        None => {
            current::become_child(introduction, own_pidfd);
            current::put_on_badge();
            Ok(Fork::Child)
        }
    }
}

/// Refuses if a copy of this process could not go on safely.
pub(crate) fn check_copyable() -> Result<(), StartError> {
    let count = proc::thread_count().map_err(StartError::system("count its threads"))?;
    match count {
        1 if Lent::is_any() => Err(StartError::Lends),
        1 => Ok(()),
        _ => Err(StartError::Threads { count }),
    }
}

/// Copies this process between the hooks: `None` in the child, its number in the parent.
///
/// # Safety
///
/// As [`fork_with_threads`].
pub(crate) unsafe fn copy() -> io::Result<Option<u32>> {
    let hooks = hooks().clone();
    hooks.iter().rev().for_each(|hooks| run(hooks.before));
    flush_stdout();
    // So that nobody else has it when the copy is made.
    let guard = self::hooks();
    // SAFETY: the duty is the caller's.
    let copied = unsafe { process::fork() };
    drop(guard);
    let is_child = matches!(copied, Ok(None));
    hooks.iter().for_each(|hooks| run(if is_child { hooks.in_child } else { hooks.in_parent }));
    copied
}

/// Functions to call when this process is copied by [`fork`] or [`Start::Fork`](crate::Start::Fork).
///
/// # Examples
///
/// ```
/// use proc_core::{ForkHooks, on_fork};
///
/// fn reopen_the_log() {}
///
/// on_fork(ForkHooks { in_child: Some(reopen_the_log), ..ForkHooks::default() });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ForkHooks {
    /// Called in the parent, before; those that were registered last are called first.
    pub before: Option<fn()>,
    /// Called in the parent, after, also if the copy could not be made.
    pub in_parent: Option<fn()>,
    /// Called in the child, before anything else runs there.
    pub in_child: Option<fn()>,
}

static HOOKS: Mutex<Vec<ForkHooks>> = Mutex::new(Vec::new());

/// Registers functions to call when this process is copied, for the rest of its life.
///
/// A copy has them too. They are not called for a process that begins afresh. A function that panics
/// aborts the process that it runs in.
#[doc(alias = "register_at_fork")]
pub fn on_fork(hooks: ForkHooks) {
    self::hooks().push(hooks);
}

fn hooks() -> MutexGuard<'static, Vec<ForkHooks>> {
    HOOKS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(hook: Option<fn()>) {
    if let Some(hook) = hook
        && panic::catch_unwind(hook).is_err()
    {
        // What called fork must not be unwound in two processes.
        std::process::abort();
    }
}

/// Closes all descriptors of this process but the standard ones and those in the list.
///
/// For a copy made by [`fork`], which has every descriptor of its parent: whoever reads from a pipe
/// sees its end only when nobody holds the other one any more. Children that are no copies have
/// nothing that they were not given.
///
/// # Errors
///
/// What the system says if it will not.
///
/// # Safety
///
/// Nothing in this process may use, or close at its own end, a descriptor that is not in the list.
///
/// # References
///
/// - Linux `close_range(2)`
pub unsafe fn close_descriptors_but(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut kept: Vec<u32> = kept.iter().map(|file| file.as_raw_fd().unsigned_abs()).collect();
    kept.sort_unstable();
    let mut first = 3;
    for number in kept {
        if number > first {
            // SAFETY: the duty is the caller's.
            unsafe { files::close_range(first, number - 1) }?;
        }
        first = first.max(number.saturating_add(1));
    }
    // SAFETY: the duty is the caller's.
    unsafe { files::close_range(first, u32::MAX) }
}

/// Writes what Rust has buffered for the standard output.
pub(crate) fn flush_stdout() {
    // If it cannot be written now, nothing that we could do would write it later.
    let _flushed = io::stdout().flush();
}
