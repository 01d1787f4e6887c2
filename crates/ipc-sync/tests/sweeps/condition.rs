//! The scenarios on a condition: whoever dies, those who are notified wake up, by themselves.
//!
//! In all of them it is the same that is waited for: that a number, which lies under the lock, is not
//! zero. Who comes through notifies the next, so one notification is enough for all who live; if
//! it dies with somebody, the lock has to tell of that death, and whoever is told notifies all.

use std::time::Duration;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::Thread;
use ipc_sync::{Condition, Lock, LockGuard, RLock, WaitError};
use testkit::kill::{Partner, Sweep};
use testkit::{Counter, Outcome, SharedArena, clock};

use super::{expect, is_asleep_on_futex, run};

/// What a round shares.
struct State {
    lock: Lock,
    rlock: RLock,
    condition: Condition,
    notes: SharedArena<Counter>,
}

// Places in the notes.
/// What is waited for: that this is not zero. It is changed under the lock.
const NUMBER: usize = 0;
/// Lets the follower go.
const FOLLOW: usize = 1;
/// The thread id of the follower, once it is there.
const FOLLOWER: usize = 2;
/// What the state of the condition was before the victim notified.
const BEFORE: usize = 3;
/// How many have come through.
const THROUGH: usize = 4;

fn state() -> State {
    ipc_sync::raw::set_spin(0);
    State {
        lock: Lock::new().unwrap(),
        rlock: RLock::new().unwrap(),
        condition: Condition::new().unwrap(),
        notes: SharedArena::new(5),
    }
}

fn sweep<'a>(name: &str) -> Sweep<'a, State> {
    Sweep::new(name, state)
}

/// Goes through the code once, so that the sweep sees the operation alone.
fn warm_up() {
    let (lock, rlock, condition) =
        (Lock::new().unwrap(), RLock::new().unwrap(), Condition::new().unwrap());
    let waited = condition.wait_timeout(lock.lock().unwrap(), Duration::from_millis(1));
    drop(waited.unwrap());
    let waited = condition.wait_timeout(rlock.lock().unwrap(), Duration::from_millis(1));
    drop(waited.unwrap());
    condition.notify_one();
    condition.notify_all();
}

/// Takes the lock; whoever is told of a death lets the others look again.
fn take(state: &State) -> LockGuard<'_> {
    state.lock.lock().unwrap_or_else(|error| {
        state.condition.notify_all();
        error.into_inner().unwrap()
    })
}

/// Waits until the number is not zero, and notifies the next.
fn see(state: &State) -> i32 {
    let mut guard = take(state);
    while state.notes[NUMBER].get() == 0 {
        guard = match state.condition.wait(guard) {
            Ok(guard) => guard,
            Err(WaitError::OwnerDied(guard)) => {
                state.condition.notify_all();
                guard
            }
            Err(_) => return 1,
        };
    }
    state.notes[THROUGH].add(1);
    state.condition.notify_one();
    drop(guard);
    0
}

/// Makes the number what is waited for and notifies one, unless that was done.
fn supply(state: &State) {
    let guard = take(state);
    if state.notes[NUMBER].get() == 0 {
        state.notes[NUMBER].set(1);
        drop(guard);
        state.condition.notify_one();
    }
}

/// One that goes to wait only when it is told to follow.
fn follower<'a>() -> Partner<'a, State> {
    let body = |state: &State| {
        // A process of one thread: its id is the process's, too.
        state.notes[FOLLOWER].set(u64::from(Thread::current().tid()));
        state.notes[FOLLOW].wait_until(|follow| follow == 1);
        see(state)
    };
    Partner::holder("follower", body, |state| state.notes[FOLLOWER].get() != 0)
}

/// Lets the follower fall asleep behind the victim, then supplies.
fn follow_and_supply(state: &State) {
    if state.notes[FOLLOW].get() == 0 {
        state.notes[FOLLOW].set(1);
        let follower = state.notes[FOLLOWER].get();
        while !is_asleep_on_futex(follower) {
            clock::pause(Duration::from_micros(50));
        }
    }
    supply(state);
}

/// The word that says who has been notified.
fn word(state: &State) -> u64 {
    let word: &AtomicU64 = state.condition.segment().at(64).unwrap();
    word.load(Relaxed)
}

/// That it works as if nothing had happened.
fn works(state: &State) -> Result<(), String> {
    drop(take(state));
    state.notes[NUMBER].set(0);
    let guard = take(state);
    let waited = state.condition.wait_timeout(guard, Duration::from_millis(1));
    let (guard, end) = waited.map_err(|error| error.to_string())?;
    expect(end.is_timed_out(), || "there is a notification for somebody who is gone".to_owned())?;
    drop(guard);
    let stats = state.condition.stats();
    expect(stats.first_waiter.is_none(), || format!("somebody waits: {stats:?}"))?;
    expect(!state.lock.is_locked(), || "somebody holds the lock".to_owned())
}

