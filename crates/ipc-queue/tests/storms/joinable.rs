//! A joinable queue: putters, workers and joiners, killed at random. Each item is finished once, and is
//! delivered until it is; join comes back, and not before what was put is finished.
//!
//! Every item has a word of notes, which whoever has it in its hands adds to before and after each step:
//!
//! | killed | the notes say | so the item |
//! |--------|---------------|-------------|
//! | in the put, or before the note after it | intended | may be finished once, or never |
//! | later | committed | must be finished once |
//! | with the item in its hands | delivered | comes again, with a greater count |
//! | in `done`, or before the note after it | finishing | is finished, or comes again |
//! | later | finished | never comes again |

use std::cell::Cell;
use std::time::Duration;

use ipc_queue::{Builder, GetError, JoinableQueue, PutError};
use testkit::kill::{Storm, Worker};
use testkit::{Counter, Outcome, SharedArena, clock};

/// What is stormed.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) capacity: usize,
    pub(crate) putters: usize,
    pub(crate) workers: usize,
    pub(crate) joiners: usize,
    /// How many kills in the quick form.
    pub(crate) kills: u64,
}

struct Stormed {
    queue: JoinableQueue<(usize, Vec<u8>)>,
    /// For each putter: how many items it has begun, and all putters of its place before it.
    begun: SharedArena<Counter>,
    /// For each item: what is known of it.
    notes: SharedArena<Counter>,
    n_finished: SharedArena<Counter>,
}

/// So many items a putter can put in the time, for it waits now and then.
const ROOM: usize = 1 << 21;

const INTENDED: u64 = 1;
const COMMITTED: u64 = 1 << 1;
const REFUSED: u64 = 1 << 2;
const DELIVERED: u64 = 1 << 8;
const FINISHING: u64 = 1 << 24;
const FINISHED: u64 = 1 << 40;

fn n_delivered(notes: u64) -> u64 {
    notes >> 8 & 0xffff
}

fn n_finishing(notes: u64) -> u64 {
    notes >> 24 & 0xffff
}

fn n_finished(notes: u64) -> u64 {
    notes >> 40
}

/// What a worker says that finds something wrong.
const WRONG: i32 = 3;

pub(crate) fn storm(name: &str, setting: Setting) -> Outcome {
    let Setting { capacity, putters, workers, joiners, kills } = setting;
    let queue = Builder::new(capacity)
        .seats(putters + workers + 1)
        .max_bytes(1 << 18)
        .retain_bytes(1 << 17)
        .without_backstop()
        .joinable()?;
    let stormed = Stormed {
        queue,
        begun: SharedArena::new(putters),
        notes: SharedArena::new(putters * ROOM),
        n_finished: SharedArena::new(1),
    };
    let is_stuck = Cell::new(false);
    let end = Storm::new(name, &stormed)
        .role("putter", putters, Stormed::put)
        .role("worker", workers, Stormed::work)
        .role("joiner", joiners, Stormed::join)
        .on_death(|stormed, death| {
            // The only one of its kind leaves the others with nothing to do.
            let others = putters > 1 && workers > 1 && death.generation % 2 == 0;
            if others && !is_stuck.get() && !stormed.gets_on() {
                is_stuck.set(true);
            }
        })
        .on_stop(|stormed| stormed.queue.close())
        .kills(if testkit::full() { kills * 50 } else { kills })
        .mean(Duration::from_millis(2))
        .run()?;
    if is_stuck.get() {
        return Err("after a death nobody got on until the dead one's place was taken".into());
    }
    while stormed.work_once()? {}
    stormed.queue.try_join()?;
    let stats = stormed.queue.stats();
    if stats.unfinished > 0 || stats.queue.blocks > 0 || stats.queue.bytes > 1 << 17 {
        return Err(format!("something was left: {stats:?}").into());
    }
    let [n_items, n_lost, n_doubled] = stormed.audit(end.kills);
    Ok(end.report(n_items, n_lost, n_doubled).into())
}

impl Stormed {
    fn put(&self, me: &Worker<'_>) -> i32 {
        let mut rng = me.rng("putter");
        loop {
            let number = usize::try_from(self.begun[me.place].add(1)).unwrap_or(ROOM);
            if number >= ROOM {
                return 0;
            }
            let item = me.place * ROOM + number;
            let notes = &self.notes[item];
            notes.add(INTENDED);
            let filling = vec![item.to_le_bytes()[0]; rng.index(6000)];
            match self.queue.put((item, filling)) {
                Ok(()) => notes.add(COMMITTED),
                Err(PutError::Closed(_)) => {
                    notes.add(REFUSED);
                    return 0;
                }
                Err(error) => return complain(&error),
            };
            // So that the queue is empty at times, and what was put is finished.
            if rng.chance(4) {
                clock::pause(Duration::from_micros(rng.range(0..200)));
            }
        }
    }

