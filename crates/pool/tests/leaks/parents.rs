//! What becomes of workers whose parent is killed.

use std::error::Error;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ipc_core::wire::Handle;
use ipc_core::{Deadline, DeathWatch, ProcessId};
use pool::{Pool, Retry};
use proc_core::Start;
use testkit::leaks::Snapshot;
use testkit::seed::Rng;
use testkit::{Outcome, Report, child, clock, full};

use crate::common::{STARTS, builders, square, wait_until_running};

/// So soon after the death of their parent all workers are gone, where others leave them a processor.
const BOUND: Duration = Duration::from_millis(100);

/// So soon they are gone on any machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// The workers of one pool: one has nothing to do, one sleeps, one is busy, one has a pool of its own.
const N_WORKERS: usize = 4;

/// Ignores all that can be ignored, and never ends.
fn stay(is_busy: bool) {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        ignore(signal);
    }
    loop {
        if !is_busy {
            clock::pause(Duration::from_secs(1000));
        }
    }
}

#[expect(unsafe_code, reason = "sets what a signal does")]
fn ignore(signal: i32) {
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Has a pool whose workers do different things, of which one nests in its turn, if `depth` says so.
///
/// It tells who they are, and never ends.
fn nest((start, depth, tell): (Start, usize, Handle)) {
    let pool = Pool::builder().workers(N_WORKERS).start(start).build().unwrap();
    let tell = File::from(OwnedFd::from(tell));
    let mut tasks = Vec::from([false, true].map(|is_busy| pool.submit(stay, is_busy).unwrap()));
    if let Some(depth) = depth.checked_sub(1) {
        let tell = Handle::from(OwnedFd::from(tell.try_clone().unwrap()));
        tasks.push(pool.submit(nest, (start, depth, tell)).unwrap());
    }
    wait_until_running(&pool, tasks.len());
    let pids =
        pool.stats().workers.into_iter().flat_map(|worker| worker.pid.unwrap().to_ne_bytes());
    // All at once, since others write there too.
    (&tell).write_all(&pids.collect::<Vec<_>>()).unwrap();
    tasks.iter().for_each(|task| task.join().unwrap());
}

/// Kills a parent at a random time, and returns how long after that the last of its workers was gone,
/// and of those of their own.
fn time_to_the_last_death(start: Start, rng: &mut Rng) -> Result<Duration, Box<dyn Error>> {
    /// A pool in the parent, and one in a worker.
    const N_POOLS: usize = 2;

    let (mut told, tell) = std::io::pipe()?;
    let tell = OwnedFd::from(tell);
    let mut parent = child::fork(|| {
        nest((start, N_POOLS - 1, tell.try_clone().unwrap().into()));
        0
    });
    let mut watches = Vec::new();
    for _ in 0..N_POOLS * N_WORKERS {
        let mut pid = [0; 4];
        told.read_exact(&mut pid)?;
        let id = ProcessId::of(u32::from_ne_bytes(pid))?.ok_or("a worker has ended")?;
        watches.push(DeathWatch::open(id)?.ok_or("a worker has ended")?);
    }
    clock::pause(rng.duration(Duration::ZERO..Duration::from_millis(20)));
    let killed = Instant::now();
    parent.kill();
    let limit = Deadline::after(PATIENCE);
    for watch in &watches {
        assert!(
            watch.wait(limit)?,
            "{start:?}: a worker lives {:.1?} after the kill",
            killed.elapsed()
        );
    }
    let time = killed.elapsed();
    parent.wait();
    Ok(time)
}

/// Whatever its workers are at.
#[expect(clippy::print_stdout, reason = "how soon they end is for whoever wants to know")]
pub(crate) fn killed_parent_leaves_no_worker() -> Outcome {
    let mut rng = Rng::of_run("kills");
    let before = Snapshot::with_names("multiproc");
    for start in STARTS {
        // A machine that is busy with other things needs longer: so it is the best of some, which all
        // those workers together do not come to by chance.
        let (n_kills, most) = if full() { (200, 200) } else { (5, 50) };
        let mut times = Vec::new();
        while times.len() < n_kills || times.len() < most && times[0] > BOUND {
            times.push(time_to_the_last_death(start, &mut rng)?);
            times.sort_unstable();
        }
        let (best, middle, worst) = (times[0], times[times.len() / 2], times[times.len() - 1]);
        println!("{start:?}: all workers had ended {best:.1?} to {worst:.1?} after the kill");
        println!("    (the median of {} kills is {middle:.1?})", times.len());
        assert!(best <= BOUND, "{times:.1?}");
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
