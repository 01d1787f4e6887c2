//! A batch: items of one function that go to workers as they are needed, alone or in chunks.

mod unsent;
mod window;

use std::collections::VecDeque;
use std::iter;
use std::sync::{Arc, Mutex};

use ipc_core::Deadline;
use ipc_core::wire::EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::unsent::Unsent;
use crate::chunk::answers::Results;
use crate::chunk::{Chunk, MOST_BYTES, MOST_ITEM_BYTES};
use crate::error::{MapError, PoolError, TaskError};
use crate::gathered::Gathered;
use crate::job::{Argument, Job, Plan};
use crate::mailbox::{Fate, Mailbox, Waited};
use crate::map_task::Parts;
use crate::pool::Pool;
use crate::sys;
use crate::task;
use crate::trace;

/// How the tasks of a function are run: each alone, or many together.
#[derive(Debug)]
pub(crate) struct Plans {
    pub(crate) one: Arc<Plan>,
    /// `None` if each is to be alone.
    pub(crate) many: Option<Arc<Plan>>,
}

/// Tasks of one function, some of which are under way.
pub(crate) struct Batch<'p, A, R, I> {
    pool: &'p Pool,
    mailbox: Arc<Mailbox>,
    plans: Result<Plans, Option<PoolError>>,
    /// `None` when it has ended, or nothing more is wanted of it.
    items: Option<I>,
    /// How many items travel together, if that was said.
    n_each: Option<usize>,
    /// How many items were taken.
    n_taken: usize,
    /// How many of them were sent and have not come back.
    n_away: usize,
    /// The caller comes for results soon.
    collects: bool,
    /// Results are wanted together, when all are there.
    gathers: bool,
    /// The last item was too large to travel with others, or had handles: so will the next be.
    goes_alone: bool,
    /// What could not be sent.
    refused: VecDeque<(usize, TaskError)>,
    /// What was taken out of the mailbox and not handed out.
    arrived: VecDeque<(usize, Fate)>,
    /// Results that have come back together and were not handed out, with the place of the first.
    here: Option<(usize, Results<R>)>,
    unsent: Unsent,
    types: std::marker::PhantomData<fn(A) -> R>,
}

