//! A forked child has handles that work, and knows that it is another process.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]
#![expect(
    unsafe_code,
    reason = "forking a process that has threads, to see that nothing hangs, and bytes that it shares"
)]

use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use ipc_core::wire::{self, Limits, MessageSocket, RecvError};
use ipc_core::{Deadline, DeathWatch, Kind, PerProcess, ProcessId, Segment};
use rustix::event::{PollFd, PollFlags};
use testkit::child::{End, fork};
use testkit::{Outcome, Report};

fn main() -> ExitCode {
    testkit::main(&[
        ("a forked child has an identity of its own", identity),
        ("a static per process begins anew in a forked child", per_process),
        ("a forked child has its parent's segments, mapped where they are", segments),
        ("a segment whose last handle a child drops stays the parent's", dropped),
        ("memory outlives the process that made it", inherited_by_message),
        ("a process that dies making a named segment leaves no name", killed_while_naming),
        ("a process that dies in the middle of a message is seen to", killed_while_sending),
        ("a fork in the middle of opening segments does not hang the child", fork_while_opening),
        ("a fork while a thread receives does not hang the child", fork_while_receiving),
    ])
}

const KIND: Kind = Kind::new(*b"test\0\0\0\0", 1);

/// Runs `body` in a forked child, which says by its exit code whether it holds.
fn holds_in_child(body: impl FnOnce() -> bool) -> Outcome {
    let end = fork(|| i32::from(!body())).wait();
    if end.is_success() { Ok(Report::PASSED) } else { Err(format!("the child {end}").into()) }
}

fn identity() -> Outcome {
    let parent = ProcessId::current()?;
    holds_in_child(|| {
        let child = ProcessId::current().unwrap();
        let its_own_child = fork(|| {
            let grandchild = ProcessId::current().unwrap();
            i32::from(grandchild == child || grandchild == parent)
        });
        let parent_lives =
            DeathWatch::open(parent).unwrap().is_some_and(|it| !it.is_dead().unwrap());
        let mut its_own_child = its_own_child;
        child != parent && parent_lives && its_own_child.wait().is_success()
    })
}

fn per_process() -> Outcome {
    static WORDS: PerProcess<Mutex<Vec<u8>>> = PerProcess::new();
    let words = || WORDS.get_or_make(|_| Mutex::default());
    words().lock().unwrap().push(1);
    // The parent holds the lock at the fork, and nobody ever frees it in the child.
    let _held = words().lock().unwrap();
    holds_in_child(|| {
        let inherited = WORDS.get_or_make(|inherited| {
            assert!(inherited.unwrap().try_lock().is_err());
            Mutex::new(vec![7])
        });
        let found = inherited.lock().unwrap().clone();
        found == [7] && std::ptr::eq(inherited, words())
    })
}

fn segments() -> Outcome {
    let segment = Segment::create(KIND, 0, 64)?;
    let outcome = holds_in_child(|| {
        // SAFETY: the first of 64 bytes, of which the parent makes no reference.
        unsafe { segment.as_ptr().write_volatile(1) };
        let again = segment.as_fd().try_clone_to_owned().unwrap();
        let again = Segment::from_fd(again, KIND, 0).unwrap();
        let mine = Segment::create(KIND, 0, 64).unwrap();
        again.as_ptr() == segment.as_ptr() && mine.id() != segment.id()
    });
    // SAFETY: the child has ended, and nobody else has the segment.
    let written = unsafe { segment.as_ptr().read_volatile() };
    assert_eq!(written, 1);
    outcome
}

fn dropped() -> Outcome {
    let segment = Segment::create(KIND, 0, 64)?;
    let mut slot = Some(segment.clone());
    let fd = segment.as_fd().try_clone_to_owned()?;
    drop(segment);
    let outcome = holds_in_child(|| {
        drop(slot.take());
        // The child maps it anew.
        Segment::from_fd(fd.try_clone().unwrap(), KIND, 0).is_ok()
    });
    let segment = slot.ok_or("the parent's handle is gone")?;
    let again = Segment::from_fd(fd, KIND, 0)?;
    assert_eq!(again.as_ptr(), segment.as_ptr());
    outcome
}

fn inherited_by_message() -> Outcome {
    let (near, far) = MessageSocket::pair()?;
    let mut child = fork(move || {
        let segment = Segment::create(KIND, 7, 4096).unwrap();
        // SAFETY: the first of 4,096 bytes, which nobody else has yet.
        unsafe { segment.as_ptr().write_volatile(42) };
        far.send(&wire::encode(&("made", segment)).unwrap(), Deadline::NEVER).unwrap();
        0
    });
    assert!(child.wait().is_success());
    let message = near.recv(&Limits::default(), Deadline::NEVER)?.ok_or("no message")?;
    let (_, segment): (String, Segment) = wire::decode(message)?;
    segment.check(KIND, 7)?;
    // SAFETY: the process that made the segment has ended, and nobody else has it.
    let found = unsafe { segment.as_ptr().read_volatile() };
    assert_eq!((found, segment.len()), (42, 4096));
    Ok(Report::PASSED)
}

