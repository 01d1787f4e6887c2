//! `Events`: what happens in a pool, told to who listens.
//!
//! Whoever has something to tell holds the lock of the engine, so telling never waits: a listener has
//! room for so many events, and what finds none is counted and forgotten. Room is taken by what is there
//! alone. Where nobody listens, nothing is made.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use proc_core::ExitStatus;

use crate::dispatch::Task as _;
use crate::job::Job;

/// Something that has happened in a pool.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A worker was started.
    WorkerStarted {
        /// Its place in the pool.
        place: usize,
        /// The number of its process.
        pid: u32,
    },
    /// A worker with an [initializer](crate::Builder::initializer) is ready for its first task.
    WorkerReady {
        /// Its place in the pool.
        place: usize,
        /// The number of its process.
        pid: u32,
    },
    /// A worker has ended, for whatever reason; if it is still wanted, another is started.
    WorkerDied {
        /// Its place in the pool.
        place: usize,
        /// The number that its process had.
        pid: u32,
        /// How it ended.
        status: ExitStatus,
    },
    /// A task was submitted, and waits until a worker has room for it, which may be at once.
    ///
    /// Of one that runs again after a death nothing more is told until it is given.
    TaskQueued {
        /// Which task.
        task: TaskId,
        /// How many wait with it, itself included.
        n_waiting: usize,
    },
    /// A worker was given a task. It begins when it is done with those that it was given before.
    ///
    /// One that was not begun can be given again, also to another worker: to one that has nothing to do, or behind
    /// one that is more urgent. If it is cancelled before it is begun, nothing more is told of it.
    TaskGiven {
        /// Which task.
        task: TaskId,
        /// In which place of the pool.
        place: usize,
        /// To whom.
        pid: u32,
    },
    /// A task was answered, with a result or a panic.
    TaskDone {
        /// Which task.
        task: TaskId,
        /// In which place of the pool.
        place: usize,
        /// By whom.
        pid: u32,
        /// How long it took.
        run_time: Duration,
    },
    /// The worker of a task has died of it, or was ended since its time was up or it was cancelled.
    TaskDied {
        /// Which task.
        task: TaskId,
        /// In which place of the pool.
        place: usize,
        /// Whose end it was.
        pid: u32,
        /// Whether it runs again.
        again: bool,
    },
}

/// Which of all tasks of a pool it is.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaskId {
    /// The how manieth task that was submitted, from 0.
    pub number: u64,
    /// What its caller [calls](crate::TaskBuilder::tag) it.
    pub tag: Option<Arc<str>>,
}

/// What happens in a pool, in its order, from when [`Pool::events`](crate::Pool::events) was called.
///
/// It ends with the pool, and until then an iterator over it waits for the next event. A pool never
/// waits for those who listen: who is too slow [misses](Self::missed) some.
///
/// # Process death
///
/// A worker's death is an event, after those of all that it had answered. A listener is told by its own
/// process only, so there is nobody else's death that it could miss.
///
/// # Examples
///
/// ```
/// use pool::{Event, Pool};
///
/// let pool = Pool::builder().workers(1).build()?;
/// let mut events = pool.events(100);
/// pool.call(|x: u32| x + 1, 1)?;
/// assert!(matches!(events.next(), Some(Event::TaskQueued { n_waiting: 1, .. })));
/// assert!(matches!(events.next(), Some(Event::TaskGiven { .. })));
/// assert!(matches!(events.next(), Some(Event::TaskDone { .. })));
/// drop(pool);
/// assert_eq!(events.next(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "events that nobody takes are missed"]
pub struct Events {
    receiver: Receiver<Event>,
    counts: Arc<Counts>,
}

/// What is counted of what a listener was told. Only the channel passes events on, so no order hangs on these.
#[derive(Debug, Default)]
struct Counts {
    /// How many it has taken.
    n_taken: AtomicU64,
    n_missed: AtomicU64,
}

/// Those who listen.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    listeners: Vec<Listener>,
}

#[derive(Debug)]
struct Listener {
    sender: Sender<Event>,
    /// How many events may wait.
    room: u64,
    /// How many it was told.
    n_told: u64,
    counts: Arc<Counts>,
}

