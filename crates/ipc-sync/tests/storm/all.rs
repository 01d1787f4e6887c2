//! All primitives together: each protects a count of its own, or hands something on.
//!
//! Whatever lets in one at a time protects an addition that is not atomic: a load and a store. A
//! worker notes that it is about to add, adds, and notes that it has added; so at the end each count
//! is known but for one addition for each death, and an addition that got lost shows.

use std::time::Duration;

use ipc_sync::{
    Barrier, BarrierError, Condition, Event, LockError, MemberError, Mutex, Once, RLock, RwLock,
    Semaphore, WaitError,
};
use testkit::kill::{Storm, Worker};
use testkit::seed::Rng;
use testkit::{Counter, Outcome, SharedArena};

use super::{LONGEST_STALL, complain};

const N_WORKERS: usize = 6;
const N_ONCES: usize = 200;
/// How long who waits for somebody who need not come waits at most.
const SHORT: Duration = Duration::from_micros(500);

/// What protects a count.
#[derive(Clone, Copy)]
enum By {
    RLock,
    Writer,
    Permit,
}

const ALL: [By; 3] = [By::RLock, By::Writer, By::Permit];

struct Stormed {
    rlock: RLock,
    /// The same number twice: whoever dies between the two leaves them different.
    pair: RwLock<[u64; 2]>,
    permits: Semaphore,
    tokens: Mutex<u64>,
    there_are_tokens: Condition,
    event: Event,
    onces: Vec<Once>,
    barrier: Barrier,
    /// How many came through it with each number.
    passed: SharedArena<Counter>,
    /// How far each `Once` has come: so often it was begun and ended.
    ended: SharedArena<Counter>,
    /// What each of `ALL` protects.
    counts: SharedArena<Counter>,
    /// For each worker and each of `ALL`: additions that were begun, and that were done.
    begun: SharedArena<Counter>,
    done: SharedArena<Counter>,
    /// Tokens that were put in and taken out.
    put_in: SharedArena<Counter>,
    taken_out: SharedArena<Counter>,
}

pub(crate) fn storm(name: &str, kills: u64) -> Outcome {
    let stormed = Stormed {
        rlock: RLock::new()?,
        pair: RwLock::new([0; 2])?,
        permits: Semaphore::new(1)?,
        tokens: Mutex::new(0)?,
        there_are_tokens: Condition::new()?,
        event: Event::new()?,
        onces: (0..N_ONCES).map(|_| Once::new()).collect::<Result<_, _>>()?,
        barrier: Barrier::new(2)?,
        passed: SharedArena::new(2),
        ended: SharedArena::new(N_ONCES),
        counts: SharedArena::new(ALL.len()),
        begun: SharedArena::new(N_WORKERS * ALL.len()),
        done: SharedArena::new(N_WORKERS * ALL.len()),
        put_in: SharedArena::new(N_WORKERS),
        taken_out: SharedArena::new(N_WORKERS),
    };
    let end = Storm::new(name, &stormed)
        .role("worker", N_WORKERS, Stormed::work)
        .kills(if testkit::full() { kills * 50 } else { kills })
        .longest_stall(LONGEST_STALL)
        .run()?;
    let (sum, lost, doubled) = stormed.audit(end.kills)?;
    Ok(end.report(sum, lost, doubled).into())
}

impl Stormed {
    fn work(&self, me: &Worker<'_>) -> i32 {
        let mut rng = me.rng("operations");
        while !me.should_stop() {
            let ended = match rng.range(0..13) {
                0..3 => self.add_twice_locked(me),
                3..5 => self.write(me),
                5 => self.read(),
                6..8 => self.add_with_permit(me),
                8 => self.put_token(me),
                9 => self.take_token(me),
                10 => self.signal(&mut rng),
                11 => self.meet(&mut rng),
                _ => self.do_once(&mut rng),
            };
            if let Err(why) = ended {
                return complain(&why);
            }
            me.got_on();
        }
        0
    }

    /// Adds to what `by` protects: the caller is inside.
    fn add(&self, me: &Worker<'_>, by: By) {
        let note = me.place * ALL.len() + by as usize;
        self.begun[note].add(1);
        let count = &self.counts[by as usize];
        count.set(count.get() + 1);
        self.done[note].add(1);
    }

    fn add_twice_locked(&self, me: &Worker<'_>) -> Result<(), String> {
        let outer = match self.rlock.lock() {
            Ok(guard) | Err(LockError::OwnerDied(guard)) => guard,
            Err(error) => return Err(error.without_lock().to_string()),
        };
        let inner = self.rlock.try_lock().map_err(|error| error.to_string())?;
        self.add(me, By::RLock);
        drop(inner);
        if self.rlock.depth() != 1 {
            return Err(format!("held {} times", self.rlock.depth()));
        }
        drop(outer);
        Ok(())
    }

