//! A joinable queue: put, get, done, fail and join, with a death at every point, and those who meet it.
//!
//! What is asked of every death: the item is finished, or somebody comes to it by itself; the count of
//! deliveries says in whose hands it was; join returns.

use std::mem::ManuallyDrop;
use std::time::Duration;

use ipc_queue::{Builder, JoinableQueue};
use testkit::kill::{KillPoint, Partner, Sweep};
use testkit::{Counter, Outcome, SharedArena};

use super::{FIRST, SECOND, expect, wait_a_while};
use crate::run;

/// What a round shares.
pub(crate) struct State {
    queue: JoinableQueue<u8>,
    /// What each partner has come to: zero, or what it says.
    notes: SharedArena<Counter>,
}

/// Two slots, and memory for two items.
fn state(items: &[u8]) -> State {
    let queue = Builder::new(2).seats(8).max_bytes(8 << 10).without_backstop().joinable().unwrap();
    for item in items {
        queue.put(*item).unwrap();
    }
    State { queue, notes: SharedArena::new(2) }
}

/// Sits down and goes through the code once, so that the sweep sees the operation alone.
fn warm_up(state: &State) {
    if state.queue.unfinished() < 2 {
        state.queue.put(0).unwrap();
    }
    let mut others = Vec::new();
    while let Ok(lease) = state.queue.try_get() {
        if *lease == 0 { lease.done().map(drop).unwrap() } else { others.push(*lease) }
    }
    // In the order in which they came.
    assert!(others.is_empty(), "what is to be worked on is put afterwards");
    let other = Builder::new(1).seats(1).joinable().unwrap();
    other.put(0_u8).unwrap();
    other.get().unwrap().fail().unwrap();
    other.get().unwrap().done().unwrap();
    other.join().unwrap();
}

/// All items that there are, with how often each was handed out; all are finished then.
fn finish_all(state: &State) -> Result<Vec<(u8, u32)>, String> {
    let mut items = Vec::new();
    while let Ok(lease) = state.queue.try_get() {
        let deliveries = lease.deliveries();
        items.push((lease.done().map_err(|error| error.to_string())?, deliveries));
    }
    state.queue.try_join().map_err(|error| error.to_string())?;
    Ok(items)
}

/// That the queue is as good as new.
fn works(state: &State) -> Result<(), String> {
    for round in 1..=3 {
        for slot in 0..2 {
            state.queue.try_put(round).map_err(|error| format!("slot {slot}: {error}"))?;
        }
        expect(state.queue.try_put(9).is_err(), || "more room than there is".to_owned())?;
        expect(finish_all(state)? == [(round, 1); 2], || "other items".to_owned())?;
    }
    let stats = state.queue.stats();
    expect(stats.queue.blocks == 0 && stats.unfinished == 0, || format!("{stats:?}"))
}

fn is_done(state: &State, place: usize) -> bool {
    state.notes[place].get() != 0
}

/// Gets and finishes one item, and notes it with the count.
fn worker(place: usize) -> impl Fn(&State) -> i32 {
    move |state| {
        let Ok(lease) = state.queue.get() else { return 1 };
        let note = u64::from(*lease) << 32 | u64::from(lease.deliveries());
        let done = lease.done().is_ok();
        state.notes[place].set(note);
        i32::from(!done)
    }
}

fn note(item: u8, deliveries: u32) -> u64 {
    u64::from(item) << 32 | u64::from(deliveries)
}

fn joiner(place: usize) -> impl Fn(&State) -> i32 {
    move |state| {
        let joined = state.queue.join().is_ok();
        state.notes[place].set(1);
        i32::from(!joined)
    }
}

/// How long one takes to make its note. Too short a time costs an item more.
const AT_ONCE: Duration = Duration::from_millis(1);

pub(crate) fn put() -> Outcome {
    run(Sweep::new("joinable put", || state(&[]))
        .victim(|state, marks| {
            warm_up(state);
            marks.around(|| state.queue.put(7)).unwrap();
        })
        .check(|state, point| {
            let got = finish_all(state)?;
            let put = got == [(7, 1)];
            expect(put || got.is_empty() && *point != KillPoint::Survived, || format!("{got:?}"))?;
            works(state)
        }))
}

pub(crate) fn get_and_done() -> Outcome {
    run(Sweep::new("get and done", || state(&[]))
        .victim(|state, marks| {
            warm_up(state);
            state.queue.put(1).unwrap();
            state.queue.put(2).unwrap();
            marks.around(|| state.queue.get().unwrap().done()).unwrap();
        })
        .check(|state, point| {
            // A look at the memory frees what is nobody's; an item is never that.
            drop(state.queue.stats());
            let mut got = finish_all(state)?;
            got.sort_unstable();
            let lives = *point != KillPoint::Survived;
            // It died before the get, in between, or after it was done.
            let there = got == [(1, 1), (2, 1)] || got == [(1, 2), (2, 1)];
            expect(there && lives || got == [(2, 1)], || format!("{got:?}"))?;
            works(state)
        }))
}

/// The victim puts while another sleeps who gets.
pub(crate) fn put_wakes_a_worker() -> Outcome {
    run(Sweep::new("joinable put for a sleeper", || state(&[]))
        .victim(|state, marks| {
            warm_up(state);
            marks.around(|| state.queue.put(7)).unwrap();
        })
        .partner(Partner::sleeper("other worker", worker(FIRST)))
        .after_death(|state| {
            // If the item is unfinished, the other comes to it by itself.
            let settled = || is_done(state, FIRST) || state.queue.unfinished() == 0;
            if wait_a_while(Duration::from_secs(2), settled)
                && !wait_a_while(AT_ONCE, || is_done(state, FIRST))
            {
                state.queue.put(8).unwrap();
            }
        })
        .check(|state, _| {
            let noted = state.notes[FIRST].get();
            let right = [note(7, 1), note(8, 1)].contains(&noted);
            expect(right, || format!("{noted:#x}"))?;
            let left = finish_all(state)?;
            expect(left.is_empty() || left == [(8, 1)], || format!("{left:?}"))?;
            works(state)
        }))
}

