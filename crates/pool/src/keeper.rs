//! The keeper: starts workers, and sees their ends.
//!
//! A thread that waits for all workers' descriptors. When one is dead it takes the status, so that no
//! zombie stays, and reports the end; when the collector has dealt with that, the place is empty and
//! the keeper starts another worker there.
//!
//! If worker after worker ends before it has come to work, something is wrong with the machine or the
//! program: the keeper waits longer and longer before the next start, and when nobody works any more
//! it gives up, and the pool's tasks fail. It never starts processes as fast as they die, those neither
//! that come to work and die before they have any (see [`vacancies`](crate::vacancies)).
//!
//! A worker that was told to end, or said that it does, has some time for that, and is killed then.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::slice;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::primitive::AtomicU64;
use ipc_core::wire::{Handle, MessageSocket};
use ipc_queue::Builder as QueueBuilder;
use proc_core::{ExitStatus, Process};

use crate::board::Said;
use crate::chunk::tray::Tray;
use crate::dispatch::{MOST_GIVEN, Place, Standing};
use crate::employee::{Employee, SLOT_BYTES};
use crate::engine::{Engine, Phase, State};
use crate::error::PoolError;
use crate::hiring::Hiring;
use crate::parcel::MOST_INLINE;
use crate::record::What;
use crate::rests::Rests;
use crate::shelf::RESULT_BYTES;
use crate::sys;
use crate::trace;
use crate::vacancies::Vacancies;
use crate::worker::{self, End, Seat};

/// How soon the keeper sees to it that somebody collects, while there are tasks ...
const SHORTEST_TICK: Duration = Duration::from_millis(5);
/// ... and how soon if somebody did so far.
const LONGEST_TICK: Duration = Duration::from_millis(80);

/// How soon the keeper looks again at what it cannot wait for.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long a worker has that was told to end, or said that it does. Only code of the user can take
/// long then.
const GRACE_TO_LEAVE: Duration = Duration::from_secs(1);

/// Slots of an inbox: enough for as many short tasks as a worker has at a time, or for one with as
/// many bytes as go through a ring.
pub(crate) const INBOX_SLOTS: usize =
    if MOST_GIVEN > MOST_INLINE / SLOT_BYTES { MOST_GIVEN } else { MOST_INLINE / SLOT_BYTES } + 64;

#[derive(Debug)]
pub(crate) struct Keeper {
    engine: Arc<Engine>,
    hiring: Hiring,
    watched: Vec<Watched>,
    vacancies: Vacancies,
    /// What is seen of those who may have nothing to do.
    rests: Rests,
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
    /// When it is killed: it was told to end, or said that it does.
    leave_by: Deadline,
}

impl Keeper {
    pub(crate) fn new(engine: Arc<Engine>, hiring: Hiring) -> Self {
        let n_places = engine.n_workers;
        Self {
            engine,
            hiring,
            watched: Vec::new(),
            vacancies: Vacancies::new(n_places),
            rests: Rests::new(n_places),
            tick: Deadline::NEVER,
            interval: SHORTEST_TICK,
        }
    }

