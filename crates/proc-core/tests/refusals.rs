//! A system that refuses: every call that a start makes fails once, with each error that it may have.
//!
//! A filter of the kernel (seccomp) hands the calls of the thread that starts to another thread of
//! the same process, which was there before the filter and so is not under it. That one lets them
//! pass, but for the one whose turn it is.
//!
//! What that thread starts is under the filter too, from its first instruction on. So there are two
//! sweeps for each way of starting: over the calls of the parent, and over those of the child, the
//! fork server and its copies. In the second, calls of several processes are counted together.
//!
//! | refused                | what must be                                                            |
//! |------------------------|-------------------------------------------------------------------------|
//! | a call of the parent   | the start is an error, and nothing was called, or it does without; then it is as any other |
//! | a call of a child or server | the same, or its join says how the child ended; what returned was called once |
//!
//! After each nobody is left, no zombie, no descriptor.

#![expect(clippy::unwrap_used, clippy::panic, reason = "scenarios end when something is wrong")]
#![expect(unsafe_code, reason = "installs a filter and speaks with it")]

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::{Kind, Segment};
use proc_core::{JoinError, Process, Start, StartError, stop_fork_server};
use rustix::stdio::dup2_stderr;
use testkit::leaks::Snapshot;
use testkit::{Outcome, Report, clock};

fn main() -> ExitCode {
    testkit::main(&[
        ("start by spawn in a system that refuses", by_spawn),
        ("start by a new fork server in a system that refuses", by_a_new_server),
        ("start by a fork server in a system that refuses", by_a_server),
        ("start by a copy in a system that refuses", by_a_copy),
        ("child by spawn in a system that refuses", child_by_spawn),
        ("new fork server in a system that refuses", new_server),
        ("child of a fork server in a system that refuses", child_of_a_server),
        ("child by a copy in a system that refuses", child_by_a_copy),
    ])
}

/// Whose calls are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
enum Whose {
    Nobodys = 0,
    /// Of the thread that starts.
    OfParent = 1,
    /// Of whatever it has started.
    OfOthers = 2,
}

/// Calls that may fail in either, and with what. What a Rust program does that gets no memory is to
/// abort, so to a parent that only happens in calls that do not ask for it.
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
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_vfork, &[libc::EAGAIN, libc::ENOMEM]),
];

/// Calls that may fail in a child.
const REFUSED_TO_CHILDREN: &[(libc::c_long, &[i32])] = &[
    (libc::SYS_execve, &[libc::ENOMEM, libc::EAGAIN]),
    (libc::SYS_brk, &[libc::ENOMEM]),
    (libc::SYS_mmap, &[libc::ENOMEM]),
    (libc::SYS_mprotect, &[libc::ENOMEM]),
    (libc::SYS_recvmsg, &[libc::ENOMEM, libc::EMFILE]),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_dup2, &[libc::EMFILE]),
    (libc::SYS_dup3, &[libc::EMFILE]),
    (libc::SYS_prctl, &[libc::ENOMEM]),
];

