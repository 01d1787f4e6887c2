//! Starts by the thousand, at once, and under random kills of children, fork servers and parents:
//! nothing is left, nothing is lost, nothing is done twice.

#![expect(clippy::unwrap_used, clippy::panic, reason = "scenarios end when something is wrong")]

use std::collections::HashSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::wire::Handle;
use ipc_core::{Kind, Segment};
use proc_core::{JoinError, Process, Start, StartError, Stdio, stop_fork_server};
use testkit::leaks::Snapshot;
use testkit::seed::Rng;
use testkit::{Outcome, Report, child, clock, full, report};

fn main() -> ExitCode {
    testkit::main(&[
        ("starts in a row leave everything flat", starts_in_a_row),
        ("two hundred at once leave nothing", two_hundred_at_once),
        ("a large parent has small children", large_parent),
        ("a thousand descriptors stay where they are", thousand_descriptors),
        ("starts while children and servers are killed", starts_in_a_storm),
        ("parents that are killed while they start leave nobody", killed_parents),
    ])
}

const WAYS: [Start; 3] = [Start::Spawn, Start::ForkServer, Start::Fork];

fn start(way: Start, n: u64) -> Result<Process<u64>, StartError> {
    Process::builder().start(way).spawn(|n: u64| n.wrapping_mul(31), n)
}

/// Uses everything that a process has one of: it is there from now on.
fn warm_up() -> Snapshot {
    for way in WAYS {
        start(way, 1).unwrap().join().unwrap();
    }
    stop_fork_server();
    Snapshot::with_names("multiproc")
}

/// A number in `/proc/self/status`.
fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}

fn starts_in_a_row() -> Outcome {
    let n_starts = if full() { 10_000 } else { 300 };
    let before = warm_up();
    for way in WAYS {
        let start_all = |n_starts: u64| {
            for n in 0..n_starts {
                assert_eq!(start(way, n).unwrap().join().unwrap(), n * 31);
            }
        };
        // Memory that is had once and used again.
        start_all(50);
        let (memory, threads) = (status("VmRSS"), status("Threads"));
        start_all(n_starts);
        let more = status("VmRSS").saturating_sub(memory);
        assert!(more < 512, "{more} KiB more after {n_starts} starts by {way:?}");
        assert_eq!(status("Threads"), threads);
        stop_fork_server();
        before.assert_none();
    }
    Ok(Report::PASSED)
}

fn two_hundred_at_once() -> Outcome {
    let before = warm_up();
    for way in WAYS {
        let (reader, writer) = std::io::pipe()?;
        let gate = || Handle::from(OwnedFd::from(reader.try_clone().unwrap()));
        let pass = |(gate, n): (Handle, u64)| {
            std::io::Read::read_exact(&mut fs::File::from(gate), &mut [0]).unwrap();
            n
        };
        let children: Result<Vec<_>, _> =
            (0..200).map(|n| Process::builder().start(way).spawn(pass, (gate(), n))).collect();
        let children = children?;
        assert!(children.iter().all(Process::is_alive));
        std::io::Write::write_all(&mut &writer, &[0; 200])?;
        for (n, child) in (0..).zip(&children) {
            assert_eq!(child.join()?, n);
        }
        drop((children, reader, writer));
        stop_fork_server();
        before.assert_none();
    }
    Ok(Report::PASSED)
}

/// How much memory a child has, in KiB.
fn own_memory(_: ()) -> u64 {
    status("VmRSS")
}

fn large_parent() -> Outcome {
    let before = warm_up();
    let memory = vec![1_u8; 1 << 30];
    assert!(status("VmRSS") > 1 << 20);
    for way in [Start::Spawn, Start::ForkServer] {
        let of_child = Process::builder().start(way).spawn(own_memory, ())?.join()?;
        assert!(of_child < 64 << 10, "{way:?}: {of_child} KiB");
    }
    // A copy has it all, without a copy of it being made.
    let sum = Process::builder()
        .spawn_forked(|| memory.iter().step_by(4096).map(|x| u64::from(*x)).sum::<u64>());
    assert_eq!(sum?.join()?, (1 << 30) / 4096);
    drop(memory);
    stop_fork_server();
    before.assert_none();
    Ok(Report::PASSED)
}

#[expect(unsafe_code, reason = "makes descriptors that no exec closes")]
fn thousand_descriptors() -> Outcome {
    fn own_descriptors(_: ()) -> Vec<String> {
        let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
        links.map(|link| link.display().to_string()).collect()
    }
    let before = warm_up();
    let file = tempfile::NamedTempFile::new()?;
    let name = file.path().display().to_string();
    let mut held = Vec::new();
    for _ in 0..900 {
        // SAFETY: copies a descriptor that is open; the copy is nobody's yet.
        let copy = unsafe { libc::dup(std::os::fd::AsRawFd::as_raw_fd(&file)) };
        assert!(copy >= 0, "no room for more");
        // SAFETY: it was just made, for us.
        held.push(unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(copy) });
    }
    for way in [Start::Spawn, Start::ForkServer] {
        let has = Process::builder().start(way).spawn(own_descriptors, ())?.join()?;
        assert!(!has.contains(&name), "{way:?}: {has:?}");
        let (given, of) = (file.reopen()?, Process::builder().start(way));
        let has = of.spawn(
            |file: Handle| {
                let has = own_descriptors(());
                drop(file);
                has
            },
            given.into(),
        )?;
        assert_eq!(has.join()?.iter().filter(|link| **link == name).count(), 1, "{way:?}");
    }
    drop((held, file));
    stop_fork_server();
    before.assert_none();
    Ok(Report::PASSED)
}

