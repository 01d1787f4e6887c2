//! Plays a plan on a real pool.

use std::time::Duration;

use pool::{MapTask, Pool, Retry, StatefulPool, Task, TaskError};
use proc_core::Start;

use crate::audit::{Audit, Done, Order, cargo, open_book, run};
use crate::given::Given;
use crate::plan::{Does, End, How, MOST_WORKERS, Plan, Step};
use crate::reference::Reference;

/// A pool in a plan, and what is known of it.
struct Play {
    pool: StatefulPool<()>,
    audit: Audit,
    given: Given,
    reference: Reference,
    /// Tasks by their numbers; those that were forgotten, or are items of a map, are not there.
    tasks: Vec<Option<Task<Done>>>,
    /// Each with the number of its first item.
    maps: Vec<(usize, MapTask<Done>)>,
    n_opened: u64,
}

/// Plays a plan; says what was wrong.
pub(crate) fn play(start: Start, plan: &Plan) -> Result<(), String> {
    let mut builder = Pool::builder().start(start).max_workers(MOST_WORKERS);
    builder = builder.workers(plan.n_workers);
    if let Some(most) = plan.max_tasks {
        builder = builder.max_tasks_per_worker(most);
    }
    let audit = Audit::new();
    let pool = builder.initializer(open_book, audit.clone()).build();
    let pool = pool.map_err(|error| error.to_string())?;
    let given = Given::new(pool.pool());
    let mut play = Play {
        pool,
        audit,
        given,
        reference: Reference::new(plan.n_workers),
        tasks: Vec::new(),
        maps: Vec::new(),
        n_opened: 0,
    };
    for step in &plan.steps {
        play.step(step)
            .and_then(|()| play.given.look())
            .map_err(|why| format!("{step:?}: {why}"))?;
    }
    play.end(plan.end).map_err(|why| format!("{:?}: {why}", plan.end))
}

