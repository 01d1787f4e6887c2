//! A seat of the dead is taken over, and whoever takes it over dies as well, at every instruction.
//!
//! The dead one has left a hole. While its seat has a new holder that has not cleaned up yet, a
//! getter takes the hole for the work of somebody who lives, and goes to sleep. Nobody but the
//! kernel can tell it of the second death.
#![expect(clippy::unwrap_used, reason = "a test binary")]

use std::time::{Duration, Instant};

use ipc_queue::{Builder, ByteQueue};
use testkit::kill::{Partner, Sweep};
use testkit::{Counter, Outcome, SharedArena, child, clock};

use scribble::{Places, slot_bits};

#[path = "../scribble/mod.rs"]
#[expect(dead_code, reason = "only where the words lie is used here")]
mod scribble;

struct State {
    queue: ByteQueue,
    notes: SharedArena<Counter>,
}

const SITS: usize = 0;
const GO: usize = 1;
const GOT: usize = 2;

fn state() -> State {
    let queue = Builder::new(3).seats(3).without_backstop().message_bytes(48).bytes().unwrap();
    let places = Places { n_slots: 3, n_seats: 3, slot_bytes: 64, slots: None };
    // The first seat is that of a dead one ...
    let mut dead = child::fork(|| i32::from(queue.try_get().is_ok()));
    assert!(dead.wait().is_success());
    assert_eq!(queue.stats().dead_users, 1);
    // ... who has left a hole ...
    scribble::write(&queue, places.slot(0), slot_bits(0, 1, 0));
    // ... before a message.
    queue.put(b"behind the hole").unwrap();
    State { queue, notes: SharedArena::new(3) }
}

pub(crate) fn take_over_and_die() -> Outcome {
    let sweep = Sweep::new("takeover", state)
        .partner(Partner::holder(
            "a getter",
            |state: &State| {
                // Has the third seat, and comes to the hole later.
                state.queue.try_put(b"x").unwrap();
                state.notes[SITS].set(1);
                state.notes[GO].wait_until(|it| it == 1);
                let got = state.queue.get().unwrap();
                state.notes[GOT].set(1);
                i32::from(got != b"behind the hole")
            },
            |state| state.notes[SITS].get() == 1,
        ))
        .victim(|state, marks| {
            marks.around(|| state.queue.put(b"y").is_ok());
        })
        .barge(|state| {
            state.notes[GO].set(1);
            let start = Instant::now();
            while state.notes[GOT].get() == 0
                && !state.queue.stats().getters_wait
                && start.elapsed() < Duration::from_secs(5)
            {
                clock::pause(Duration::from_micros(50));
            }
            // It has announced itself; now it goes to sleep.
            clock::pause(Duration::from_micros(300));
            Box::new(|| ())
        })
        .after_death(|state| state.notes[GO].set(1))
        .check(|state, _| {
            // The getter's own message is there, and perhaps the victim's.
            let mut left = 0;
            while state.queue.try_get().is_ok() {
                left += 1;
            }
            let all = (0..3).all(|_| state.queue.try_put(b"z").is_ok());
            let right = (1..=2).contains(&left) && all && state.queue.is_full();
            if right { Ok(()) } else { Err(format!("{left} left: {:?}", state.queue)) }
        });
    Ok(sweep.at_every_instruction()?.into())
}