impl<'p, A, R, I> Batch<'p, A, R, I>
where
    A: Serialize,
    R: Serialize + DeserializeOwned,
    I: Iterator<Item = A>,
{
    pub(crate) fn new(
        pool: &'p Pool,
        plans: Result<Plans, PoolError>,
        items: I,
        n_each: Option<usize>,
    ) -> Self {
        Self {
            pool,
            mailbox: Arc::default(),
            plans: plans.map_err(Some),
            items: Some(items),
            n_each,
            n_taken: 0,
            n_away: 0,
            collects: true,
            gathers: false,
            goes_alone: false,
            refused: VecDeque::new(),
            arrived: VecDeque::new(),
            here: None,
            unsent: Unsent::default(),
            types: std::marker::PhantomData,
        }
    }

    /// The next result that comes, with the place of its item; `None` when all are here. Items are taken
    /// only as long as there are fewer than `n_taken`.
    pub(crate) fn next_result(&mut self, n_taken: usize) -> Option<(usize, Result<R, TaskError>)> {
        loop {
            if let Some((index, results)) = &mut self.here {
                if let Some(result) = results.next() {
                    *index += 1;
                    return Some((*index - 1, result));
                }
                self.here = None;
            }
            match self.next_fate(n_taken)? {
                (index, Ok(Fate::Chunk(answers))) => {
                    self.here = Some((index, answers.into_results()));
                }
                (index, fate) => return Some((index, fate.and_then(task::result))),
            }
        }
    }

    /// All results in the order of the items, or the first item, by place, that has none.
    pub(crate) fn gather(self) -> Result<Vec<R>, MapError> {
        self.gather_with(|_| ())
    }

    /// The same; tells `is_done` of how many items more are done.
    pub(crate) fn gather_with(mut self, is_done: impl Fn(usize)) -> Result<Vec<R>, MapError> {
        let most = self.items.as_ref().map_or(0, |items| items.size_hint().0);
        self.gathers = true;
        trace::in_map(most, || {
            let most_ahead = MOST_AHEAD / size_of::<R>().max(1);
            let mut gathered = Gathered::expecting(most.min(most_ahead));
            while let Some((index, fate)) = self.next_fate(usize::MAX) {
                let n_items = fate.as_ref().map_or(1, Fate::n_items);
                match fate {
                    Ok(fate) => gathered.add_fate(index, fate),
                    Err(error) => gathered.add(index, Err(error)),
                }
                is_done(n_items);
            }
            gathered.into_result()
        })
    }

    /// Sends all items at once, for whoever takes the results later.
    pub(crate) fn send_all(mut self) -> Parts {
        self.collects = false;
        // How many of them a worker gets at a time is decided when it gets them.
        let most = self.n_each.filter(|n_each| *n_each > 1).unwrap_or(usize::MAX);
        while self.send_some(most) {}
        let refused = self.refused.drain(..).next();
        // Nobody is to forget the tasks.
        self.n_away = 0;
        let (mailbox, n_items) = (Arc::clone(&self.mailbox), self.n_taken);
        Parts { mailbox, n_items, refused: Mutex::new(refused) }
    }

    /// What became of an item, or of some that follow one another; or why the item could not be sent.
    fn next_fate(&mut self, n_taken: usize) -> Option<(usize, Result<Fate, TaskError>)> {
        self.send_left();
        loop {
            let portion = self.portion();
            let window = self.window_of(portion);
            let n_together = portion.max(self.n_alone_together(window));
            let most = n_together.min(n_taken.saturating_sub(self.n_taken));
            if self.n_away < window.enough && most > 0 && self.send_some(most) {
                continue;
            }
            if let Some((index, error)) = self.refused.pop_front() {
                return Some((index, Err(error)));
            }
            if self.n_away == 0 {
                return None;
            }
            let may_take = self.n_away < window.most && most > 0;
            if may_take && !self.is_here() && self.send_some(most) {
                continue;
            }
            return Some(self.receive());
        }
    }

    /// Whether a result can be handed out without waiting.
    fn is_here(&self) -> bool {
        !self.arrived.is_empty() || self.mailbox.is_ready() || {
            self.pool.engine().poll();
            self.mailbox.is_ready()
        }
    }

    fn receive(&mut self) -> (usize, Result<Fate, TaskError>) {
        if let Some((index, fate)) = self.arrived.pop_front() {
            self.n_away = self.n_away.saturating_sub(fate.n_items());
            return (index, Ok(fate));
        }
        if let Some(time) = self.time_to_nap()
            && !self.is_here()
        {
            self.pool.engine().lead.nap(|| sys::nap(time));
        }
        match self.pool.engine().wait(&self.mailbox, Deadline::NEVER) {
            Waited::Arrived(index, fate) => {
                self.n_away = self.n_away.saturating_sub(fate.n_items());
                self.mailbox.take_all(&mut self.arrived);
                (index, Ok(fate))
            }
            // Not while something is away.
            _ => {
                self.n_away -= 1;
                (0, Err(TaskError::Terminated))
            }
        }
    }

    /// Takes items, at most so many, and sends them; `false` if there are none.
    fn send_some(&mut self, most: usize) -> bool {
        let can = matches!(&self.plans, Ok(plans) if plans.many.is_some());
        if most <= 1 || self.goes_alone || !can {
            return self.send_alone(most.min(MOST_TOGETHER));
        }
        let first = self.n_taken;
        let mut chunk = self.unsent.gather(&mut self.items, &mut self.n_taken, most);
        let mut other = None;
        while chunk.n_items() < most
            && chunk.n_bytes() < MOST_BYTES
            && let Some((index, item)) = chunk.take_item()
        {
            let put = match chunk.put(&item) {
                Ok(n_bytes) if n_bytes <= MOST_ITEM_BYTES => continue,
                Ok(n_bytes) => {
                    chunk.take_back(n_bytes);
                    Ok(())
                }
                Err(error) => Err(error),
            };
            other = Some((index, item, put));
            break;
        }
        drop(chunk);
        self.send_chunk();
        match other {
            None => self.n_taken > first,
            // It is large, or has handles.
            Some((index, item, Ok(()) | Err(EncodeError::HandleNotAllowed))) => {
                self.send_one(index, &item);
                true
            }
            Some((index, _, Err(error))) => {
                self.refused.push_back((index, PoolError::Argument(error).into()));
                true
            }
        }
    }

    fn take_item(&mut self) -> Option<(usize, A)> {
        let item = self.items.as_mut().and_then(Iterator::next);
        if item.is_none() {
            self.items = None;
        }
        let index = self.n_taken;
        self.n_taken += usize::from(item.is_some());
        Some((index, item?))
    }

    /// Sends those that travel together, if there are any.
    fn send_chunk(&mut self) {
        let Some((first, n_items, items)) = self.unsent.take_packed() else { return };
        let plan = match &self.plans {
            Ok(Plans { many: Some(plan), .. }) => Arc::clone(plan),
            _ => return,
        };
        let chunk = Chunk::new(items, n_items, self.n_each.is_some());
        let job = Job::new(&plan, Argument::Many(chunk), first, &self.mailbox);
        let sent = self.send(n_items, iter::once(job));
        self.note(first, n_items, sent);
    }

    /// Takes items, at most so many, and sends each alone; `false` if there are none.
    fn send_alone(&mut self, most: usize) -> bool {
        let first = self.n_taken;
        while self.unsent.n_parcels() < most
            && let Some((index, item)) = self.take_item()
            && self.pack(index, &item)
            && !self.goes_alone
        {}
        self.send_parcels();
        self.n_taken > first
    }

    fn send_one(&mut self, index: usize, item: &A) {
        self.pack(index, item);
        self.send_parcels();
    }

    /// Makes an item ready to be sent; `false` if it cannot be.
    fn pack(&mut self, index: usize, item: &A) -> bool {
        let shelf = self.pool.engine().shelf.as_ref();
        let packed = match &mut self.plans {
            Ok(_) => self.unsent.encode(index, item, shelf).map_err(PoolError::Argument),
            Err(reason) => Err(reason.take().unwrap_or(PoolError::NotInProgram)),
        };
        match packed {
            Ok(goes_alone) => {
                self.goes_alone = goes_alone;
                true
            }
            Err(error) => {
                self.note(index, 1, Err(error));
                false
            }
        }
    }

    /// Sends what is ready, each alone.
    fn send_parcels(&mut self) {
        let Ok(plans) = &self.plans else { return };
        let mut parcels = self.unsent.take_parcels();
        let Some((first, _)) = parcels.first() else { return };
        let (first, n_items) = (*first, parcels.len());
        let jobs = parcels.drain(..).map(|(index, parcel)| {
            Job::new(&plans.one, Argument::One(parcel), index, &self.mailbox)
        });
        let sent = self.send(n_items, jobs);
        self.unsent.give_room(parcels);
        self.note(first, n_items, sent);
    }

    /// Sends what was taken when the input, or the encoding of an item, panicked.
    fn send_left(&mut self) {
        if !self.unsent.is_any() {
            return;
        }
        let panicked = self.unsent.take_in_hand(self.n_taken);
        self.send_chunk();
        self.send_parcels();
        if let Some(index) = panicked {
            let reason = "the encoding of its argument panicked".to_owned();
            self.refused.push_back((index, TaskError::Lost(reason)));
        }
    }

    fn send(&self, n_items: usize, jobs: impl Iterator<Item = Job>) -> Result<(), PoolError> {
        let engine = self.pool.engine();
        if self.collects {
            engine.take(&self.mailbox, n_items, jobs).map(drop)
        } else {
            engine.submit(&self.mailbox, n_items, jobs).map(drop)
        }
    }

    fn note(&mut self, index: usize, n_items: usize, sent: Result<(), PoolError>) {
        match sent {
            Ok(()) => self.n_away += n_items,
            Err(error) => {
                // What is wrong with one argument may be right with the next.
                if !matches!(error, PoolError::Argument(_)) {
                    self.items = None;
                }
                self.refused.push_back((index, error.into()));
            }
        }
    }
}

/// So many bytes of room are made for results before there are any.
const MOST_AHEAD: usize = 8 << 20;

/// So many items that go alone are sent under one lock.
const MOST_TOGETHER: usize = 32;

impl<A, R, I> Batch<'_, A, R, I> {
    /// How many items are under way.
    pub(crate) const fn n_away(&self) -> usize {
        self.n_away
    }
}

impl<A, R, I> Drop for Batch<'_, A, R, I> {
    fn drop(&mut self) {
        if self.n_away > 0 && self.pool.engine().is_ours() {
            self.pool.engine().forget(&self.mailbox);
        }
    }
}