/// The victim gives back what it has while two others sleep.
pub(crate) fn fail_wakes_a_worker() -> Outcome {
    run(Sweep::new("fail for a sleeper", || state(&[]))
        .victim(|state, marks| {
            warm_up(state);
            state.queue.put(7).unwrap();
            let lease = state.queue.get().unwrap();
            marks.around(|| lease.fail()).unwrap();
        })
        .partner(Partner::sleeper("first worker", worker(FIRST)))
        .partner(Partner::sleeper("second worker", worker(SECOND)))
        .after_death(|state| {
            let one = || is_done(state, FIRST) || is_done(state, SECOND);
            // It was given back, or its holder is dead: one of them must come to it by itself.
            if wait_a_while(Duration::from_secs(2), one) {
                state.queue.put(8).unwrap();
            }
        })
        .check(|state, _| {
            let mut noted = [FIRST, SECOND].map(|place| state.notes[place].get());
            noted.sort_unstable();
            expect(noted == [note(7, 2), note(8, 1)], || format!("{noted:x?}"))?;
            expect(finish_all(state)?.is_empty(), || "something is left".to_owned())?;
            works(state)
        }))
}

/// The victim finishes what another waits for.
pub(crate) fn done_wakes_who_joins() -> Outcome {
    run(Sweep::new("done for a joiner", || state(&[]))
        .victim(|state, marks| {
            warm_up(state);
            state.queue.put(7).unwrap();
            let lease = state.queue.get().unwrap();
            marks.around(|| lease.done()).unwrap();
        })
        .partner(Partner::sleeper("first joiner", joiner(FIRST)))
        .partner(Partner::sleeper("second joiner", joiner(SECOND)))
        .after_death(|state| {
            // What the dead one left is for this process to finish; else they must come by themselves.
            if let Ok(lease) = state.queue.try_get() {
                lease.done().unwrap();
            }
        })
        .check(|state, _| {
            expect(is_done(state, FIRST) && is_done(state, SECOND), || "asleep".to_owned())?;
            expect(finish_all(state)?.is_empty(), || "something is left".to_owned())?;
            works(state)
        }))
}

/// The victim sleeps in a join beside another, and is told first of the end.
pub(crate) fn a_joiner_dies_asleep() -> Outcome {
    run(Sweep::new("sleeping join", || state(&[7]))
        .victim(|state, marks| {
            let other = Builder::new(1).seats(1).joinable::<u8>().unwrap();
            other.join().unwrap();
            assert!(state.queue.unfinished() < 2);
            marks.around(|| state.queue.join()).unwrap();
        })
        .partner(Partner::sleeper("other joiner", joiner(FIRST)))
        .while_asleep(|state| {
            if let Ok(lease) = state.queue.try_get() {
                lease.done().unwrap();
            }
        })
        .after_death(|state| {
            if let Ok(lease) = state.queue.try_get() {
                lease.done().unwrap();
            }
        })
        .check(|state, _| {
            expect(is_done(state, FIRST), || "asleep".to_owned())?;
            works(state)
        }))
}

/// The victim takes what a dead one had in its hands.
pub(crate) fn get_from_the_dead() -> Outcome {
    run(Sweep::new("get from the dead", || state(&[7]))
        .partner(one_that_dies_with_it())
        .victim(|state, marks| {
            await_the_death(state);
            // What waits in line comes first.
            state.queue.put(8).unwrap();
            assert_eq!(state.queue.get().unwrap().done(), Ok(8));
            marks.around(|| state.queue.get().unwrap().done()).unwrap();
        })
        .check(|state, point| {
            let got = finish_all(state)?;
            let there = got == [(7, 2)] || got == [(7, 3)];
            expect(got.is_empty() || there && *point != KillPoint::Survived, || {
                format!("{got:?}")
            })?;
            works(state)
        }))
}

/// All seats but one are a dead one's with an item in its hands, and the victim takes it over.
pub(crate) fn take_a_dead_workers_seat() -> Outcome {
    let full = || {
        let queue = Builder::new(2).seats(2).max_bytes(8 << 10).without_backstop();
        let queue = queue.joinable().unwrap();
        queue.put(7).unwrap();
        State { queue, notes: SharedArena::new(2) }
    };
    run(Sweep::new("seat of a dead worker", full)
        .partner(one_that_dies_with_it())
        .victim(|state, marks| {
            let other = Builder::new(1).seats(1).joinable().unwrap();
            other.put(0_u8).unwrap();
            await_the_death(state);
            marks.around(|| state.queue.try_put(8)).unwrap();
        })
        .check(|state, point| {
            let mut got = finish_all(state)?;
            got.sort_unstable();
            let put = got == [(7, 2), (8, 1)];
            expect(put || got == [(7, 2)] && *point != KillPoint::Survived, || format!("{got:?}"))?;
            works(state)
        }))
}

/// A process that ends with the only item in its hands, before the victim begins.
fn one_that_dies_with_it() -> Partner<'static, State> {
    let dies = |state: &State| {
        let held = ManuallyDrop::new(state.queue.get());
        state.notes[FIRST].set(1);
        i32::from(held.is_err())
    };
    Partner::holder("one who died with it", dies, |state: &State| is_done(state, FIRST))
}

fn await_the_death(state: &State) {
    wait_a_while(Duration::from_secs(2), || state.queue.stats().queue.dead_users > 0);
}
