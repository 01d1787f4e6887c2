//! Plays a plan on a real pool.

use std::cell::Cell;
use std::time::Duration;

use pool::{MapTask, Pool, Retry, StatefulPool, Task, TaskBuilder, TaskError};
use proc_core::Start;

use crate::audit::{Audit, Done, Order, cargo, open_book, run, run_item};
use crate::given::Given;
use crate::heard::Heard;
use crate::plan::{Does, End, How, MOST_WORKERS, Many, Plan, Step};
use crate::reference::Reference;

/// How the items of a map are sent.
type Tasks<'p> = TaskBuilder<'p, Order, Done>;

/// A pool in a plan, and what is known of it.
struct Play {
    pool: StatefulPool<()>,
    audit: Audit,
    given: Given,
    reference: Reference,
    /// Tasks by their numbers; those that were forgotten, or are items of a map, are not there.
    tasks: Vec<Option<Task<Done>>>,
    /// Callbacks that get their results, by the numbers of the tasks.
    heard: Vec<(usize, Heard)>,
    /// Each with the number of its first item; those that were forgotten are not there.
    maps: Vec<Option<(usize, MapTask<Done>)>>,
    n_opened: u64,
}

/// Plays a plan; says what was wrong.
pub(crate) fn play(start: Start, plan: &Plan) -> Result<(), String> {
    let mut builder = Pool::builder().start(start).max_workers(MOST_WORKERS);
    builder = builder.workers(plan.n_workers);
    if let Some(most) = plan.max_tasks {
        builder = builder.max_tasks_per_worker(most);
    }
    if plan.is_elastic {
        builder = builder.elastic(Duration::from_millis(3));
    }
    let audit = Audit::new();
    let pool = builder.initializer(open_book, audit.clone()).build();
    let pool = pool.map_err(|error| error.to_string())?;
    let given = Given::new(pool.pool());
    let mut reference = Reference::new(plan.n_workers);
    if plan.is_elastic {
        reference.resize();
    }
    let mut play = Play {
        pool,
        audit,
        given,
        reference,
        tasks: Vec::new(),
        heard: Vec::new(),
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
            Step::SubmitMany(many) => self.submit_many(&many),
            Step::Iterate { many, n_taken, is_ordered, killed } => {
                return self.iterate(&many, n_taken, is_ordered, killed);
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
            Step::ForgetMany(which) => {
                if let Some(map) = self.maps.get_mut(which) {
                    *map = None;
                }
            }
            Step::Open => {
                self.n_opened += 1;
                self.audit.open_gate();
            }
            Step::Kill(place) => return self.kill(place),
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

    fn kill(&mut self, place: usize) -> Result<(), String> {
        let killed = self.pool.pool().kill_worker(place).map_err(|error| error.to_string())?;
        if killed.is_some() {
            self.reference.kill();
        }
        Ok(())
    }

    fn order(number: usize, does: Does) -> Order {
        Order { number, does, cargo: cargo(does) }
    }

    fn submit(&mut self, how: How) -> Result<(), String> {
        let mut builder = self.pool.pool().task(run).priority(how.priority);
        let retry = Retry::times(how.retries);
        builder = builder.retry(how.rest.map_or(retry, |rest| retry.with_backoff(rest)));
        if how.is_tagged {
            builder = builder.tag("task");
        }
        if let Some(limit) = how.limit {
            builder = builder.timeout(limit);
        }
        if how.is_asked {
            builder = builder.grace(Duration::from_millis(20));
        }
        let number = self.reference.n_tasks();
        match builder.submit(Self::order(number, how.does)) {
            Ok(task) => {
                self.given.submit(how.priority, how.rest.is_some());
                self.reference.submit(how, false);
                if let Some(panics) = how.callback {
                    self.heard.push((number, Heard::of(&task, panics)?));
                }
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

    /// The items of a map whose first has this number, and how they are sent.
    fn items(&self, first: usize, many: &Many) -> (impl Iterator<Item = Order> + use<>, Tasks<'_>) {
        let how = *many;
        let items = (0..how.n_items).map(move |at| Self::order(first + at, how.how(at).does));
        let tasks = self.pool.pool().task(run_item as fn(Order) -> Done);
        let tasks = tasks.retry(Retry::times(many.retries));
        (items, many.n_each.map_or(tasks.clone(), |n_each| tasks.chunk_size(n_each)))
    }

    /// So many items of a map were taken.
    fn submitted(&mut self, many: &Many, n_items: usize) {
        for at in 0..n_items {
            let how = many.how(at);
            self.given.submit(how.priority, false);
            self.reference.submit(how, true);
            self.tasks.push(None);
        }
    }

    fn submit_many(&mut self, many: &Many) {
        if self.reference.is_closed {
            // What a closed pool makes of a map is told by a test of its own.
            return;
        }
        let first = self.reference.n_tasks();
        let (items, tasks) = self.items(first, many);
        let map = tasks.submit_map(items);
        self.submitted(many, many.n_items);
        self.maps.push(Some((first, map)));
    }

    fn iterate(
        &mut self,
        many: &Many,
        n_taken: usize,
        is_ordered: bool,
        killed: Option<usize>,
    ) -> Result<(), String> {
        // Behind what never ends it would be waited for in vain.
        if self.reference.is_closed || !self.reference.is_clear(self.n_opened) {
            return Ok(());
        }
        let first = self.reference.n_tasks();
        let n_asked = Cell::new(0);
        let (items, tasks) = self.items(first, many);
        let items = items.inspect(|_| n_asked.set(n_asked.get() + 1));
        let mut results = Vec::new();
        let mut n_killed = 0;
        let mut take = |results_of: &mut dyn Iterator<Item = Result<Done, TaskError>>| {
            for result in results_of.take(n_taken) {
                results.push(result);
                if let Some(place) = killed.filter(|_| results.len() == 1) {
                    let killed = self.pool.pool().kill_worker(place);
                    n_killed += usize::from(killed.is_ok_and(|killed| killed.is_some()));
                }
            }
        };
        if is_ordered {
            take(&mut tasks.imap(items));
        } else {
            take(&mut tasks.imap_unordered(items));
        }
        drop(tasks);
        (0..n_killed).for_each(|_| self.reference.kill());
        self.submitted(many, n_asked.get());
        self.given.look()?;
        let mut left: Vec<usize> = (first..self.reference.n_tasks()).collect();
        left.iter().for_each(|item| self.given.touch(*item));
        for (result, at) in results.into_iter().zip(first..) {
            let item = match &result {
                _ if is_ordered => at,
                Ok((number, _)) => *number,
                // Whose error it is, is not told.
                Err(_) => continue,
            };
            if !left.contains(&item) {
                return Err(format!("no item {item} is left, of which this came: {result:?}"));
            }
            left.retain(|other| *other != item);
            self.reference.result(item, &result)?;
        }
        left.into_iter().for_each(|item| self.reference.forget(item));
        Ok(())
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
        let Some(Some((first, map))) = self.maps.get(which) else { return };
        let items = *first..*first + map.n_items();
        items.clone().for_each(|item| self.given.touch(item));
        let is_in_time = map.cancel();
        items.for_each(|item| self.cancelled(item, is_in_time));
    }

    /// Whether it can be waited for now.
    fn comes(&self, which: usize, task: &Task<Done>) -> bool {
        // What waits may be in the way of all others, and so may what hangs.
        task.is_ready() && self.reference.ends(which) && self.is_mine(which)
    }

    /// Whether its result goes to no callback.
    fn is_mine(&self, which: usize) -> bool {
        self.reference.how(which).callback.is_none()
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
        if !self.is_mine(which) {
            return Ok(());
        }
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
        match end {
            End::Join => {
                // Something that runs again and again is told of meanwhile.
                let pause = Duration::from_millis(100);
                while !self.pool.pool().join_timeout(pause).map_err(|error| error.to_string())? {
                    self.given.look()?;
                }
            }
            End::Terminate => self.pool.pool().terminate().map_err(|error| error.to_string())?,
            End::Drop => {}
        }
        let Self { pool, audit, mut given, mut reference, tasks, heard, maps, .. } = self;
        drop(pool);
        given.look()?;
        for (which, heard) in &heard {
            reference.result(*which, &heard.result()?)?;
        }
        // All is there: nothing is waited for.
        for (which, task) in tasks.into_iter().enumerate() {
            let Some(task) = task else { continue };
            let is_heard = reference.how(which).callback.is_some();
            match task.try_join().transpose() {
                Some(Err(TaskError::Taken)) if is_heard => {}
                Some(result) => reference.result(which, &result)?,
                None => return Err(format!("task {which} has no result: {reference:?}")),
            }
        }
        for (first, map) in maps.into_iter().flatten() {
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