impl Events {
    /// Waits for the next event at most so long; `None` if there is none, or never will be.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Event> {
        self.receiver.recv_timeout(timeout).ok().inspect(|_| self.taken())
    }

    /// The next event if it is there.
    pub fn try_next(&mut self) -> Option<Event> {
        self.receiver.try_recv().ok().inspect(|_| self.taken())
    }

    /// How many events found no room so far.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.counts.n_missed.load(Relaxed)
    }

    fn taken(&self) {
        self.counts.n_taken.fetch_add(1, Relaxed);
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.receiver.recv().ok().inspect(|_| self.taken())
    }
}

impl Hub {
    /// Somebody listens from now on, who has room for so many events.
    pub(crate) fn listen(&mut self, room: usize) -> Events {
        let (sender, receiver) = mpsc::channel();
        let counts = Arc::<Counts>::default();
        let room = u64::try_from(room.max(1)).unwrap_or(u64::MAX);
        self.listeners.push(Listener { sender, room, n_told: 0, counts: Arc::clone(&counts) });
        Events { receiver, counts }
    }

    /// Tells those who listen, if there are any.
    pub(crate) fn tell(&mut self, event: impl FnOnce() -> Event) {
        if self.listeners.is_empty() {
            return;
        }
        let event = event();
        self.listeners.retain_mut(|listener| listener.tell(&event));
    }

    /// Tells the same of each of some tasks.
    pub(crate) fn tell_each(
        &mut self,
        tasks: impl Iterator<Item = TaskId>,
        event: impl Fn(TaskId) -> Event,
    ) {
        if !self.listeners.is_empty() {
            tasks.for_each(|task| self.tell(|| event(task)));
        }
    }

    /// Nothing more happens.
    pub(crate) fn end(&mut self) {
        self.listeners.clear();
    }
}

impl Listener {
    /// Tells an event, if there is room for it; `false` if nobody listens any more.
    fn tell(&mut self, event: &Event) -> bool {
        if self.n_told.saturating_sub(self.counts.n_taken.load(Relaxed)) < self.room {
            self.n_told += 1;
            return self.sender.send(event.clone()).is_ok();
        }
        self.counts.n_missed.fetch_add(1, Relaxed);
        // Whoever listens has these, too.
        Arc::strong_count(&self.counts) > 1
    }
}

impl TaskId {
    pub(crate) fn of(job: &Job) -> Self {
        Self { number: job.number, tag: job.plan.options.tag.clone() }
    }

    /// Of each of those that travel together.
    pub(crate) fn each_of(job: &Job) -> impl Iterator<Item = Self> {
        let numbers = (job.number..).take(job.n_items());
        numbers.map(|number| Self { number, tag: job.plan.options.tag.clone() })
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Events").field("missed", &self.missed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Hub};

    fn event(place: usize) -> Event {
        Event::WorkerReady { place, pid: 7 }
    }

    #[test]
    fn listener_gets_all_for_which_it_has_room_and_is_told_of_the_rest() {
        let mut hub = Hub::default();
        hub.tell(|| unreachable!("nobody listens"));
        let (mut slow, mut quick) = (hub.listen(2), hub.listen(0));
        for place in 0..4 {
            hub.tell(|| event(place));
            assert_eq!(quick.try_next(), Some(event(place)));
        }
        assert_eq!((slow.missed(), quick.missed()), (2, 0));
        hub.end();
        assert_eq!(slow.by_ref().collect::<Vec<_>>(), [event(0), event(1)]);
        assert_eq!((slow.next(), slow.try_next()), (None, None));
        assert_eq!(quick.next_timeout(std::time::Duration::from_secs(100)), None);
    }

    #[test]
    fn listener_that_is_gone_is_forgotten_also_if_it_had_no_room() {
        let mut hub = Hub::default();
        drop(hub.listen(5));
        let full = hub.listen(1);
        hub.tell(|| event(1));
        assert_eq!(hub.listeners.len(), 1);
        drop(full);
        hub.tell(|| event(2));
        assert!(hub.listeners.is_empty());
    }

    #[test]
    fn room_for_any_number_of_events_takes_no_memory_before_they_are_there() {
        let mut hub = Hub::default();
        let mut events = hub.listen(usize::MAX);
        hub.tell(|| event(1));
        assert_eq!((events.try_next(), events.missed()), (Some(event(1)), 0));
    }
}