impl Play {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Submit(how) => return self.submit(how),
            Step::SubmitMany { n_items, micros, retries } => {
                self.submit_many(n_items, micros, retries);
            }
            Step::Cancel(which) => self.cancel(which),
            Step::CancelMany(which) => self.cancel_many(which),
            Step::Join(which) => return self.join(which),
            Step::Glance(which) => return self.glance(which),
            Step::Forget(which) => {
                if let Some(task) = self.tasks.get_mut(which)
                    && self.reference.ends(which)
                {
                    self.given.touch(which);
                    *task = None;
                }
            }
            Step::Open => {
                self.n_opened += 1;
                self.audit.open_gate();
            }
            Step::Kill(place) => {
                let killed =
                    self.pool.pool().kill_worker(place).map_err(|error| error.to_string())?;
                if killed.is_some() {
                    self.reference.kill();
                }
            }
            Step::Resize(n_workers) => {
                self.pool.pool().resize(n_workers).map_err(|error| error.to_string())?;
                self.reference.resize();
            }
            Step::Rest(micros) => testkit::clock::pause(Duration::from_micros(micros)),
            Step::Close => {
                self.pool.pool().close();
                self.reference.is_closed = true;
            }
        }
        Ok(())
    }

    fn order(number: usize, does: Does) -> Order {
        Order { number, does, cargo: cargo(does) }
    }

    fn submit(&mut self, how: How) -> Result<(), String> {
        let mut builder = self.pool.pool().task(run).priority(how.priority);
        builder = builder.retry(Retry::times(how.retries));
        if let Some(limit) = how.limit {
            builder = builder.timeout(limit);
        }
        if how.is_asked {
            builder = builder.grace(Duration::from_millis(20));
        }
        let number = self.reference.n_tasks();
        match builder.submit(Self::order(number, how.does)) {
            Ok(task) => {
                self.given.submit(how.priority);
                self.reference.submit(how, false);
                self.tasks.push(Some(task));
                if self.reference.is_closed {
                    return Err("a closed pool took a task".to_owned());
                }
            }
            Err(error) if error.is_closed() && self.reference.is_closed => {
                let order = error.into_inner();
                if (order.number, order.does) != (number, how.does) {
                    return Err(format!("another argument came back: {order:?}"));
                }
            }
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    fn submit_many(&mut self, n_items: usize, micros: u32, retries: u32) {
        if self.reference.is_closed {
            // What a closed pool makes of a map is told by a test of its own.
            return;
        }
        let does = Does::Work(micros);
        let how = How { does, priority: 0, retries, limit: None, is_asked: false };
        let first = self.reference.n_tasks();
        let orders: Vec<Order> = (first..first + n_items).map(|n| Self::order(n, does)).collect();
        for _ in 0..n_items {
            self.given.submit(how.priority);
            self.reference.submit(how, true);
            self.tasks.push(None);
        }
        let map = self.pool.pool().task(run).retry(Retry::times(retries)).submit_map(orders);
        self.maps.push((first, map));
    }

    fn cancel(&mut self, which: usize) {
        if let Some(Some(task)) = self.tasks.get(which) {
            self.given.touch(which);
            let is_in_time = task.cancel();
            self.cancelled(which, is_in_time);
        }
    }

    fn cancelled(&mut self, which: usize, is_in_time: bool) {
        if is_in_time {
            self.given.cancel(which);
        }
        self.reference.cancel(which, is_in_time, &self.audit);
    }

    fn cancel_many(&mut self, which: usize) {
        let Some((first, map)) = self.maps.get(which) else { return };
        let items = *first..*first + map.n_items();
        items.clone().for_each(|item| self.given.touch(item));
        let is_in_time = map.cancel();
        items.for_each(|item| self.cancelled(item, is_in_time));
    }

    /// Whether it can be waited for now.
    fn comes(&self, which: usize, task: &Task<Done>) -> bool {
        // What waits may be in the way of all others, and so may what hangs.
        task.is_ready() && self.reference.ends(which)
    }

    fn join(&mut self, which: usize) -> Result<(), String> {
        let Some(Some(task)) = self.tasks.get(which) else { return Ok(()) };
        if !self.comes(which, task) {
            return Ok(());
        }
        let result = task.join();
        self.take(which, &result)
    }

    fn glance(&mut self, which: usize) -> Result<(), String> {
        let Some(Some(task)) = self.tasks.get(which) else { return Ok(()) };
        match task.join_timeout(Duration::from_micros(300)).transpose() {
            None => Ok(()),
            Some(result) => self.take(which, &result),
        }
    }

    /// A task has a result, and has it once.
    fn take(&mut self, which: usize, result: &Result<Done, TaskError>) -> Result<(), String> {
        self.reference.result(which, result)?;
        let Some(task) = self.tasks.get_mut(which).and_then(Option::take) else { return Ok(()) };
        match task.join() {
            Err(TaskError::Taken) => Ok(()),
            again => Err(format!("task {which} came to {result:?} and then to {again:?}")),
        }
    }

    fn end(mut self, end: End) -> Result<(), String> {
        match end {
            End::Join => {
                self.audit.open_all_gates();
                for which in 0..self.tasks.len() {
                    if !self.reference.ends(which) {
                        self.cancel_for_good(which)?;
                    }
                }
            }
            End::Terminate | End::Drop => self.reference.terminate(),
        }
        let Self { pool, .. } = &self;
        match end {
            End::Join => pool.pool().join().map_err(|error| error.to_string())?,
            End::Terminate => pool.pool().terminate().map_err(|error| error.to_string())?,
            End::Drop => {}
        }
        let Self { pool, audit, mut given, mut reference, tasks, maps, .. } = self;
        drop(pool);
        given.look()?;
        // All is there: nothing is waited for.
        for (which, task) in tasks.into_iter().enumerate() {
            let Some(task) = task else { continue };
            match task.try_join().transpose() {
                Some(result) => reference.result(which, &result)?,
                None => return Err(format!("task {which} has no result: {reference:?}")),
            }
        }
        for (first, map) in maps {
            let n_items = map.n_items();
            match map.join_timeout(Duration::ZERO).transpose() {
                Some(Ok(results)) => {
                    if results.len() != n_items {
                        return Err(format!("{} results of {n_items} items", results.len()));
                    }
                    for (item, done) in (first..).zip(results) {
                        reference.result(item, &Ok(done))?;
                    }
                }
                Some(Err(failed)) => {
                    reference.result(first + failed.index, &Err(failed.error))?;
                }
                None => return Err(format!("a map of {n_items} items has no result")),
            }
        }
        reference.close_book(&audit)
    }

    /// Ends a task that does not by itself.
    fn cancel_for_good(&mut self, which: usize) -> Result<(), String> {
        // It may have been forgotten, with nobody to cancel it.
        let Some(Some(task)) = self.tasks.get(which) else { return Ok(()) };
        self.given.touch(which);
        let is_in_time = task.cancel();
        if !is_in_time && !task.is_ready() {
            return Err(format!("task {which} could not be cancelled, and is not done"));
        }
        self.cancelled(which, is_in_time);
        self.given.look()
    }
}
