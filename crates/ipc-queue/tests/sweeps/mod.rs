//! One operation on a queue, a death at every point of it, and those who meet it.
//!
//! The same scenarios run in two binaries: `kill` takes the compiled code instruction by
//! instruction, `crash` the algorithm access by access.
//!
//! In all of them the queue sleeps without a backstop: who is not woken sleeps for ever, and is
//! found. A partner must come to its end by itself, so nobody touches the queue after a death
//! before it is known that the protocol has nobody to wake.
#![expect(clippy::unwrap_used, reason = "a test binary")]

mod ends;
mod growth;
mod joinable;

use std::time::{Duration, Instant};

use ipc_queue::{Builder, ByteQueue, GetError};
use testkit::kill::{KillPoint, Partner, Sweep};
use testkit::{Counter, Outcome, Scenario, SharedArena};

use super::run;

/// The scenarios, for both binaries.
pub(crate) const SCENARIOS: &[Scenario] = &[
    ("ring: put into a free slot", put_into_a_free_slot),
    ("ring: put beside another putter", put_beside_another_putter),
    ("ring: get from a full slot", get_from_a_full_slot),
    ("ring: get beside another getter", get_beside_another_getter),
    ("ring: put wakes a getter", put_wakes_a_getter),
    ("ring: get wakes a putter", get_wakes_a_putter),
    ("ring: a getter dies asleep", a_getter_dies_asleep),
    ("ring: a putter dies asleep", a_putter_dies_asleep),
    ("ring: close wakes everybody", close_wakes_everybody),
    ("heap: put a large message", put_a_large_message),
    ("heap: get a large message", get_a_large_message),
    ("heap: get wakes who waits for memory", get_wakes_who_waits_for_memory),
    ("heap: lend and commit", lend_and_commit),
    ("heap: read in place", read_in_place),
    ("heap: hold what others wait for", hold_what_others_wait_for),
    ("heap: put with memory of another size", put_with_memory_of_another_size),
    ("joinable: put", joinable::put),
    ("joinable: get and done", joinable::get_and_done),
    ("joinable: put wakes a worker", joinable::put_wakes_a_worker),
    ("joinable: fail wakes a worker", joinable::fail_wakes_a_worker),
    ("joinable: done wakes who joins", joinable::done_wakes_who_joins),
    ("joinable: a joiner dies asleep", joinable::a_joiner_dies_asleep),
    ("joinable: get from the dead", joinable::get_from_the_dead),
    ("joinable: take a dead worker's seat", joinable::take_a_dead_workers_seat),
    ("ring: take a dead one's seat", take_a_dead_ones_seat),
    ("growth: a put that grows", growth::put_that_grows),
    ("growth: two puts that grow", growth::put_that_grows_beside_another),
    ("growth: put into a chunk that was left", growth::put_into_a_chunk_that_was_left),
    ("growth: get wakes who waits for a chunk", growth::get_wakes_who_waits_for_a_chunk),
    ("ends: the last putter leaves", ends::the_last_putter_leaves),
    ("ends: the last getter leaves", ends::the_last_getter_leaves),
];

/// What a round shares.
pub(crate) struct State {
    queue: ByteQueue,
    /// What each partner has come to: zero, or one more than the message it got.
    notes: SharedArena<Counter>,
}

/// Places in the notes.
const FIRST: usize = 0;
const SECOND: usize = 1;

fn state(capacity: usize, seats: usize, messages: &[u8]) -> State {
    let queue = Builder::new(capacity).seats(seats).without_backstop().bytes().unwrap();
    for message in messages {
        queue.put(&[*message]).unwrap();
    }
    State { queue, notes: SharedArena::new(4) }
}

/// Sits down and goes through the code once, so that the sweep sees the operation alone.
fn warm_up(state: &State) {
    if state.queue.is_full() {
        state.queue.try_put(&[0]).unwrap_err();
    } else {
        state.queue.try_get().unwrap_err();
    }
    let other = Builder::new(1).seats(1).bytes().unwrap();
    other.put(&[0]).unwrap();
    other.get().unwrap();
}