fn killed_while_naming() -> Outcome {
    let name = format!("multiproc-test-{}-killed", ProcessId::current()?);
    let mut child = fork(|| {
        let made = Segment::create_named(&name, KIND, 0, 64, |_| {
            // SAFETY: takes two numbers; the process ends.
            unsafe { libc::raise(libc::SIGKILL) };
        });
        i32::from(made.is_ok())
    });
    assert_eq!(child.wait(), End::Killed(libc::SIGKILL));
    let found = Segment::open_named(&name, KIND, 0);
    assert!(found.is_err_and(|error| error.is_not_found()));
    drop(Segment::create_named(&name, KIND, 0, 64, |_| {})?);
    Segment::unlink(&name)?;
    Ok(Report::PASSED)
}

fn killed_while_sending() -> Outcome {
    let (near, far) = MessageSocket::pair()?;
    let mut child = fork(move || {
        far.send_parts(b"whole", &[], Deadline::NEVER).unwrap();
        // Larger than the socket holds, so that it is killed inside.
        i32::from(far.send_parts(&vec![0; 64 << 20], &[], Deadline::NEVER).is_ok())
    });
    assert_eq!(near.recv(&Limits::default(), Deadline::NEVER)?.map(|it| it.bytes.len()), Some(5));
    // Once a part of the second is here, the child is inside, and cannot come out of it.
    let mut readable = [PollFd::new(&near, PollFlags::IN)];
    rustix::event::poll(&mut readable, None)?;
    child.kill();
    assert_eq!(child.wait(), End::Killed(libc::SIGKILL));
    let error = near.recv(&Limits::default(), Deadline::NEVER).err();
    assert!(matches!(error, Some(RecvError::Truncated)), "{error:?}");
    Ok(Report::PASSED)
}

/// Forks with whatever threads there are; the child runs `body` and is gone.
///
/// Returns whether it came to its end in a minute, and what it said.
fn fork_with_threads(body: impl FnOnce() -> bool) -> Option<bool> {
    // SAFETY: the child runs only code of this crate, which is what is tested here: that it waits
    // for no lock that a thread of the parent may hold. The C library keeps its own in order.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let code = i32::from(!body());
        // SAFETY: ends the process without running anything of the parent's.
        unsafe { libc::_exit(code) };
    }
    let id = ProcessId::of(pid.unsigned_abs()).unwrap().unwrap();
    let watch = DeathWatch::open(id).unwrap().unwrap();
    let ended = watch.wait(Deadline::after(Duration::from_secs(60))).unwrap();
    if !ended {
        // SAFETY: a child of this process that was not waited for, so the pid is still its own.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
    let mut status = 0;
    // SAFETY: writes to a local integer.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    ended.then_some(status == 0)
}

fn fork_while_opening() -> Outcome {
    let segment = Segment::create(KIND, 0, 64)?;
    let fd = segment.as_fd().try_clone_to_owned()?;
    drop(segment);
    let done: Mutex<bool> = Mutex::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !*done.lock().unwrap() {
                drop(Segment::from_fd(fd.try_clone().unwrap(), KIND, 0).unwrap());
            }
        });
        let mut results = Vec::new();
        for _ in 0..100 {
            results.push(fork_with_threads(|| {
                let one = Segment::from_fd(fd.try_clone().unwrap(), KIND, 0).unwrap();
                let two = Segment::from_fd(fd.try_clone().unwrap(), KIND, 0).unwrap();
                one.as_ptr() == two.as_ptr()
            }));
        }
        *done.lock().unwrap() = true;
        assert!(results.iter().all(|result| *result == Some(true)), "{results:?}");
    });
    Ok(Report::PASSED)
}

fn fork_while_receiving() -> Outcome {
    let (left, right) = MessageSocket::pair()?;
    let (say, hear) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            say.send(rustix::thread::gettid()).unwrap();
            right.recv(&Limits::default(), Deadline::NEVER)
        });
        // Asleep in the call, so that it is the thread's turn.
        let stat = format!("/proc/self/task/{}/stat", hear.recv().unwrap());
        while !std::fs::read_to_string(&stat).unwrap().contains(") S ") {
            std::thread::yield_now();
        }
        let result = fork_with_threads(|| {
            // The child sees the end of the stream if it gets to look; it has no such thread.
            rustix::net::shutdown(&left, rustix::net::Shutdown::Write).unwrap();
            right.recv(&Limits::default(), Deadline::NEVER).unwrap().is_none()
        });
        assert_eq!(result, Some(true));
        assert!(receiver.join().unwrap().unwrap().is_none());
    });
    Ok(Report::PASSED)
}
