//! The keeper: starts workers, and sees their ends.
//!
//! A thread that waits for all workers' descriptors. When one is dead it takes the status, so that no
//! zombie stays, and reports the end; when the collector has dealt with that, the place is empty and
//! the keeper starts another worker there.
//!
//! If worker after worker ends before it has come to work, something is wrong with the machine or the
//! program: the keeper waits longer and longer before the next start, and when nobody works any more
//! it gives up, and the pool's tasks fail. It never starts processes as fast as they die.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::wire::MessageSocket;
use ipc_queue::Builder as QueueBuilder;
use proc_core::{Process, Start};

use crate::dispatch::MOST_GIVEN;
use crate::employee::{Employee, SLOT_BYTES};
use crate::engine::{Engine, Phase};
use crate::error::PoolError;
use crate::parcel::MOST_INLINE;
use crate::record::What;
use crate::sys;
use crate::worker::{self, Seat};

/// After so many workers in a row that did not come to work the pool is given up, if it has no other.
const MOST_FAILED_STARTS: u32 = 10;

/// The longest time before another start is tried.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How soon the keeper sees to it that somebody collects, while there are tasks ...
const SHORTEST_TICK: Duration = Duration::from_millis(5);
/// ... and how soon if somebody did so far.
const LONGEST_TICK: Duration = Duration::from_millis(80);

/// How soon the keeper looks again at what it cannot wait for.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long a worker's start may take. It has nothing to do but to open what it was given.
const LONGEST_START: Duration = Duration::from_secs(10);

/// Slots of an inbox: enough for as many short tasks as a worker has at a time, or for one with as
/// many bytes as go through a ring.
const INBOX_SLOTS: usize =
    if MOST_GIVEN > MOST_INLINE / SLOT_BYTES { MOST_GIVEN } else { MOST_INLINE / SLOT_BYTES } + 64;

#[derive(Debug)]
pub(crate) struct Keeper {
    engine: Arc<Engine>,
    watched: Vec<Watched>,
    /// Before that no start is tried.
    pause: Deadline,
    /// When it sees next whether somebody collects; never, if there is no need.
    tick: Deadline,
    /// How long it waits between two such looks.
    interval: Duration,
}

#[derive(Debug)]
struct Watched {
    place: usize,
    incarnation: u64,
    worker: Arc<Employee>,
    /// It has ended, and a debugger holds its status: its descriptor is ready all the time.
    is_held: bool,
}