    /// The keeper's life, until the pool is over. Says through `begun` whether all were started.
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
                self.hurry_up();
            }
            self.engine.attend();
            self.tick();
            self.rests.look(&self.engine);
            while self.try_hire_missing() && self.engine.grow() {}
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
        let next_look = self.engine.lock().look_at.min(self.rests.next_look());
        let mut deadline = self.next_start().min(self.tick).min(next_look);
        let mut files: Vec<BorrowedFd<'_>> = vec![self.engine.bell.as_fd()];
        for watched in &self.watched {
            deadline = deadline.min(watched.leave_by);
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
            if watched.leave_by.is_past() {
                kill(slice::from_ref(&watched.worker));
                watched.leave_by = Deadline::NEVER;
            }
            if !watched.is_held && !ready.next().unwrap_or(true) {
                return true;
            }
            let has_ended = matches!(watched.worker.process.exit_status(), Ok(Some(_)));
            if has_ended {
                ended.push((watched.place, watched.incarnation, Arc::clone(&watched.worker)));
            }
            watched.is_held = can_poll && !has_ended;
            !has_ended
        });
        for (place, incarnation, worker) in ended {
            let status = worker.process.exit_status().ok().flatten();
            trace::worker_ended(place, worker.process.pid(), status.unwrap_or(ExitStatus::Unknown));
            match self.engine.board.read(place) {
                Said::Nothing => {
                    let reason = why_not(&worker.process);
                    trace::start_failed(place, &reason);
                    self.vacancies.did_not_come(place, reason);
                }
                said => {
                    let state = self.engine.lock();
                    let stays = state.dispatch.places().get(place).is_some_and(Place::is_present);
                    drop(state);
                    self.vacancies.came(place, stays && said == Said::Ready);
                }
            }
            self.engine.tell(What::Ended, place, incarnation);
        }
        bell_rang
    }

    /// Sees to it that those who leave do so in time.
    fn hurry_up(&mut self) {
        let state = self.engine.lock();
        for watched in &mut self.watched {
            let place = state.dispatch.places().get(watched.place);
            let leaves = place.is_some_and(|place| place.standing() == Standing::Leaving);
            if leaves && watched.leave_by.is_never() {
                watched.leave_by = Deadline::after(GRACE_TO_LEAVE);
            }
        }
    }

    /// When the next start is to be tried.
    fn next_start(&self) -> Deadline {
        let state = self.engine.lock();
        let pauses = vacant(&state).map(|place| self.vacancies.pause(place));
        pauses.min().unwrap_or(Deadline::NEVER)
    }

    /// The same as [`hire_missing`](Self::hire_missing); says whether it went well.
    fn try_hire_missing(&mut self) -> bool {
        let hired = self.hire_missing();
        if let Err(error) = &hired {
            // The place is the first that wants somebody.
            if let Some(place) = self.next_vacancy() {
                let reason = error.to_string();
                trace::start_failed(place, &reason);
                self.vacancies.did_not_come(place, reason);
            }
        }
        self.give_up_if_hopeless();
        hired.is_ok()
    }

    /// The place that is to have a worker, if one is missing and a start can be tried.
    fn next_vacancy(&self) -> Option<usize> {
        let state = self.engine.lock();
        let mut vacant = vacant(&state);
        vacant.find(|place| self.vacancies.pause(*place).is_past())
    }

    /// Starts as many workers as are missing.
    fn hire_missing(&mut self) -> Result<(), PoolError> {
        while let Some(place) = self.next_vacancy() {
            let worker = Arc::new(self.hire(place)?);
            let prepares = self.hiring.initializer.is_some();
            trace::worker_started(place, worker.process.pid());
            match self.engine.employ(place, Arc::clone(&worker), prepares) {
                Ok(incarnation) => self.watched.push(Watched {
                    place,
                    incarnation,
                    worker,
                    is_held: false,
                    leave_by: Deadline::NEVER,
                }),
                Err(worker) => dismiss(&[worker]),
            }
        }
        Ok(())
    }

    fn hire(&self, place: usize) -> Result<Employee, PoolError> {
        let engine = &self.engine;
        let inbox = QueueBuilder::new(INBOX_SLOTS).message_bytes(SLOT_BYTES).bytes()?;
        // Takes the keeper's seat there before other threads have all of them.
        let _put = inbox.try_put(&[]);
        let (socket, theirs) =
            MessageSocket::pair().map_err(PoolError::system("make a pair of sockets"))?;
        let tray = Tray::new()?;
        let results = sys::blank_sheet(RESULT_BYTES).ok();
        engine.board.wipe(place);
        let seat = Seat {
            place: u32::try_from(place).unwrap_or(u32::MAX),
            inbox: inbox.clone(),
            outbox: engine.outbox.clone(),
            board: engine.board.segment().clone(),
            socket: theirs,
            tray: tray.segment().clone(),
            arguments: engine.shelf.as_ref().and_then(|shelf| handle_to(shelf.sheet())),
            results: results.as_ref().and_then(handle_to),
            initializer: self.hiring.initializer.clone(),
            limits: self.hiring.limits,
        };
        let process = Arc::new(self.hiring.process(place).spawn(worker::work, seat)?);
        Ok(Employee { process, place, inbox, socket, unwanted: AtomicU64::new(0), tray, results })
    }

    /// Gives the pool up if worker after worker did not come to work, and nobody is there who did, or
    /// still may: its initializer may take its time.
    fn give_up_if_hopeless(&self) {
        let is_hope = |watched: &Watched| {
            let place = watched.place;
            self.engine.board.read(place) != Said::Nothing || self.vacancies.is_first_try(place)
        };
        if let Some(reason) = self.vacancies.is_hopeless()
            && !self.watched.iter().any(is_hope)
        {
            trace::given_up(reason);
            self.engine.end(Phase::Broken(reason.to_owned()));
            // Whoever collects must look for what has arrived.
            self.engine.tell(What::Nudge, 0, 0);
        }
    }
}

/// The places that are to have a worker and have none. They are no more than are missing: of others each
/// would be tried without a pause.
fn vacant(state: &State) -> impl Iterator<Item = usize> {
    let n_missing = state.size.wanted.saturating_sub(state.n_present());
    let n_missing = if state.phase.has_workers() { n_missing } else { 0 };
    let places = state.dispatch.places().iter().enumerate();
    places.filter(|(_, place)| place.worker().is_none()).map(|(at, _)| at).take(n_missing)
}

/// Another handle to a file, for a worker; without it that does without.
fn handle_to(file: &OwnedFd) -> Option<Handle> {
    file.try_clone().ok().map(Handle::from)
}

/// Why a worker that has ended never came to work.
fn why_not(process: &Process<End>) -> String {
    match process.try_join() {
        Ok(Some(Err(reason))) => reason,
        Ok(_) => "a worker ended before it came to work".to_owned(),
        Err(error) => format!("a worker ended before it came to work: {error}"),
    }
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
