//! Setting an event in a signal handler, whatever that has interrupted.
//!
//! What `Event::set` does, and why a handler may do each of it:
//!
//! | what | why |
//! |------|-----|
//! | reads thread-local memory | it needs no set-up and has no destructor: no allocation, no lock |
//! | `get_robust_list` | a system call, made without libc; only if the thread is new here |
//! | writes `list_op_pending` | its own thread's; empty before and after, else it is left alone |
//! | `fetch_or`, `compare_exchange` | lock-free; tried once each |
//! | `futex` (`FUTEX_WAKE`, `FUTEX_WAKE_OP`) | a system call, made without libc: it leaves `errno` alone |
#![expect(unsafe_code, reason = "installs signal handlers and looks at the thread's robust list")]
#![expect(clippy::disallowed_types, reason = "what a handler counts never leaves the process")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use ipc_sync::{Event, Lock};
use testkit::child::Child;
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, finish, in_child, passed, start};

/// What the handler sets.
static EVENT: OnceLock<Event> = OnceLock::new();
/// How often it has.
static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn set_event(_: libc::c_int) {
    let before = io::Error::last_os_error().raw_os_error();
    if let Some(event) = EVENT.get() {
        event.set();
    }
    HANDLED.fetch_add(1, Relaxed);
    assert_eq!(io::Error::last_os_error().raw_os_error(), before, "it changes `errno`");
}

/// Lets the signal set the event in this process and those it forks.
#[expect(clippy::fn_to_numeric_cast_any, reason = "that is how a handler is given")]
fn handle(signal: libc::c_int, event: &Event) {
    EVENT.get_or_init(|| event.clone());
    // SAFETY: all zeros are a valid `sigaction`: no mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = set_event as *const () as usize;
    // SAFETY: the action is valid, and the handler does what handlers may.
    let result = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    assert_eq!(result, 0);
}

pub(crate) fn a_handler_sets_what_is_waited_for() -> Outcome {
    ipc_sync::raw::set_spin(0);
    let event = Event::new()?;
    handle(libc::SIGUSR1, &event);
    let mut waiting = [(); 2].map(|()| {
        start(|| {
            event.wait();
            true
        })
    });
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
    }
    // The one is interrupted in its wait, and calls the other and itself.
    waiting[0].signal(libc::SIGUSR1);
    waiting.iter_mut().for_each(finish);
    assert!(event.is_set());
    passed()
}

/// What the only thread of a process has as its pending word, or as an entry for it.
fn pending_of(child: &Child) -> Result<u64, Box<dyn std::error::Error>> {
    let (mut head, mut len) = (0_u64, 0_usize);
    let (head_at, len_at) = (&raw mut head, &raw mut len);
    // SAFETY: it writes a pointer and a length where there is room for them.
    let result = unsafe { libc::syscall(libc::SYS_get_robust_list, child.pid(), head_at, len_at) };
    assert_eq!((result, len), (0, 24));
    let mut field = [0; 8];
    File::open(format!("/proc/{}/mem", child.pid()))?.read_exact_at(&mut field, head + 16)?;
    Ok(u64::from_le_bytes(field))
}

pub(crate) fn a_handler_interrupts_a_lock() -> Outcome {
    ipc_sync::raw::set_spin(0);
    let (event, lock) = (Event::new()?, Lock::new()?);
    handle(libc::SIGUSR1, &event);
    let guard = lock.lock().unwrap();
    let mut waiting = start(|| lock.lock().is_ok());
    waiting.wait_asleep(LONG)?;
    // Others wait for the event, asleep.
    let mut others = [(); 2].map(|()| start(|| event.wait_timeout(LONG)));
    for child in &mut others {
        child.wait_asleep(LONG)?;
    }
    let before = pending_of(&waiting)?;
    assert_ne!(before, 0, "a waiter has the lock pending");
    waiting.signal(libc::SIGUSR1);
    others.iter_mut().for_each(finish);
    assert!(event.wait_timeout(LONG));
    assert!(!event.stats().has_waiters, "all were called");
    waiting.wait_asleep(LONG)?;
    assert_eq!(pending_of(&waiting)?, before, "and has it still");
    drop(guard);
    finish(&mut waiting);
    passed()
}

pub(crate) fn a_handler_interrupts_anything() -> Outcome {
    let (event, lock) = (Event::new()?, Lock::new()?);
    handle(libc::SIGALRM, &event);
    let stop = SharedArena::<Counter>::new(1);
    // Others that wait, so that there is somebody to call.
    let mut waiting = [(); 2].map(|()| {
        start(|| {
            while stop[0].get() == 0 {
                event.wait();
                event.clear();
            }
            true
        })
    });
    let interval = libc::timeval { tv_sec: 0, tv_usec: 50 };
    let timer = libc::itimerval { it_interval: interval, it_value: interval };
    // SAFETY: the timer is valid.
    let result = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) };
    assert_eq!(result, 0);
    while HANDLED.load(Relaxed) < 5_000 {
        event.clear();
        // The handler, if nobody else, sets it.
        assert!(event.wait_timeout(LONG), "the timer has stopped");
        let guard = lock.lock().unwrap();
        event.set();
        event.clear();
        drop(guard);
    }
    let timer = libc::itimerval { it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 }, ..timer };
    // SAFETY: as above.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) };
    stop[0].set(1);
    for child in &mut waiting {
        while child.wait_within(Duration::from_millis(1)).is_none() {
            event.set();
        }
        finish(child);
    }
    // Nothing is left held, or pending.
    in_child(|| lock.try_lock().is_ok());
    passed()
}

pub(crate) fn a_handler_may_be_the_first() -> Outcome {
    let event = Event::new()?;
    handle(libc::SIGUSR1, &event);
    thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: it sends a signal to the calling thread, which has done nothing with events.
            let result = unsafe { libc::raise(libc::SIGUSR1) };
            assert_eq!(result, 0);
        });
    });
    assert!(event.is_set());
    assert_eq!(HANDLED.load(Relaxed), 1);
    passed()
}