impl Keeper {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        let (pause, tick, interval) = (Deadline::now(), Deadline::NEVER, SHORTEST_TICK);
        Self { engine, watched: Vec::new(), pause, tick, interval }
    }

    /// The keeper's life, until the pool is over. Says through `begun` whether all came to work.
    pub(crate) fn keep(mut self, begun: &SyncSender<Result<(), PoolError>>) {
        // Takes a seat at the outbox before others have all of them. Nobody works yet.
        let _empty = self.engine.outbox.try_get();
        let first = self.hire_missing();
        let has_begun = first.is_ok();
        // The builder waits for it.
        let _told = begun.send(first);
        if !has_begun {
            return;
        }
        while !self.is_over() {
            let bell_rang = self.watch();
            if bell_rang {
                self.engine.bell.silence();
                self.engine.look_around();
            }
            self.engine.attend();
            self.tick();
            if self.pause.is_past()
                && let Err(error) = self.hire_missing()
            {
                self.failed(&error);
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.engine.lock().phase, Phase::Over | Phase::Broken(_))
    }

    /// Sees to it that somebody collects as long as there are tasks, beginning a while after the
    /// first: most who submit a task wait for it at once.
    fn tick(&mut self) {
        if self.tick.is_never() {
            if self.engine.lock().is_ticking {
                self.interval = SHORTEST_TICK;
                self.tick = Deadline::after(self.interval);
            }
        } else if self.tick.is_past() {
            self.tick = match self.engine.tick() {
                None => Deadline::NEVER,
                Some(was_taken) => {
                    let longer = (self.interval * 2).min(LONGEST_TICK);
                    self.interval = if was_taken { longer } else { SHORTEST_TICK };
                    Deadline::after(self.interval)
                }
            };
        }
    }

    /// Waits until the bell rings, a worker has ended, or it is time for something.
    fn watch(&mut self) -> bool {
        let start = if self.has_missing() { self.pause } else { Deadline::NEVER };
        let mut deadline = start.min(self.tick).min(self.engine.lock().look_at);
        let mut files: Vec<BorrowedFd<'_>> = vec![self.engine.bell.as_fd()];
        for watched in &self.watched {
            if watched.is_held {
                deadline = deadline.min(Deadline::after(LOOK_AGAIN));
            } else {
                files.push(watched.worker.process.sentinel());
            }
        }
        let polled = sys::poll(&files, deadline);
        drop(files);
        let can_poll = polled.is_ok();
        let ready = polled.unwrap_or_else(|_| {
            // No memory for the call now, or the limit of descriptors is below their number.
            sys::nap(LOOK_AGAIN);
            Vec::new()
        });
        // Where nothing is known, it is looked at.
        let mut ready = ready.into_iter();
        let bell_rang = ready.next().unwrap_or(true);
        let mut ended = Vec::new();
        self.watched.retain_mut(|watched| {
            if !watched.is_held && !ready.next().unwrap_or(true) {
                return true;
            }
            let has_ended = matches!(watched.worker.process.exit_status(), Ok(Some(_)));
            if has_ended {
                ended.push((watched.place, watched.incarnation));
            }
            watched.is_held |= can_poll;
            !has_ended
        });
        for (place, incarnation) in ended {
            self.engine.tell(What::Ended, place, incarnation);
        }
        bell_rang
    }

    fn has_missing(&self) -> bool {
        let state = self.engine.lock();
        state.phase.has_workers() && state.dispatch.places().iter().any(|p| p.worker().is_none())
    }

    /// Starts a worker in each place that has none.
    fn hire_missing(&mut self) -> Result<(), PoolError> {
        loop {
            let state = self.engine.lock();
            let missing = state.dispatch.places().iter().position(|p| p.worker().is_none());
            let (Some(place), true) = (missing, state.phase.has_workers()) else { return Ok(()) };
            let n_failed = state.n_failed_starts;
            let n_working = state.dispatch.places().iter().filter(|p| p.worker().is_some()).count();
            drop(state);
            if n_failed > 0 {
                // Once after each failure; the time is set when it is noticed first.
                if n_failed >= MOST_FAILED_STARTS && n_working == 0 {
                    let reason = "workers end before they come to work".to_owned();
                    self.give_up(reason);
                    return Ok(());
                }
                self.pause = Deadline::after(pause_after(n_failed));
            }
            let worker = Arc::new(self.hire(place)?);
            match self.engine.employ(place, Arc::clone(&worker)) {
                Ok(incarnation) => {
                    self.watched.push(Watched { place, incarnation, worker, is_held: false });
                }
                Err(worker) => dismiss(&[worker]),
            }
            if n_failed > 0 {
                return Ok(());
            }
        }
    }

    fn hire(&self, place: usize) -> Result<Employee, PoolError> {
        let engine = &self.engine;
        let inbox = QueueBuilder::new(INBOX_SLOTS).message_bytes(SLOT_BYTES).bytes()?;
        // Takes the keeper's seat there before other threads have all of them.
        let _put = inbox.try_put(&[]);
        let (socket, theirs) =
            MessageSocket::pair().map_err(PoolError::system("make a pair of sockets"))?;
        engine.board.wipe(place);
        let seat = Seat {
            place: u32::try_from(place).unwrap_or(u32::MAX),
            inbox: inbox.clone(),
            outbox: engine.outbox.clone(),
            board: engine.board.segment().clone(),
            socket: theirs,
        };
        let process = Process::builder()
            .name(format!("pool-worker-{place}"))
            .start(Start::ForkServer)
            .dies_with_parent(true)
            .start_timeout(LONGEST_START)
            .spawn(worker::work, seat)?;
        Ok(Employee { process, inbox, socket })
    }

    /// A start has failed: later again, or never.
    fn failed(&mut self, error: &PoolError) {
        let mut state = self.engine.lock();
        state.n_failed_starts = state.n_failed_starts.saturating_add(1);
        let n_failed = state.n_failed_starts;
        let is_alone = state.dispatch.places().iter().all(|place| place.worker().is_none());
        drop(state);
        self.pause = Deadline::after(pause_after(n_failed));
        if n_failed >= MOST_FAILED_STARTS && is_alone {
            self.give_up(error.to_string());
        }
    }

    fn give_up(&self, reason: String) {
        self.engine.end(Phase::Broken(reason));
        // Whoever collects must look for what has arrived.
        self.engine.tell(What::Nudge, 0, 0);
    }
}

/// How long to wait after so many failures in a row.
fn pause_after(n_failed: u32) -> Duration {
    let millis = 1_u64 << n_failed.saturating_sub(1).min(10);
    Duration::from_millis(millis).min(LONGEST_PAUSE)
}

/// Ends workers that are not needed, and takes their statuses.
pub(crate) fn dismiss(workers: &[Arc<Employee>]) {
    /// Processes that were killed end at once, unless the kernel is in the middle of something for
    /// one, or a debugger holds it. Its status is taken later then.
    const GRACE: Duration = Duration::from_secs(5);

    // All are killed before one is waited for.
    kill(workers);
    let deadline = Deadline::after(GRACE);
    for worker in workers {
        let _status = worker.process.wait_deadline(deadline);
    }
}

pub(crate) fn kill(workers: &[Arc<Employee>]) {
    for worker in workers {
        // If it has ended already, all the better.
        let _killed = worker.process.kill();
    }
}
