//! A queue that grows, and deaths where it does.
//!
//! Its chunks have 32 slots: two at first, and four at the most.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use ipc_queue::{Builder, ByteQueue};
use testkit::kill::{KillPoint, Partner, Sweep};
use testkit::{Outcome, SharedArena};

use super::{FIRST, SECOND, SOON, State, drain, expect, is_done, putter, run, wait_a_while};

const CHUNK: usize = 32;
const LEAST: usize = 2 * CHUNK;
const MOST: usize = 4 * CHUNK;
const SLOT: usize = 64;

/// The place in the notes of how many bytes a queue had at first.
const BYTES: usize = 2;

/// A queue into which so many messages were put, if there was room, and so many of them got.
fn growing(n_put: usize, n_got: usize) -> State {
    let queue = Builder::unbounded()
        .seats(8)
        .message_bytes(SLOT - 16)
        .max_bytes((MOST * SLOT) as u64)
        .without_backstop()
        .bytes()
        .unwrap();
    let notes = SharedArena::new(4);
    let state = State { queue, notes };
    state.notes[BYTES].set(bytes(&state.queue).unwrap());
    for message in numbers(0, n_put) {
        state.queue.try_put(&message).ok();
    }
    for _ in 0..n_got {
        state.queue.get().unwrap();
    }
    state
}

/// Sits down, by taking a message, and goes through the code once.
fn warm_up(state: &State) {
    state.queue.get().unwrap();
    let other = Builder::new(1).seats(1).bytes().unwrap();
    other.put(&[0]).unwrap();
    other.get().unwrap();
}

/// The numbers from one to another, as messages.
fn numbers(from: usize, to: usize) -> Vec<Vec<u8>> {
    (from..to).map(|number| vec![number.to_le_bytes()[0]]).collect()
}

/// How many bytes of memory a queue has.
fn bytes(queue: &ByteQueue) -> std::io::Result<u64> {
    Ok(File::from(queue.segment().as_fd().try_clone_to_owned()?).metadata()?.blocks() * 512)
}

/// That there is memory behind all slots that there are now, and for no more than there can be.
fn has_memory(state: &State) -> Result<(), String> {
    let first = state.notes[BYTES].get();
    let now = bytes(&state.queue).map_err(|error| error.to_string())?;
    let with = |n_slots: usize| first + ((n_slots - LEAST) * SLOT) as u64;
    let n_slots = state.queue.stats().capacity;
    expect((with(n_slots)..=with(MOST)).contains(&now), || {
        format!("{now} bytes for {n_slots} slots, and {first} at first")
    })
}

/// That it is a queue, and grows to its limit and no further.
fn grows_on(state: &State) -> Result<(), String> {
    for round in 0..3 {
        let mut n_put = 0;
        while state.queue.try_put(&[u8::try_from(n_put).unwrap_or(0)]).is_ok() {
            n_put += 1;
        }
        expect((MOST - CHUNK..MOST).contains(&n_put) && state.queue.is_full(), || {
            format!("room for {n_put} in round {round}")
        })?;
        let got = drain(state)?;
        expect(got == numbers(0, n_put), || format!("of {n_put} there came {got:?}"))?;
    }
    has_memory(state)
}

/// That messages from one to another are there, and perhaps the next, and all is well.
fn check_put(from: usize, to: usize) -> impl Fn(&State, &KillPoint) -> Result<(), String> {
    move |state, point| {
        has_memory(state)?;
        let got = drain(state)?;
        let put = got == numbers(from, to + 1);
        expect(put || got == numbers(from, to) && *point != KillPoint::Survived, || {
            format!("{got:?}")
        })?;
        grows_on(state)
    }
}

/// The victim claims the last slot of the second chunk, behind which there is none yet.
pub(crate) fn put_that_grows() -> Outcome {
    const LAST: usize = LEAST - 1;
    run(Sweep::new("put that grows", || growing(LAST, 0))
        .victim(|state, marks| {
            warm_up(state);
            let message = LAST.to_le_bytes();
            marks.around(|| state.queue.put(&message[..1])).unwrap();
        })
        .check(check_put(1, LAST)))
}

/// The same, and somebody else does it as well.
pub(crate) fn put_that_grows_beside_another() -> Outcome {
    const LAST: usize = LEAST - 1;
    run(Sweep::new("put that grows with a barger", || growing(LAST, 0))
        .victim(|state, marks| {
            warm_up(state);
            marks.around(|| state.queue.put(&[200])).unwrap();
        })
        .barge(|state| {
            let put = state.queue.put(&[201]);
            Box::new(move || put.unwrap())
        })
        .check(|state, _| {
            has_memory(state)?;
            let mut got = drain(state)?;
            let new = got.split_off(LAST - 1);
            let new: Vec<u8> = new.into_iter().flatten().collect();
            expect(got == numbers(1, LAST), || format!("{got:?}"))?;
            let right: [&[u8]; 5] = [&[], &[200], &[201], &[200, 201], &[201, 200]];
            expect(right.contains(&&*new), || format!("{new:?}"))?;
            grows_on(state)
        }))
}

/// The victim claims the last slot of the second chunk when the first is free again.
pub(crate) fn put_into_a_chunk_that_was_left() -> Outcome {
    const LAST: usize = LEAST - 1;
    run(Sweep::new("put behind which is a free chunk", || growing(LAST, CHUNK))
        .victim(|state, marks| {
            warm_up(state);
            let message = LAST.to_le_bytes();
            marks.around(|| state.queue.put(&message[..1])).unwrap();
        })
        .check(|state, point| {
            let n_slots = state.queue.stats().capacity;
            expect(n_slots == LEAST, || format!("it has grown to {n_slots}"))?;
            check_put(CHUNK + 1, LAST)(state, point)
        }))
}

/// The victim gets the last message of the first chunk, which two putters sleep for.
pub(crate) fn get_wakes_who_waits_for_a_chunk() -> Outcome {
    run(Sweep::new("get for a sleeper at the limit", || growing(MOST, CHUNK - 2))
        .victim(|state, marks| {
            warm_up(state);
            marks.around(|| state.queue.get()).unwrap();
        })
        .partner(Partner::sleeper("first putter", putter(FIRST, 1)))
        .partner(Partner::sleeper("second putter", putter(SECOND, 2)))
        .after_death(|state| {
            let both = || is_done(state, FIRST) && is_done(state, SECOND);
            // If the victim has not taken the message, this process does. From then on there is room
            // for both, and they must come by themselves.
            if !wait_a_while(SOON, both) && state.queue.len() == MOST - CHUNK {
                state.queue.try_get().ok();
            }
        })
        .check(|state, _| {
            let mut got = drain(state)?;
            let new = got.split_off(got.len().saturating_sub(2));
            expect(got == numbers(CHUNK, MOST - 1), || format!("{got:?}"))?;
            expect(new.contains(&vec![1]) && new.contains(&vec![2]), || format!("{new:?}"))?;
            grows_on(state)
        }))
}
