//! What becomes of workers whose parent is killed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ipc_core::wire::Handle;
use ipc_core::{Deadline, ProcessId, wait_for_death};
use pool::{Pool, Retry};
use proc_core::Start;
use testkit::leaks::Snapshot;
use testkit::seed::Rng;
use testkit::{Counter, Outcome, Report, SharedArena, child, clock, full};

use crate::common::{STARTS, builders, square, wait_until_idle};

/// Tells in which process it is, ignores all that can be ignored, and never ends.
fn stay(tell: Handle) {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        ignore(signal);
    }
    let pid = proc_core::current().pid();
    File::from(OwnedFd::from(tell)).write_all(&pid.to_ne_bytes()).unwrap();
    loop {
        clock::pause(Duration::from_secs(1000));
    }
}

#[expect(unsafe_code, reason = "sets what a signal does")]
fn ignore(signal: i32) {
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Has a pool of its own, whose worker stays.
fn nest((start, tell): (Start, Handle)) {
    let pool = Pool::builder().workers(1).start(start).build().unwrap();
    pool.call(stay, tell).unwrap();
}

/// Whatever its workers are at.
#[expect(clippy::print_stdout, reason = "how soon they end is for whoever wants to know")]
pub(crate) fn killed_parent_leaves_no_worker() -> Outcome {
    const N_WORKERS: usize = 3;
    const N_TOLD: usize = 2;

    let before = Snapshot::with_names("multiproc");
    for start in STARTS {
        let slots = SharedArena::<Counter>::new(N_WORKERS + N_TOLD + 1);
        let is_set_up = slots.len() - 1;
        let mut parent = child::fork(|| {
            // One has nothing to do, one ignores what it can, and one has a worker that does so.
            let pool = Pool::builder().workers(N_WORKERS).start(start).build().unwrap();
            wait_until_idle(&pool);
            let (mut told, tell) = std::io::pipe().unwrap();
            let tell = || Handle::from(OwnedFd::from(tell.try_clone().unwrap()));
            let _stays = pool.submit(stay, tell()).unwrap();
            let _nests = pool.submit(nest, (start, tell())).unwrap();
            let workers = pool.stats().workers;
            let workers = workers.iter().map(|worker| worker.pid.unwrap());
            let told = (0..N_TOLD).map(|_| {
                let mut pid = [0; 4];
                told.read_exact(&mut pid).unwrap();
                u32::from_ne_bytes(pid)
            });
            slots.iter().zip(workers.chain(told)).for_each(|(slot, pid)| slot.set(pid.into()));
            slots[is_set_up].set(1);
            loop {
                clock::pause(Duration::from_secs(1000));
            }
        });
        while slots[is_set_up].get() == 0 {
            clock::pause(Duration::from_millis(1));
        }
        let pids = slots.iter().take(is_set_up).map(|slot| u32::try_from(slot.get()));
        let pids = pids.collect::<Result<Vec<_>, _>>()?;
        let ids = pids.into_iter().map(ProcessId::of).collect::<Result<Vec<_>, _>>()?;
        let killed = Instant::now();
        parent.kill();
        for id in ids {
            // Nothing is asserted about how soon; the runner ends what takes for ever.
            assert!(wait_for_death(id.unwrap(), Deadline::NEVER)?);
        }
        println!("{start:?}: all workers had ended {:.1?} after the kill", killed.elapsed());
        parent.wait();
        drop((parent, slots));
        before.assert_none();
    }
    Ok(Report::PASSED)
}

pub(crate) fn parent_killed_at_any_moment_leaves_nobody() -> Outcome {
    let mut rng = Rng::of_run("moments");
    for builder in builders().cycle().take(if full() { 1_000 } else { 30 }) {
        let mut parent = child::fork(|| {
            let pool = builder.workers(2).on_worker_death(Retry::always()).build().unwrap();
            for (n, result) in pool.imap_unordered(square, 0..).enumerate() {
                result.unwrap();
                if n % 1_000 == 0 {
                    pool.kill_worker(n / 1_000 % 2).unwrap();
                }
            }
            0
        });
        clock::pause(rng.duration(Duration::ZERO..Duration::from_millis(25)));
        parent.kill();
        parent.wait();
    }
    // Those whose parent is dead are the runner's now, which fails the scenario if any lives on.
    Ok(Report::PASSED)
}