    fn work(&self, me: &Worker<'_>) -> i32 {
        let mut rng = me.rng("worker");
        loop {
            let (is_failed, is_dropped, is_held) = (rng.chance(8), rng.chance(2), rng.chance(8));
            match self.work_on(is_failed, is_dropped, is_held) {
                Ok(true) => me.got_on(),
                Ok(false) => return 0,
                Err(error) => return complain(&error),
            }
        }
    }

    fn work_once(&self) -> Result<bool, String> {
        self.work_on(false, false, false)
    }

    /// Works on an item, if there will be one. It may fail it, or have another in its hands meanwhile.
    fn work_on(&self, is_failed: bool, is_dropped: bool, is_held: bool) -> Result<bool, String> {
        let lease = match self.queue.get() {
            Ok(lease) => lease,
            Err(GetError::Closed) => return Ok(false),
            Err(error) => return Err(error.to_string()),
        };
        let (item, deliveries) = (lease.0, lease.deliveries());
        let notes = self.notes.get(item).ok_or("nobody has put it")?;
        let before = notes.add(DELIVERED);
        if lease.1.iter().any(|byte| *byte != item.to_le_bytes()[0]) {
            return Err(format!("{item} is torn"));
        }
        if before & INTENDED == 0 || n_finished(before) > 0 {
            return Err(format!("{item} came as {before:#x}"));
        }
        if u64::from(deliveries) <= n_delivered(before) {
            return Err(format!("{item} came for the time {deliveries} as {before:#x}"));
        }
        if is_held && let Ok(other) = self.queue.try_get() {
            let notes = self.notes.get(other.0).ok_or("nobody has put it")?;
            notes.add(DELIVERED);
            other.fail().map_err(|error| error.to_string())?;
        }
        if is_failed {
            lease.fail().map_err(|error| error.to_string())?;
            return Ok(true);
        }
        notes.add(FINISHING);
        if is_dropped {
            drop(lease);
        } else {
            lease.done().map_err(|error| error.to_string())?;
        }
        notes.add(FINISHED);
        self.n_finished[0].add(1);
        Ok(true)
    }

    /// Joins, and looks whether what was put before is finished.
    fn join(&self, me: &Worker<'_>) -> i32 {
        const LATEST: usize = 64;
        loop {
            let is_over = self.queue.is_closed();
            let begun: Vec<_> = self
                .begun
                .iter()
                .map(|begun| usize::try_from(begun.get()).unwrap_or(ROOM))
                .collect();
            let committed = |item: &usize| {
                self.notes.get(*item).is_some_and(|notes| notes.get() & COMMITTED != 0)
            };
            let putters = begun.iter().zip(0..);
            let latest: Vec<usize> = putters
                .flat_map(|(end, putter)| {
                    (end.saturating_sub(LATEST)..*end).map(move |it| putter * ROOM + it)
                })
                .filter(committed)
                .collect();
            if let Err(error) = self.queue.join() {
                return complain(&error);
            }
            me.got_on();
            for item in latest {
                let notes = self.notes[item].get();
                if n_finishing(notes) == 0 {
                    return complain(&format!("joined, and {item} was {notes:#x}"));
                }
            }
            if is_over {
                return 0;
            }
        }
    }

    /// Whether something is finished now, within a time that is long for that.
    fn gets_on(&self) -> bool {
        let before = self.n_finished[0].get();
        let start = clock::now_ns();
        while self.n_finished[0].get() == before {
            if clock::now_ns() - start > 3_000_000_000 {
                return false;
            }
            clock::pause(Duration::from_micros(20));
        }
        true
    }

    /// How many items there were, how many were lost, and how many finished twice.
    fn audit(&self, kills: u64) -> [u64; 3] {
        let (mut n_items, mut n_lost, mut n_doubled, mut in_doubt) = (0, 0, 0, 0);
        for notes in self.notes.iter().map(Counter::get).filter(|notes| *notes != 0) {
            n_items += 1;
            match n_finished(notes) {
                0 if notes & COMMITTED == 0 => {}
                // Its finisher was killed before it could note it.
                0 if n_finishing(notes) > 0 => in_doubt += 1,
                0 => n_lost += 1,
                1 => {}
                _ => n_doubled += 1,
            }
        }
        [n_items, n_lost + u64::saturating_sub(in_doubt, kills), n_doubled]
    }
}

#[expect(clippy::print_stderr, reason = "a worker's only way to say what is wrong")]
fn complain(what: &dyn std::fmt::Display) -> i32 {
    eprintln!("{what}");
    WRONG
}