const KIND: Kind = Kind::new(*b"starts\0\0", 1);

/// Counts its calls in a word of its own.
fn count((audit, n): (Segment, usize)) -> usize {
    let word: &AtomicU64 = audit.at(n * size_of::<u64>()).unwrap();
    word.fetch_add(1, Relaxed);
    n
}

/// Kills random children of this process, the fork server among them, until `work` is done.
fn in_a_storm<R>(work: impl FnOnce() -> R) -> (u64, R) {
    let is_over = Mutex::new(false);
    let mut rng = Rng::of_run("starts");
    std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut n_kills = 0;
            while !*is_over.lock().unwrap() {
                clock::pause(rng.until_next(Duration::from_micros(1500)));
                n_kills += u64::from(kill_random_child(&mut rng));
            }
            n_kills
        });
        // A panic of the work ends the storm, too.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        *is_over.lock().unwrap() = true;
        let n_kills = killer.join().unwrap();
        (n_kills, result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn kill_random_child(rng: &mut Rng) -> bool {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.flat_map(|task| fs::read_to_string(task.path().join("children")));
    let lists: Vec<String> = lists.collect();
    let pids: Vec<i32> =
        lists.iter().flat_map(|list| list.split_whitespace()).flat_map(str::parse).collect();
    if pids.is_empty() {
        return false;
    }
    let Some(pid) = Pid::from_raw(pids[rng.index(pids.len())]) else { return false };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    // The number may be another process's by now, unless it is still a child.
    let is_child = fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        let fields = stat.rsplit(')').next().unwrap_or_default();
        fields.split_whitespace().nth(1) == Some(&proc_core::current().pid().to_string())
    });
    is_child && pidfd_send_signal(pidfd, Signal::KILL).is_ok()
}

fn starts_in_a_storm() -> Outcome {
    let n_starts: usize = if full() { 20_000 } else { 600 };
    let before = warm_up();
    let audit = Segment::create(KIND, 0, n_starts * size_of::<u64>())?;
    let returned = Mutex::new(HashSet::new());
    let failed = Mutex::new(HashSet::new());
    let stall = Mutex::new(Duration::ZERO);
    let (kills, ()) = in_a_storm(|| {
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (audit, returned, failed, stall) = (&audit, &returned, &failed, &stall);
                scope.spawn(move || {
                    for n in (thread..n_starts).step_by(3) {
                        let begun = Instant::now();
                        let way = if n % 5 == 0 { Start::Spawn } else { Start::ForkServer };
                        let started =
                            Process::builder().start(way).spawn(count, (audit.clone(), n));
                        match started.map(|child| child.join()) {
                            Ok(Ok(same)) => {
                                assert_eq!(same, n);
                                returned.lock().unwrap().insert(n);
                            }
                            Ok(Err(JoinError::Signaled { signal: libc::SIGKILL, .. })) => {}
                            // The function was not called.
                            Err(StartError::Died { .. } | StartError::ServerDied { .. }) => {
                                failed.lock().unwrap().insert(n);
                            }
                            other => panic!("start {n} by {way:?}: {other:?}"),
                        }
                        let mut stall = stall.lock().unwrap();
                        *stall = (*stall).max(begun.elapsed());
                    }
                });
            }
        });
    });
    let runs = |n: usize| -> u64 {
        let word: &AtomicU64 = audit.at(n * size_of::<u64>()).unwrap();
        word.load(Relaxed)
    };
    let (returned, failed) = (returned.into_inner()?, failed.into_inner()?);
    let lost = returned.iter().filter(|n| runs(**n) == 0).count() as u64;
    let called = failed.iter().filter(|n| runs(**n) > 0).count();
    assert_eq!(called, 0, "starts that failed have called");
    let doubled = (0..n_starts).filter(|n| runs(*n) > 1).count() as u64;
    drop(audit);
    stop_fork_server();
    before.assert_none();
    let (messages, longest_stall) = (n_starts as u64, stall.into_inner()?);
    let own_stall = None;
    Ok(report::Storm { kills, messages, lost, doubled, longest_stall, own_stall }.into())
}

fn wait_for_ever(_: ()) {
    loop {
        std::thread::park();
    }
}

fn killed_parents() -> Outcome {
    let mut rng = Rng::of_run("parents");
    for round in 0..if full() { 2_000 } else { 60 } {
        let way = WAYS[round % 3];
        let mut parent = child::fork(|| {
            loop {
                let builder = Process::builder().start(way).daemon(true).stdin(Stdio::null());
                // It would stay for ever.
                drop(builder.spawn(wait_for_ever, ()).unwrap());
            }
        });
        clock::pause(rng.duration(Duration::ZERO..Duration::from_millis(15)));
        parent.kill();
        parent.wait();
    }
    // Those whose parent is dead are the runner's now, which fails the scenario if any lives on.
    Ok(Report::PASSED)
}