    fn write(&self, me: &Worker<'_>) -> Result<(), String> {
        let mut pair = match self.pair.write() {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(recovery) | LockError::Poisoned(recovery)) => {
                recovery.recover(|pair| pair[1] = pair[0])
            }
            Err(error) => return Err(error.without_lock().to_string()),
        };
        if pair[0] != pair[1] {
            return Err(format!("torn, and nobody told of it: {:?}", *pair));
        }
        pair[0] += 1;
        self.add(me, By::Writer);
        pair[1] += 1;
        Ok(())
    }

    fn read(&self) -> Result<(), String> {
        match self.pair.read() {
            Ok(pair) if pair[0] == pair[1] => Ok(()),
            Ok(pair) => Err(format!("torn, and nobody told of it: {:?}", *pair)),
            Err(LockError::OwnerDied(_) | LockError::Poisoned(_)) => Ok(()),
            Err(error) => Err(error.without_lock().to_string()),
        }
    }

    fn add_with_permit(&self, me: &Worker<'_>) -> Result<(), String> {
        let _permit = self.permits.acquire().map_err(|error| error.to_string())?;
        self.add(me, By::Permit);
        Ok(())
    }

    fn put_token(&self, me: &Worker<'_>) -> Result<(), String> {
        let mut tokens = match self.tokens.lock() {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(recovery) | LockError::Poisoned(recovery)) => {
                recovery.recover(|_| ())
            }
            Err(error) => return Err(error.without_lock().to_string()),
        };
        *tokens += 1;
        self.put_in[me.place].add(1);
        drop(tokens);
        self.there_are_tokens.notify_one();
        Ok(())
    }

    fn take_token(&self, me: &Worker<'_>) -> Result<(), String> {
        let tokens = match self.tokens.lock() {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(recovery) | LockError::Poisoned(recovery)) => {
                recovery.recover(|_| ())
            }
            Err(error) => return Err(error.without_lock().to_string()),
        };
        let waited = self.there_are_tokens.wait_while_timeout(tokens, SHORT, |tokens| *tokens == 0);
        let mut tokens = match waited {
            Ok((guard, _)) => guard,
            Err(WaitError::OwnerDied(recovery) | WaitError::Poisoned(recovery)) => {
                recovery.recover(|_| ())
            }
            Err(error) => return Err(error.without_lock().to_string()),
        };
        if *tokens > 0 {
            *tokens -= 1;
            self.taken_out[me.place].add(1);
        }
        Ok(())
    }

    fn signal(&self, rng: &mut Rng) -> Result<(), String> {
        match rng.range(0..4) {
            0 => self.event.set(),
            1 => {
                self.event.clear();
            }
            _ => {
                let _was_set = self.event.wait_timeout(SHORT);
            }
        }
        Ok(())
    }

    /// Meets another at the barrier, as a member or not.
    fn meet(&self, rng: &mut Rng) -> Result<(), String> {
        let _member = match rng.chance(2).then(|| self.barrier.member()) {
            Some(Err(MemberError::TooManyMembers)) | None => None,
            Some(Ok(member)) => Some(member),
            Some(Err(error)) => return Err(error.to_string()),
        };
        match self.barrier.wait_timeout(SHORT) {
            Ok(number) => {
                self.passed[number as usize].add(1);
            }
            Err(error) if error.is_broken() || error == BarrierError::Timeout => {
                self.barrier.reset();
            }
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    fn do_once(&self, rng: &mut Rng) -> Result<(), String> {
        let place = rng.index(N_ONCES);
        let ended = &self.ended[place];
        let once = &self.onces[place];
        let outcome = once.call_once(|_| {
            ended.add(1);
        });
        match outcome {
            Ok(()) if once.is_completed() && ended.get() > 0 => Ok(()),
            Ok(()) => Err("done, and it is not".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Adds up what is there, was lost, and is too much.
    fn audit(&self, kills: u64) -> Result<(u64, u64, u64), String> {
        let (mut sum, mut lost, mut doubled) = (0, 0, 0);
        for by in ALL {
            let total = |notes: &[Counter]| {
                notes.iter().skip(by as usize).step_by(ALL.len()).map(Counter::get).sum::<u64>()
            };
            let found = self.counts[by as usize].get();
            sum += found;
            lost += total(&self.done).saturating_sub(found);
            doubled += found.saturating_sub(total(&self.begun));
        }
        let total = |notes: &[Counter]| notes.iter().map(Counter::get).sum::<u64>();
        let left = total(&self.put_in).abs_diff(total(&self.taken_out));
        let tokens = match self.tokens.lock() {
            Ok(guard) => *guard,
            Err(LockError::OwnerDied(recovery) | LockError::Poisoned(recovery)) => {
                *recovery.recover(|_| ())
            }
            Err(error) => return Err(error.without_lock().to_string()),
        };
        // A token and its note are two steps; each death can come between them.
        if tokens.abs_diff(left) > kills {
            return Err(format!("{tokens} tokens where {left} should be, and {kills} deaths"));
        }
        // The permits of all the dead are back, and no more than that.
        let permit = self.permits.try_acquire().map_err(|error| error.to_string())?;
        if self.permits.try_acquire().is_ok() {
            return Err("two permits of one".to_owned());
        }
        drop(permit);
        // Both of a round come through, but for one who died before it could note it.
        let [first, second] = [0, 1].map(|number| self.passed[number].get());
        if first.abs_diff(second) > kills || first + second == 0 {
            return Err(format!("{first} came through first and {second} last, {kills} deaths"));
        }
        // The dead are missed no more, and none of them is a member.
        self.barrier.reset();
        if !self.barrier.stats().members.is_empty() || self.barrier.is_broken() {
            return Err(format!("{:?}", self.barrier));
        }
        if sum == 0 || !self.onces.iter().any(Once::is_completed) {
            return Err("the storm was none".to_owned());
        }
        Ok((sum, lost, doubled))
    }
}
