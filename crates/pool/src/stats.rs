//! `Stats`: what can be said of a pool.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::board::Said;
use crate::dispatch::Place;
use crate::employee::Employee;
use crate::engine::Engine;
use crate::job::Job;
use crate::latency::Latency;
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
    /// How long tasks ran.
    pub run_time: Latency,
    /// How long it was from when tasks were submitted to when their answers were here; of one of
    /// sixteen.
    pub turnaround: Latency,
}

/// What can be said of a worker.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStats {
    /// Its place in the pool, from 0; who replaces it has the same.
    pub place: usize,
    /// The number of its process; `None` while it is being replaced, and when it has ended with the pool.
    pub pid: Option<u32>,
    /// What it does.
    pub state: WorkerState,
    /// How many tasks have been answered from this place.
    pub done: u64,
    /// How many tasks it has that it has not begun.
    pub queued: usize,
    /// What the task that it runs was [called](crate::TaskBuilder::tag).
    pub tag: Option<Arc<str>>,
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
    /// It has ended with the pool, and nobody takes its place.
    Ended,
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
        let is_over = !state.phase.has_workers();
        let (run_time, turnaround) = (state.run_times.latency(), state.turnarounds.latency());
        drop(state);
        if is_over {
            // Some may be about to be waited for.
            workers.iter_mut().for_each(|worker| worker.state = WorkerState::Ended);
        }
        // The system is asked without the lock.
        for worker in &mut workers {
            worker.memory = worker.pid.and_then(sys::resident_memory);
        }
        Self { replaced, queued, running, done, workers, run_time, turnaround }
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
        let ticket = match said {
            Said::Begun(ticket) if state == WorkerState::Running => Some(ticket),
            _ => None,
        };
        let mut given = place.given();
        let running = given.find(|(of_task, _)| Some(*of_task) == ticket);
        let n_running = usize::from(state == WorkerState::Running);
        Self {
            place: at,
            pid,
            state,
            done: place.n_answered(),
            queued: place.n_given().saturating_sub(n_running),
            tag: running.and_then(|(_, job)| job.plan.options.tag.clone()),
            running_for: ticket.and_then(|ticket| engine.board.time_at(at, ticket)),
            restarts: place.incarnation().saturating_sub(1),
            memory: None,
        }
    }
}

impl fmt::Display for Stats {
    /// A table, with a line for each worker.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workers, replaced, queued, running, done, run_time, turnaround } = self;
        let n_workers = workers.len();
        writeln!(
            formatter,
            "{n_workers} workers, {replaced} replaced; tasks: {done} done, {running} running, \
             {queued} queued"
        )?;
        if run_time.count > 0 {
            writeln!(formatter, "run time: {run_time}")?;
        }
        if turnaround.count > 0 {
            writeln!(formatter, "turnaround: {turnaround}")?;
        }
        write!(formatter, "place      pid state        done queued restarts  memory task")?;
        workers.iter().try_for_each(|worker| write!(formatter, "\n{worker}"))
    }
}

impl fmt::Display for WorkerStats {
    /// A line of the table.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, state, done, queued, restarts, .. } = self;
        let pid = self.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let memory =
            self.memory.map_or_else(|| "-".to_owned(), |bytes| format!("{}M", bytes >> 20));
        let state = state.to_string();
        write!(
            formatter,
            "{place:>5} {pid:>8} {state:<8} {done:>8} {queued:>6} {restarts:>8} {memory:>7}"
        )?;
        match (self.running_for, self.tag.as_deref()) {
            (Some(time), Some(tag)) => write!(formatter, " {tag}, {time:.1?}"),
            (Some(time), None) => write!(formatter, " {time:.1?}"),
            (None, _) => Ok(()),
        }
    }
}

impl fmt::Display for WorkerState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Starting => "starting",
            Self::Ended => "ended",
            Self::Idle => "idle",
            Self::Running => "running",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Stats, WorkerState, WorkerStats};

    #[test]
    fn stats_are_printed_as_a_table_with_a_line_for_each_worker() {
        let idle = WorkerStats {
            place: 0,
            pid: Some(4711),
            state: WorkerState::Idle,
            done: 12,
            queued: 0,
            tag: None,
            running_for: None,
            restarts: 3,
            memory: Some(5 << 20),
        };
        let running = WorkerStats {
            place: 1,
            state: WorkerState::Running,
            tag: Some("crawl".into()),
            running_for: Some(Duration::from_millis(1500)),
            ..idle.clone()
        };
        let starting = WorkerStats {
            place: 2,
            pid: None,
            state: WorkerState::Starting,
            memory: None,
            ..idle.clone()
        };
        let workers = vec![idle, running, starting];
        let stats =
            Stats { workers, replaced: 3, queued: 7, done: 36, running: 1, ..Stats::default() };
        assert_eq!(
            stats.to_string(),
            "3 workers, 3 replaced; tasks: 36 done, 1 running, 7 queued\n\
             place      pid state        done queued restarts  memory task\n    \
             0     4711 idle           12      0        3      5M\n    \
             1     4711 running        12      0        3      5M crawl, 1.5s\n    \
             2        - starting       12      0        3       -"
        );
    }
}
