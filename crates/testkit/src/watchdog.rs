//! A test that hangs is ended, with a trace of where.
//!
//! Under the [runner](crate::main) the runner's own process keeps watch: the watched process has
//! no extra thread and no signal handler, so that it may fork, be traced and be killed. Elsewhere
//! (under libtest) a thread keeps watch.
#![expect(unsafe_code, reason = "a slot of the board lives in an arena")]

use std::{
    io::{self, Write as _},
    sync::{
        OnceLock,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use crate::{
    arena::{SharedArena, Zeroed},
    clock, proc,
    text::Text,
};

/// Ends the test if it is not dropped in time.
///
/// # Process death
///
/// A watchdog dies with its process: nobody is ended for the sake of a dead one.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use testkit::Watchdog;
///
/// let _watchdog = Watchdog::start(Duration::from_secs(10), "two processes meet");
/// // … what might hang …
/// ```
#[derive(Debug)]
#[must_use = "a watchdog that is dropped at once watches nothing"]
pub struct Watchdog {
    guard: Guard,
}

#[derive(Debug)]
enum Guard {
    Runner(&'static Slot),
    Thread { stop: Option<Sender<()>>, thread: Option<thread::JoinHandle<()>> },
    Nobody,
}

impl Watchdog {
    /// Starts to watch: unless the value is dropped within `limit`, a trace of this process and
    /// its descendants is printed, and the test is ended as failed.
    ///
    /// # Panics
    ///
    /// If more than sixty are alive in one scenario, or a thread is needed and cannot be had.
    pub fn start(limit: Duration, what: &str) -> Self {
        match Board::of_runner() {
            Some(board) => Self { guard: Guard::Runner(board.enter(limit, what)) },
            None => Self { guard: watch_by_thread(limit, what) },
        }
    }

    /// As [`start`](Self::start), where a runner keeps watch; else nobody does, so that no
    /// thread is in the way of a fork.
    pub(crate) fn start_without_thread(limit: Duration, what: &str) -> Self {
        match Board::of_runner() {
            Some(board) => Self { guard: Guard::Runner(board.enter(limit, what)) },
            None => Self { guard: Guard::Nobody },
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        match &mut self.guard {
            Guard::Runner(slot) => {
                slot.filled_by.store(0, Release);
                slot.owner.store(0, Release);
            }
            Guard::Thread { stop, thread } => {
                drop(stop.take());
                // A watchdog thread that panicked has told its story.
                drop(thread.take().map(thread::JoinHandle::join));
            }
            Guard::Nobody => {}
        }
    }
}

fn watch_by_thread(limit: Duration, what: &str) -> Guard {
    let (stop, stopped) = mpsc::channel();
    let what = what.to_owned();
    let thread = thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || {
            if stopped.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                let me = rustix::process::getpid().as_raw_nonzero().get();
                let trace = proc::trace(me);
                // Past the harness, which keeps what tests print until they have ended.
                drop(writeln!(io::stderr(), "watchdog: {what}: no end within {limit:?}\n{trace}"));
                std::process::abort();
            }
        })
        .expect("starting a watchdog thread");
    Guard::Thread { stop: Some(stop), thread: Some(thread) }
}

/// Where the processes of a scenario tell their runner until when they want to be done.
#[derive(Debug)]
pub(crate) struct Board {
    slots: SharedArena<Slot>,
}

#[derive(Debug)]
#[repr(C)]
struct Slot {
    /// The pid of the watched process; 0 if the slot is free.
    owner: AtomicU32,
    /// The pid of the process that wrote what follows: a slot that was taken over from a dead
    /// process is not yet filled in by its owner.
    filled_by: AtomicU32,
    /// By the monotonic clock.
    deadline_ns: AtomicU64,
    limit_ns: AtomicU64,
    what: Text<240>,
}

// SAFETY: atomics only, `repr(C)`; zero is a free slot.
unsafe impl Zeroed for Slot {}

static BOARD: OnceLock<Board> = OnceLock::new();

impl Board {
    /// Hangs up the board; the processes forked from now on use it.
    pub(crate) fn hang_up() -> &'static Self {
        BOARD.get_or_init(|| Self { slots: SharedArena::new(64) })
    }

    fn of_runner() -> Option<&'static Self> {
        BOARD.get()
    }

    /// Wipes the board, when nobody is there.
    pub(crate) fn wipe(&self) {
        for slot in self.slots.iter() {
            slot.filled_by.store(0, Relaxed);
            slot.owner.store(0, Relaxed);
        }
    }

    fn enter(&'static self, limit: Duration, what: &str) -> &'static Slot {
        let me = rustix::process::getpid().as_raw_nonzero().get().cast_unsigned();
        let take = |slot: &&Slot| {
            let owner = slot.owner.load(Relaxed);
            // A killed process leaves its slot behind.
            let free = owner == 0 || proc::Stat::has_ended(owner.cast_signed());
            free && slot.owner.compare_exchange(owner, me, AcqRel, Relaxed).is_ok()
        };
        let slot = self.slots.iter().find(take).expect("no more than sixty watchdogs");
        slot.what.set(what);
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        slot.limit_ns.store(limit_ns, Relaxed);
        slot.deadline_ns.store(clock::now_ns().saturating_add(limit_ns), Relaxed);
        slot.filled_by.store(me, Release);
        slot
    }

    /// What should have come to an end by now, in the words of a live process.
    pub(crate) fn overdue(&self) -> Option<String> {
        let now = clock::now_ns();
        let late = |slot: &&Slot| {
            let owner = slot.owner.load(Acquire);
            owner != 0
                && slot.filled_by.load(Acquire) == owner
                && slot.deadline_ns.load(Relaxed) <= now
                && !proc::Stat::has_ended(owner.cast_signed())
        };
        let slot = self.slots.iter().find(late)?;
        let limit = Duration::from_nanos(slot.limit_ns.load(Relaxed));
        let owner = slot.owner.load(Relaxed);
        Some(format!("{}: process {owner} saw no end within {limit:?}", slot.what.get()))
    }
}

#[cfg(test)]
mod tests {
    use std::{env, process::Command, thread, time::Duration};

    use super::Watchdog;

    const HANGS: &str = "TESTKIT_WATCHDOG_HANGS";

    #[test]
    fn what_it_says_is_heard_though_the_harness_keeps_what_tests_print() {
        let _watchdog = Watchdog::start(
            if env::var_os(HANGS).is_some() {
                Duration::from_millis(1)
            } else {
                Duration::from_secs(60)
            },
            "a test under the harness",
        );
        while env::var_os(HANGS).is_some() {
            thread::park();
        }
        let name = thread::current().name().unwrap().to_owned();
        let mut hanging = Command::new(env::current_exe().unwrap());
        let output = hanging.env(HANGS, "yes").args(["--exact", &name]).output().unwrap();
        assert!(!output.status.success());
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(words.contains("watchdog: a test under the harness"), "{words}");
    }
}