/// A victim that notifies; what `notify` does is done again if it had not come to it.
fn notifying(name: &str, waiting: &[&str], notify: fn(&Condition)) -> Outcome {
    let mut sweep = sweep(name);
    for name in waiting {
        sweep = sweep.partner(Partner::sleeper(name, see));
    }
    run(sweep
        .victim(move |state, marks| {
            warm_up();
            marks.begin();
            // The partners sleep only now.
            state.notes[BEFORE].set(word(state));
            state.notes[NUMBER].set(1);
            notify(&state.condition);
            marks.end();
        })
        .after_death(move |state| {
            let before = state.notes[BEFORE].get();
            // Before it has noted the number, or changed the state, it has not notified.
            if state.notes[NUMBER].get() == 0 {
                supply(state);
            } else if word(state) == before {
                notify(&state.condition);
            }
        })
        .check(|state, _| works(state)))
}

pub(super) fn notify_one_while_two_sleep() -> Outcome {
    notifying("notify one", &["first", "second"], Condition::notify_one)
}

pub(super) fn notify_all_while_three_sleep() -> Outcome {
    notifying("notify all", &["first", "second", "third"], Condition::notify_all)
}

pub(super) fn wait_first_in_line() -> Outcome {
    run(sweep("wait first")
        .partner(follower())
        .victim(|state, marks| {
            warm_up();
            assert_eq!(marks.around(|| see(state)), 0);
        })
        .while_asleep(follow_and_supply)
        .after_death(follow_and_supply)
        .check(|state, _| works(state)))
}

pub(super) fn wait_behind_another() -> Outcome {
    run(sweep("wait behind")
        .partner(Partner::sleeper("first", see))
        .partner(follower())
        .victim(|state, marks| {
            warm_up();
            assert_eq!(marks.around(|| see(state)), 0);
        })
        .while_asleep(follow_and_supply)
        .after_death(follow_and_supply)
        .check(|state, _| works(state)))
}

pub(super) fn wait_in_vain() -> Outcome {
    run(sweep("wait in vain")
        .partner(Partner::sleeper("first", see))
        .victim(|state, marks| {
            warm_up();
            let guard = take(state);
            let timeout = Duration::from_millis(30);
            let waited = marks.around(|| state.condition.wait_timeout(guard, timeout));
            assert!(waited.unwrap().1.is_timed_out());
        })
        // It wakes up by itself.
        .while_asleep(|_| ())
        .after_death(supply)
        .check(|state, _| works(state)))
}

/// The victim comes when two are called and have not looked yet, since they wait for the lock.
pub(super) fn come_late() -> Outcome {
    run(sweep("come late")
        .partner(Partner::sleeper("first", see))
        .partner(Partner::sleeper("second", see))
        .victim(|state, marks| {
            warm_up();
            marks.begin();
            let guard = take(state);
            state.notes[NUMBER].set(1);
            state.condition.notify_all();
            // It waits although there is no reason to, and is notified by those who come through.
            let waited = state.condition.wait(guard);
            marks.end();
            drop(waited.map_err(WaitError::without_lock).unwrap());
        })
        // If those have gone before it came to wait, it needs another.
        .while_asleep(|state| {
            if state.notes[THROUGH].get() == 2 {
                state.condition.notify_all();
            }
        })
        .after_death(|state| {
            supply(state);
            drop(take(state));
        })
        .check(|state, _| works(state)))
}

pub(super) fn wait_at_two_levels() -> Outcome {
    let notify = |state: &State| {
        state.notes[NUMBER].set(1);
        state.condition.notify_one();
    };
    run(sweep("wait at two levels")
        .victim(move |state, marks| {
            warm_up();
            let outer = state.rlock.lock().unwrap();
            let inner = state.rlock.lock().unwrap();
            let waited = marks.around(|| state.condition.wait(inner));
            let inner = waited.map_err(WaitError::without_lock).unwrap();
            assert_eq!(state.rlock.depth(), 2);
            drop(outer);
            drop(inner);
        })
        .while_asleep(notify)
        .check(|state, _| {
            expect(state.rlock.depth() == 0, || format!("it is held: {:?}", state.rlock))?;
            let guard = match state.rlock.lock() {
                Ok(guard) => guard,
                Err(error) => error.into_inner().ok_or("it cannot be taken")?,
            };
            expect(state.rlock.depth() == 1, || {
                format!("the dead still hold it: {:?}", state.rlock)
            })?;
            drop(guard);
            works(state)
        }))
}