/// All that is in the queue, oldest first.
fn drain(state: &State) -> Result<Vec<Vec<u8>>, String> {
    let mut messages = Vec::new();
    loop {
        match state.queue.try_get() {
            Ok(message) => messages.push(message),
            Err(GetError::Empty | GetError::Closed) => return Ok(messages),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// That the queue is as good as new: takes as many messages as it has room for, and no more.
fn works(state: &State) -> Result<(), String> {
    for round in 0..3_u8 {
        for slot in 0..state.queue.capacity() {
            state.queue.try_put(&[round]).map_err(|error| format!("slot {slot}: {error}"))?;
        }
        if state.queue.try_put(&[9]).is_ok() || !state.queue.is_full() {
            return Err("more room than there is".to_owned());
        }
        let got = drain(state)?;
        if got.len() != state.queue.capacity() || got.iter().any(|message| *message != [round]) {
            return Err(format!("put {} messages and got {got:?}", state.queue.capacity()));
        }
    }
    if state.queue.is_empty() { Ok(()) } else { Err("not empty in the end".to_owned()) }
}

fn expect(found: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if found { Ok(()) } else { Err(what()) }
}

/// Gets one message and notes it.
fn getter(place: usize) -> impl Fn(&State) -> i32 {
    move |state| match state.queue.get() {
        Ok(message) => {
            state.notes[place].set(u64::from(message[0]) + 1);
            0
        }
        Err(GetError::Closed) => {
            state.notes[place].set(u64::MAX);
            0
        }
        Err(_) => 1,
    }
}

/// Puts one message and notes it.
fn putter(place: usize, message: u8) -> impl Fn(&State) -> i32 {
    move |state| {
        let put = state.queue.put(&[message]).is_ok();
        state.notes[place].set(1);
        i32::from(!put)
    }
}

fn is_done(state: &State, place: usize) -> bool {
    state.notes[place].get() != 0
}

/// Waits until `holds`, but not for ever.
fn wait_a_while(longest: Duration, holds: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < longest {
        if holds() {
            return true;
        }
        std::thread::yield_now();
    }
    holds()
}

/// How long something that is on its way may take before the queue is asked what is the matter.
/// Too short a time costs nothing but a question.
const SOON: Duration = Duration::from_millis(20);

pub(crate) fn put_into_a_free_slot() -> Outcome {
    run(Sweep::new("put", || state(2, 8, &[]))
        .victim(|state, marks| {
            warm_up(state);
            marks.around(|| state.queue.put(&[7])).unwrap();
        })
        .check(|state, point| {
            let got = drain(state)?;
            let put = got == [[7]];
            expect(put || got.is_empty() && *point != KillPoint::Survived, || format!("{got:?}"))?;
            works(state)
        }))
}

pub(crate) fn put_beside_another_putter() -> Outcome {
    run(Sweep::new("put with a barger", || state(2, 8, &[]))
        .victim(|state, marks| {
            warm_up(state);
            marks.around(|| state.queue.put(&[7])).unwrap();
        })
        .barge(|state| {
            let put = state.queue.put(&[8]);
            Box::new(move || put.unwrap())
        })
        .check(|state, _| {
            let mut got = drain(state)?;
            got.sort();
            expect(got == [[7]] || got == [[8]] || got == [[7], [8]] || got.is_empty(), || {
                format!("{got:?}")
            })?;
            works(state)
        }))
}

pub(crate) fn get_from_a_full_slot() -> Outcome {
    run(Sweep::new("get", || state(2, 8, &[1, 2]))
        .victim(|state, marks| {
            warm_up(state);
            let got = marks.around(|| state.queue.get());
            assert_eq!(got.unwrap(), [1]);
        })
        .check(|state, point| {
            let got = drain(state)?;
            let taken = got == [[2]];
            expect(taken || got == [[1], [2]] && *point != KillPoint::Survived, || {
                format!("{got:?}")
            })?;
            works(state)
        }))
}

pub(crate) fn get_beside_another_getter() -> Outcome {
    run(Sweep::new("get with a barger", || state(2, 8, &[1, 2]))
        .victim(|state, marks| {
            warm_up(state);
            marks.around(|| state.queue.get()).unwrap();
        })
        .barge(|state| {
            let got = state.queue.get();
            state.notes[FIRST].set(1 + u64::from(got.as_ref().map_or(0, |message| message[0])));
            Box::new(move || drop(got.unwrap()))
        })
        .check(|state, point| {
            let barged = u8::try_from(state.notes[FIRST].get().saturating_sub(1)).unwrap_or(0);
            let mut got = drain(state)?;
            got.extend((barged > 0).then(|| vec![barged]));
            got.sort();
            // One may be gone with the victim.
            expect(got == [[1], [2]] || got == [[2]] || got == [[1]], || {
                format!("{point}: {got:?}")
            })?;
            works(state)
        }))
}

/// The victim puts while two getters sleep.
pub(crate) fn put_wakes_a_getter() -> Outcome {
    run(Sweep::new("put for a sleeper", || state(2, 8, &[]))
        .victim(|state, marks| {
            warm_up(state);
            marks.around(|| state.queue.put(&[7])).unwrap();
        })
        .partner(Partner::sleeper("first getter", getter(FIRST)))
        .partner(Partner::sleeper("second getter", getter(SECOND)))
        .after_death(|state| {
            // Either the message is in, and one of the two must come to it by itself, or it never
            // will be. Nobody brings another as long as it seems to be in.
            let one_is_done = || is_done(state, FIRST) || is_done(state, SECOND);
            let settled = || one_is_done() || state.queue.is_empty();
            if !wait_a_while(Duration::from_secs(2), settled) {
                return;
            }
            wait_a_while(SOON, one_is_done);
            state.queue.put(&[8]).unwrap();
            if !wait_a_while(SOON, || is_done(state, FIRST) && is_done(state, SECOND)) {
                state.queue.put(&[9]).unwrap();
            }
        })
        .check(|state, point| {
            let mut got = drain(state)?;
            for place in [FIRST, SECOND] {
                got.push(vec![u8::try_from(state.notes[place].get() - 1).unwrap_or(0)]);
            }
            got.sort();
            got.retain(|message| *message != [9]);
            expect(got == [[7], [8]] || got == [[8]] && *point != KillPoint::Survived, || {
                format!("{got:?}")
            })?;
            works(state)
        }))
}

/// The victim gets while two putters sleep.
pub(crate) fn get_wakes_a_putter() -> Outcome {
    run(Sweep::new("get for a sleeper", || state(1, 8, &[1]))
        .victim(|state, marks| {
            warm_up(state);
            marks.around(|| state.queue.get()).unwrap();
        })
        .partner(Partner::sleeper("first putter", putter(FIRST, 2)))
        .partner(Partner::sleeper("second putter", putter(SECOND, 3)))
        .after_death(|state| {
            let both = || is_done(state, FIRST) && is_done(state, SECOND);
            let one = || is_done(state, FIRST) || is_done(state, SECOND);
            // If the victim has not taken the message, this process does. If it has, a putter
            // must come by itself, whatever this finds.
            if !wait_a_while(SOON, one) {
                state.queue.try_get().ok();
            }
            if !wait_a_while(Duration::from_secs(2), one) {
                return;
            }
            // And then room for the other.
            while !both() && state.queue.try_get().is_ok() {
                wait_a_while(SOON, both);
            }
        })
        .check(|state, _| {
            drain(state)?;
            works(state)
        }))
}

/// The victim sleeps in a get beside another getter.
pub(crate) fn a_getter_dies_asleep() -> Outcome {
    run(Sweep::new("sleeping get", || state(2, 8, &[]))
        .victim(|state, marks| {
            warm_up(state);
            let got = marks.around(|| state.queue.get()).unwrap();
            state.notes[SECOND].set(u64::from(got[0]) + 1);
        })
        .partner(Partner::sleeper("other getter", getter(FIRST)))
        .while_asleep(|state| {
            state.queue.try_put(&[1]).ok();
            state.queue.try_put(&[2]).ok();
        })
        .after_death(|state| {
            // Two messages were put if the victim slept; the other getter has one of them then.
            if !wait_a_while(SOON, || is_done(state, FIRST)) && state.queue.is_empty() {
                state.queue.put(&[3]).unwrap();
            }
        })
        .check(|state, point| {
            let got = drain(state)?;
            expect(got.len() <= 2, || format!("{point}: {got:?}"))?;
            works(state)
        }))
}

/// The victim sleeps in a put beside another putter.
pub(crate) fn a_putter_dies_asleep() -> Outcome {
    run(Sweep::new("sleeping put", || state(1, 8, &[1]))
        .victim(|state, marks| {
            warm_up(state);
            marks.around(|| state.queue.put(&[7])).unwrap();
        })
        .partner(Partner::sleeper("other putter", putter(FIRST, 2)))
        .while_asleep(|state| {
            // The other came first, so that it takes the first room and the victim the second.
            drop(state.queue.try_get());
            wait_a_while(Duration::from_secs(2), || is_done(state, FIRST));
            drop(state.queue.try_get());
        })
        .after_death(|state| {
            while !wait_a_while(SOON, || is_done(state, FIRST)) && state.queue.try_get().is_ok() {}
        })
        .check(|state, point| {
            let got = drain(state)?;
            expect(got.len() <= 1, || format!("{point}: {got:?}"))?;
            works(state)
        }))
}

pub(crate) fn close_wakes_everybody() -> Outcome {
    run(Sweep::new("close", || state(1, 8, &[]))
        .victim(|state, marks| {
            warm_up(state);
            marks.around(|| state.queue.close());
        })
        .partner(Partner::sleeper("first getter", getter(FIRST)))
        .partner(Partner::sleeper("second getter", getter(SECOND)))
        .after_death(|state| {
            if !state.queue.is_closed() {
                state.queue.close();
            }
        })
        .check(|state, _| {
            expect(state.notes[FIRST].get() == u64::MAX, || "a getter got something".to_owned())?;
            expect(state.queue.try_put(&[1]).is_err_and(|error| error.is_closed()), || {
                "not closed".to_owned()
            })?;
            expect(matches!(state.queue.try_get(), Err(GetError::Closed)), || {
                "not closed for getters".to_owned()
            })
        }))
}

/// Longer than a slot.
fn large_message(fill: u8) -> Vec<u8> {
    vec![fill; 300]
}

/// That all memory is back, or soon will be, after one look; and that there is as much as before.
fn has_all_memory(state: &State) -> Result<(), String> {
    let stats = state.queue.stats();
    expect(stats.blocks == 0, || format!("memory is gone: {stats:?}"))?;
    let n_fitting = state.queue.max_message() / 4096;
    let fitting = n_fitting.min(state.queue.capacity());
    for _ in 0..fitting {
        state.queue.try_put(&large_message(1)).map_err(|error| error.to_string())?;
    }
    expect(drain(state)?.len() == fitting, || "less came out".to_owned())?;
    works(state)
}

fn small_heap(messages: &[Vec<u8>]) -> State {
    let queue = Builder::new(4).seats(8).max_bytes(8 << 10).without_backstop().bytes().unwrap();
    for message in messages {
        queue.put(message).unwrap();
    }
    State { queue, notes: SharedArena::new(4) }
}

pub(crate) fn put_a_large_message() -> Outcome {
    run(Sweep::new("large put", || small_heap(&[]))
        .victim(|state, marks| {
            let message = large_message(7);
            warm_up(state);
            marks.around(|| state.queue.put(&message)).unwrap();
        })
        .check(|state, point| {
            let got = drain(state)?;
            let put = got == [large_message(7)];
            expect(put || got.is_empty() && *point != KillPoint::Survived, || {
                format!("{} messages", got.len())
            })?;
            has_all_memory(state)
        }))
}

pub(crate) fn get_a_large_message() -> Outcome {
    run(Sweep::new("large get", || small_heap(&[large_message(7), vec![8]]))
        .victim(|state, marks| {
            warm_up_putting(state);
            let got = marks.around(|| state.queue.get());
            assert_eq!(got.unwrap(), large_message(7));
        })
        .check(|state, point| {
            let got = drain(state)?;
            let there = got == [large_message(7), vec![8]] && *point != KillPoint::Survived;
            expect(there || got == [vec![8]], || format!("{} messages", got.len()))?;
            has_all_memory(state)
        }))
}

/// Sits down in a queue that is not empty.
fn warm_up_putting(state: &State) {
    let too_long = vec![0; state.queue.max_message()];
    assert!(state.queue.try_put(&too_long).unwrap_err().is_full());
    let other = Builder::new(1).seats(1).bytes().unwrap();
    other.put(&large_message(0)).unwrap();
    other.get().unwrap();
}

/// The victim gets a large message while two putters sleep for its memory.
pub(crate) fn get_wakes_who_waits_for_memory() -> Outcome {
    run(Sweep::new("large get for a sleeper", || small_heap(&[large_message(7), large_message(8)]))
        .victim(|state, marks| {
            warm_up_putting(state);
            marks.around(|| state.queue.get()).unwrap();
        })
        .partner(Partner::sleeper("first putter", large_putter(FIRST, 2)))
        .partner(Partner::sleeper("second putter", large_putter(SECOND, 3)))
        .after_death(|state| {
            let both = || is_done(state, FIRST) && is_done(state, SECOND);
            let one = || is_done(state, FIRST) || is_done(state, SECOND);
            // If the victim has not taken the message, this process does. If it has, a putter
            // must come by itself, whatever became of the memory.
            if !wait_a_while(SOON, one) && state.queue.len() == 2 {
                state.queue.try_get().ok();
            }
            if !wait_a_while(Duration::from_secs(2), one) {
                return;
            }
            while !both() && state.queue.try_get().is_ok() {
                wait_a_while(SOON, both);
            }
        })
        .check(|state, _| {
            drain(state)?;
            has_all_memory(state)
        }))
}

/// Puts one large message and notes it.
fn large_putter(place: usize, fill: u8) -> impl Fn(&State) -> i32 {
    move |state| {
        let put = state.queue.put(&large_message(fill)).is_ok();
        state.notes[place].set(1);
        i32::from(!put)
    }
}

/// The victim lends and puts, or lends and does not put, or reads in place.
pub(crate) fn lend_and_commit() -> Outcome {
    run(Sweep::new("loan", || small_heap(&[]))
        .victim(|state, marks| {
            warm_up(state);
            marks.around(|| {
                drop(state.queue.loan(4096).unwrap());
                let mut loan = state.queue.loan(300).unwrap();
                loan[0] = 7;
                loan.commit().unwrap();
            });
        })
        .check(|state, point| {
            let got = drain(state)?;
            let put = got.len() == 1 && got[0].len() == 300 && got[0][0] == 7;
            expect(put || got.is_empty() && *point != KillPoint::Survived, || {
                format!("{} messages", got.len())
            })?;
            has_all_memory(state)
        }))
}

pub(crate) fn read_in_place() -> Outcome {
    run(Sweep::new("sample", || small_heap(&[large_message(7), vec![8]]))
        .victim(|state, marks| {
            warm_up_putting(state);
            marks.around(|| {
                let sample = state.queue.get_in_place().unwrap();
                assert_eq!(sample[299], 7);
            });
        })
        .check(|state, point| {
            let got = drain(state)?;
            let there = got == [large_message(7), vec![8]] && *point != KillPoint::Survived;
            expect(there || got == [vec![8]], || format!("{} messages", got.len()))?;
            has_all_memory(state)
        }))
}

/// The victim takes all memory into its hands while two putters sleep for it.
pub(crate) fn hold_what_others_wait_for() -> Outcome {
    run(Sweep::new("sample for a sleeper", || small_heap(&[large_message(7), large_message(8)]))
        .victim(|state, marks| {
            warm_up_putting(state);
            marks.around(|| {
                let samples =
                    [state.queue.get_in_place().unwrap(), state.queue.get_in_place().unwrap()];
                assert_eq!(samples[1][0], 8);
            });
        })
        .partner(Partner::sleeper("first putter", large_putter(FIRST, 2)))
        .partner(Partner::sleeper("second putter", large_putter(SECOND, 3)))
        .after_death(|state| {
            let one = || is_done(state, FIRST) || is_done(state, SECOND);
            let both = || is_done(state, FIRST) && is_done(state, SECOND);
            // What the victim has taken must come to them by itself, without a look at the heap.
            if !wait_a_while(SOON, one) && state.queue.len() == 2 {
                state.queue.try_get().ok();
            }
            if !wait_a_while(Duration::from_secs(2), one) {
                return;
            }
            while !both() && state.queue.try_get().is_ok() {
                wait_a_while(SOON, both);
            }
        })
        .check(|state, _| {
            drain(state)?;
            has_all_memory(state)
        }))
}

/// The victim needs memory that is all in a free block of another size.
pub(crate) fn put_with_memory_of_another_size() -> Outcome {
    run(Sweep::new("greedy put", || {
        let state = small_heap(&[]);
        state.queue.put(&vec![1; state.queue.max_message()]).unwrap();
        drain(&state).unwrap();
        state
    })
    .victim(|state, marks| {
        warm_up(state);
        let message = large_message(7);
        marks.around(|| state.queue.put(&message)).unwrap();
    })
    .check(|state, point| {
        let got = drain(state)?;
        let put = got == [large_message(7)];
        expect(put || got.is_empty() && *point != KillPoint::Survived, || {
            format!("{} messages", got.len())
        })?;
        has_all_memory(state)
    }))
}

/// All seats but one are a dead process's, which left a claim; the victim takes one over.
pub(crate) fn take_a_dead_ones_seat() -> Outcome {
    run(Sweep::new("seat of the dead", || state(2, 3, &[1]))
        .victim(|state, marks| {
            // This process's parent has one seat, a dead one the second, the victim takes the
            // third, or the second if it is its turn.
            marks.around(|| state.queue.try_get()).unwrap();
        })
        .partner(Partner::holder(
            "one who sat down and died",
            |state: &State| {
                // Never given back: the process ends without its destructors.
                state.queue.try_put(&[2]).ok();
                state.notes[FIRST].set(1);
                0
            },
            |state: &State| is_done(state, FIRST),
        ))
        .check(|state, _| {
            let got = drain(state)?;
            expect(got == [[1], [2]] || got == [[2]], || format!("{got:?}"))?;
            works(state)
        }))
}
