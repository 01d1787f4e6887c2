//! `Stats`: what can be said of a pool.

use std::sync::Arc;
use std::time::Duration;

use crate::board::Said;
use crate::dispatch::Place;
use crate::employee::Employee;
use crate::engine::Engine;
use crate::job::Job;
use crate::sys;

/// What can be said of a pool at one moment.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The workers, by their places.
    pub workers: Vec<WorkerStats>,
    /// How many workers were started in place of dead ones.
    pub replaced: u64,
    /// How many tasks wait, those included that a worker has and has not begun.
    pub queued: usize,
    /// How many tasks run.
    pub running: usize,
    /// How many tasks were answered, with a result or a panic.
    pub done: u64,
}

/// What can be said of a worker.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStats {
    /// Its place in the pool, from 0; who replaces it has the same.
    pub place: usize,
    /// The number of its process; `None` while it is being replaced.
    pub pid: Option<u32>,
    /// What it does.
    pub state: WorkerState,
    /// How many tasks have been answered from this place.
    pub done: u64,
    /// How many tasks it has that it has not begun.
    pub queued: usize,
    /// How long it has been at the task that it runs.
    pub running_for: Option<Duration>,
    /// How many workers in this place were replaced.
    pub restarts: u64,
    /// How many bytes of memory it has now.
    pub memory: Option<u64>,
}

/// What a worker does.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// It has not come to work yet, or ends or has died, and is being replaced.
    Starting,
    /// It waits for a task.
    Idle,
    /// It runs a task.
    Running,
}

impl Stats {
    pub(crate) fn of(engine: &Engine) -> Self {
        let state = engine.lock();
        let places = state.dispatch.places();
        let mut n_missing = state.size.wanted.saturating_sub(state.n_present());
        let mut workers: Vec<WorkerStats> = Vec::new();
        for (at, place) in places.iter().enumerate() {
            if place.worker().is_some() || n_missing > 0 {
                n_missing -= usize::from(place.worker().is_none());
                workers.push(WorkerStats::of(engine, at, place));
            }
        }
        let queued = workers.iter().map(|worker| worker.queued).sum::<usize>();
        let running = workers.iter().filter(|worker| worker.state == WorkerState::Running).count();
        let done = places.iter().map(Place::n_answered).sum();
        let queued = queued + state.dispatch.n_queued();
        let replaced = state.n_replaced;
        drop(state);
        // The system is asked without the lock.
        for worker in &mut workers {
            worker.memory = worker.pid.and_then(sys::resident_memory);
        }
        Self { replaced, queued, running, done, workers }
    }
}

impl WorkerStats {
    fn of(engine: &Engine, at: usize, place: &Place<Arc<Employee>, Job>) -> Self {
        let pid = place.worker().map(|worker| worker.process.pid());
        let said = engine.board.read(at);
        let state = match said {
            _ if pid.is_none() => WorkerState::Starting,
            Said::Nothing | Said::Leaving => WorkerState::Starting,
            Said::Begun(ticket) if place.has(ticket) => WorkerState::Running,
            Said::Begun(_) | Said::Ready => WorkerState::Idle,
        };
        let running_for = match said {
            Said::Begun(ticket) if state == WorkerState::Running => {
                engine.board.time_at(at, ticket)
            }
            _ => None,
        };
        let n_running = usize::from(state == WorkerState::Running);
        Self {
            place: at,
            pid,
            state,
            done: place.n_answered(),
            queued: place.n_given().saturating_sub(n_running),
            running_for,
            restarts: place.incarnation().saturating_sub(1),
            memory: None,
        }
    }
}
