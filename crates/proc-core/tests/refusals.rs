//! A system that refuses: every call that a start makes fails once, with each error that it may have.
//!
//! A filter of the kernel (seccomp) hands the calls of the thread that starts to another thread of
//! the same process, which was there before the filter and so is not under it. That one lets them
//! pass, but for the one whose turn it is.

#![expect(clippy::unwrap_used, reason = "scenarios end when something is not as it should be")]
#![expect(unsafe_code, reason = "installs a filter and speaks with it")]

use std::fs;
use std::process::ExitCode;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use proc_core::{Process, Start, StartError, stop_fork_server};
use testkit::leaks::Snapshot;
use testkit::{Outcome, Report, clock};

fn main() -> ExitCode {
    testkit::main(&[
        ("start by spawn in a system that refuses", by_spawn),
        ("start by a new fork server in a system that refuses", by_a_new_server),
        ("start by a fork server in a system that refuses", by_a_server),
        ("start by a copy in a system that refuses", by_a_copy),
    ])
}

/// The calls that may fail, and with what.
const REFUSED: &[(libc::c_long, &[i32])] = &[
    (libc::SYS_socketpair, &[libc::EMFILE, libc::ENOMEM]),
    (libc::SYS_pidfd_open, &[libc::EMFILE, libc::ENOMEM]),
    (libc::SYS_memfd_create, &[libc::EMFILE, libc::ENOMEM]),
    (libc::SYS_pipe2, &[libc::EMFILE, libc::ENOMEM]),
    (libc::SYS_openat, &[libc::EMFILE, libc::ENOMEM]),
    (libc::SYS_fcntl, &[libc::EMFILE]),
    (libc::SYS_fallocate, &[libc::ENOMEM]),
    (libc::SYS_ftruncate, &[libc::ENOMEM]),
    (libc::SYS_write, &[libc::ENOMEM]),
    (libc::SYS_sendmsg, &[libc::ENOMEM]),
    (libc::SYS_ppoll, &[libc::ENOMEM]),
    (libc::SYS_clone, &[libc::EAGAIN, libc::ENOMEM]),
    (libc::SYS_clone3, &[libc::EAGAIN, libc::ENOMEM]),
    (libc::SYS_vfork, &[libc::EAGAIN, libc::ENOMEM]),
];

/// Whose calls are counted; nobody's if zero.
static COUNTED: AtomicU64 = AtomicU64::new(0);
/// How many calls that may fail so were made.
static N_CALLS: AtomicU64 = AtomicU64::new(0);
/// Which of them is to fail, and with what.
static TURN: AtomicU64 = AtomicU64::new(0);
static ERROR: AtomicU64 = AtomicU64::new(0);
/// Over which descriptor the kernel asks, plus one.
static LISTENER: AtomicU64 = AtomicU64::new(0);

/// Puts this thread under the filter.
fn install() {
    let listen = || {
        let listener = loop {
            match LISTENER.load(Acquire) {
                0 => clock::pause(std::time::Duration::from_micros(100)),
                number => break i32::try_from(number - 1).unwrap(),
            }
        };
        loop {
            answer(listener);
        }
    };
    drop(std::thread::spawn(listen));
    let load = |offset: u32| libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: offset };
    let give = |verdict: u32| libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: verdict };
    let mut filter = vec![load(0)];
    for (number, _) in REFUSED {
        // If it is this one, ask; else go past that.
        let k = u32::try_from(*number).unwrap();
        filter.push(libc::sock_filter { code: 0x15, jt: 0, jf: 1, k });
        filter.push(give(libc::SECCOMP_RET_USER_NOTIF));
    }
    filter.push(give(libc::SECCOMP_RET_ALLOW));
    let len = u16::try_from(filter.len()).unwrap();
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    // SAFETY: takes a number.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the program and the list that it leads to live until the call returns.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    assert!(listener >= 0, "{}", std::io::Error::last_os_error());
    LISTENER.store(u64::try_from(listener).unwrap() + 1, Release);
}

/// Answers the kernel once.
fn answer(listener: i32) {
    // SAFETY: the struct is plain data; the kernel wants it to be zero.
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: writes to the local.
    if unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) } != 0 {
        return;
    }
    let error = i32::try_from(ERROR.load(Acquire)).unwrap();
    let may_fail = REFUSED.iter().any(|(number, errors)| {
        *number == libc::c_long::from(call.data.nr) && errors.contains(&error)
    });
    let is_counted = u64::from(call.pid) == COUNTED.load(Acquire) && may_fail;
    let is_its_turn = is_counted && N_CALLS.fetch_add(1, Relaxed) + 1 == TURN.load(Relaxed);
    let flags = if is_its_turn { 0 } else { libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE };
    let error = if is_its_turn { -error } else { 0 };
    #[expect(clippy::cast_possible_truncation, reason = "the flag is one")]
    let mut answer = libc::seccomp_notif_resp { id: call.id, val: 0, error, flags: flags as u32 };
    // SAFETY: reads the local. It fails if who called was killed meanwhile.
    unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
}

/// Runs `work` with its call number `turn` of those that may fail so failing; says whether there was
/// such a call.
fn with_refusal<R>(turn: u64, error: i32, work: impl FnOnce() -> R) -> (R, bool) {
    N_CALLS.store(0, Relaxed);
    TURN.store(turn, Relaxed);
    ERROR.store(u64::try_from(error).unwrap(), Release);
    COUNTED.store(u64::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap(), Release);
    let result = work();
    COUNTED.store(0, Release);
    (result, N_CALLS.load(Relaxed) >= turn)
}

type Started = Result<Process<u64>, StartError>;

fn nobody_is_left() -> bool {
    fs::read_to_string("/proc/thread-self/children").unwrap().is_empty()
}

/// Starts again and again; each time another call fails.
fn sweep(prepare: impl Fn(), start: impl Fn() -> Started) -> Outcome {
    let _warm = (start().unwrap().join()?, stop_fork_server());
    install();
    let before = Snapshot::with_names("multiproc");
    let (mut n_refusals, mut n_errors) = (0, 0);
    for error in [libc::EMFILE, libc::ENOMEM, libc::EAGAIN] {
        for turn in 1.. {
            prepare();
            let (started, was_refused) = with_refusal(turn, error, &start);
            match started {
                Ok(child) => assert_eq!(child.join()?, 12),
                Err(failure) => {
                    assert!(was_refused, "call {turn}, error {error}: {failure}");
                    n_errors += 1;
                }
            }
            n_refusals += u64::from(was_refused);
            stop_fork_server();
            assert!(nobody_is_left(), "call {turn}, error {error}");
            before.assert_none();
            if !was_refused {
                break;
            }
        }
    }
    // Without the next copy a start by the server can do.
    assert!(n_refusals > 5 && n_errors > 1, "{n_errors} of {n_refusals} refusals were errors");
    Ok(Report::PASSED)
}

fn by(way: Start) -> Started {
    Process::builder().start(way).spawn(|n: u64| n * 2, 6)
}

fn by_spawn() -> Outcome {
    sweep(|| (), || by(Start::Spawn))
}

fn by_a_new_server() -> Outcome {
    sweep(|| (), || by(Start::ForkServer))
}

fn by_a_server() -> Outcome {
    sweep(|| drop(by(Start::ForkServer).unwrap().join()), || by(Start::ForkServer))
}

fn by_a_copy() -> Outcome {
    let start = || {
        // SAFETY: the other thread holds nothing that the closure needs.
        unsafe { Process::builder().spawn_forked_with_threads(|| 12) }
    };
    sweep(|| (), start)
}
