//! `Stats`: what can be said of a pool.

use crate::board::Said;
use crate::engine::Engine;

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
}

/// What a worker does.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// It has not come to work yet, or died and is being replaced.
    Starting,
    /// It waits for a task.
    Idle,
    /// It runs a task.
    Running,
}

impl Stats {
    pub(crate) fn of(engine: &Engine) -> Self {
        let state = engine.lock();
        let workers: Vec<WorkerStats> = state
            .dispatch
            .places()
            .iter()
            .enumerate()
            .map(|(place, of_place)| {
                let said = engine.board.read(place);
                let pid = of_place.worker().map(|worker| worker.process.pid());
                let state = match said {
                    _ if pid.is_none() => WorkerState::Starting,
                    Said::Nothing => WorkerState::Starting,
                    Said::Begun(ticket) if of_place.has(ticket) => WorkerState::Running,
                    Said::Begun(_) | Said::Ready => WorkerState::Idle,
                };
                let n_running = usize::from(state == WorkerState::Running);
                let queued = of_place.n_given().saturating_sub(n_running);
                WorkerStats { place, pid, state, done: of_place.n_answered(), queued }
            })
            .collect();
        let queued = workers.iter().map(|worker| worker.queued).sum::<usize>();
        let running = workers.iter().filter(|worker| worker.state == WorkerState::Running).count();
        let done = workers.iter().map(|worker| worker.done).sum();
        let queued = queued + state.dispatch.n_queued();
        Self { replaced: state.n_replaced, queued, running, done, workers }
    }
}