/// Whose calls are counted, as [`Whose`].
static COUNTED: AtomicU64 = AtomicU64::new(Whose::Nobodys as u64);
/// The thread that starts.
static STARTER: AtomicU64 = AtomicU64::new(0);
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
                0 => clock::pause(Duration::from_micros(100)),
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
    for (number, _) in REFUSED.iter().chain(REFUSED_TO_CHILDREN) {
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
    let is_starters = u64::from(call.pid) == STARTER.load(Acquire);
    let whose = if is_starters { Whose::OfParent } else { Whose::OfOthers };
    let to_children = if is_starters { &[] } else { REFUSED_TO_CHILDREN };
    let may_fail = REFUSED.iter().chain(to_children).any(|(number, errors)| {
        *number == libc::c_long::from(call.data.nr) && errors.contains(&error)
    });
    let is_counted = whose as u64 == COUNTED.load(Acquire) && may_fail;
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
fn with_refusal<R>(whose: Whose, turn: u64, error: i32, work: impl FnOnce() -> R) -> (R, bool) {
    N_CALLS.store(0, Relaxed);
    TURN.store(turn, Relaxed);
    ERROR.store(u64::try_from(error).unwrap(), Release);
    COUNTED.store(whose as u64, Release);
    let result = work();
    COUNTED.store(Whose::Nobodys as u64, Release);
    (result, N_CALLS.load(Relaxed) >= turn)
}

const KIND: Kind = Kind::new(*b"refusals", 1);

/// Counts how often a function was called, in whichever process.
#[derive(Clone)]
struct Calls(Segment);

impl Calls {
    fn n(&self) -> u64 {
        let word: &AtomicU64 = self.0.at(0).unwrap();
        word.load(Relaxed)
    }

    fn start(&self, way: Start) -> Started {
        Process::builder().start(way).spawn(count, self.0.clone())
    }
}

fn count(calls: Segment) -> u64 {
    let word: &AtomicU64 = calls.at(0).unwrap();
    word.fetch_add(1, Relaxed);
    12
}

type Started = Result<Process<u64>, StartError>;

fn nobody_is_left() -> bool {
    fs::read_to_string("/proc/thread-self/children").unwrap().is_empty()
}

/// The standard error leads nowhere as long as this lives: the system's linker, and a Rust program that
/// gets no memory, have a word to say.
struct Hush(OwnedFd);

impl Hush {
    fn begin() -> Self {
        let before = std::io::stderr().as_fd().try_clone_to_owned().unwrap();
        dup2_stderr(fs::File::options().write(true).open("/dev/null").unwrap()).unwrap();
        Self(before)
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        dup2_stderr(&self.0).unwrap();
    }
}

/// Starts again and again; each time another call fails.
fn sweep(whose: Whose, prepare: impl Fn(&Calls), start: impl Fn(&Calls) -> Started) -> Outcome {
    let calls = Calls(Segment::create(KIND, 0, size_of::<u64>())?);
    let _warm = (start(&calls).unwrap().join()?, stop_fork_server());
    let id = rustix::thread::gettid().as_raw_nonzero().get();
    STARTER.store(u64::from(id.unsigned_abs()), Release);
    install();
    let before = Snapshot::with_names("multiproc");
    let (mut n_refusals, mut n_errors) = (0, 0);
    for error in [libc::EMFILE, libc::ENOMEM, libc::EAGAIN] {
        for turn in 1.. {
            prepare(&calls);
            let n_calls = calls.n();
            let hush = (whose == Whose::OfOthers).then(Hush::begin);
            let (started, was_refused) = with_refusal(whose, turn, error, || {
                let child = start(&calls)?;
                let joined = child.join();
                Ok::<_, StartError>((child, joined))
            });
            drop(hush);
            // Nobody was waited for who had nothing more to say, and killed when that took too long.
            if let Err(StartError::Died { status, .. } | StartError::ServerDied { status }) =
                &started
            {
                assert_ne!(status.signal(), Some(libc::SIGKILL), "call {turn}, error {error}");
            }
            let (came, is_error) = match (started, whose) {
                (Ok((_, Ok(12))), _) => (1..=1, false),
                // The value is there when the system does not refuse any more.
                (Ok((child, Err(JoinError::Io(_)))), Whose::OfParent) => {
                    assert_eq!(child.join()?, 12);
                    (1..=1, true)
                }
                // It was refused what it needs to go on, or to hand over what it returns.
                (Ok((_, Err(failure))), Whose::OfOthers) => (0..=1, is_end(&failure)),
                (Err(_), _) => (0..=0, true),
                (other, _) => panic!("call {turn}, error {error}: {other:?}"),
            };
            let n_calls = calls.n() - n_calls;
            assert!(came.contains(&n_calls), "call {turn}, error {error}: {n_calls} calls");
            assert!(was_refused || !is_error, "call {turn}, error {error}");
            n_errors += u64::from(is_error);
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

/// Whether it says how a child has ended that did not hand over a value.
fn is_end(failure: &JoinError) -> bool {
    match failure {
        JoinError::Exited(_) | JoinError::Signaled { .. } | JoinError::Panicked(_) => true,
        other => panic!("{other:?}"),
    }
}

/// A server with a copy that is ready.
fn with_a_server(calls: &Calls) {
    drop(calls.start(Start::ForkServer).unwrap().join());
}

/// A start by a copy of this process, which has another thread.
fn start_a_copy(calls: &Calls) -> Started {
    let calls = calls.clone();
    // SAFETY: the other thread holds nothing that the closure needs.
    unsafe { Process::builder().spawn_forked_with_threads(move || count(calls.0)) }
}

fn by_spawn() -> Outcome {
    sweep(Whose::OfParent, |_| (), |calls| calls.start(Start::Spawn))
}

fn by_a_new_server() -> Outcome {
    sweep(Whose::OfParent, |_| (), |calls| calls.start(Start::ForkServer))
}

fn by_a_server() -> Outcome {
    sweep(Whose::OfParent, with_a_server, |calls| calls.start(Start::ForkServer))
}

fn by_a_copy() -> Outcome {
    sweep(Whose::OfParent, |_| (), start_a_copy)
}

fn child_by_spawn() -> Outcome {
    sweep(Whose::OfOthers, |_| (), |calls| calls.start(Start::Spawn))
}

fn new_server() -> Outcome {
    sweep(Whose::OfOthers, |_| (), |calls| calls.start(Start::ForkServer))
}

fn child_of_a_server() -> Outcome {
    sweep(Whose::OfOthers, with_a_server, |calls| calls.start(Start::ForkServer))
}

fn child_by_a_copy() -> Outcome {
    sweep(Whose::OfOthers, |_| (), start_a_copy)
}
