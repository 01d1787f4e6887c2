//! The scenarios on an event: nobody who waited before a set sleeps on.

#![expect(unsafe_code, reason = "a pending word")]

use std::time::Duration;

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{OWNER, RobustWord, Thread};
use ipc_core::{Kind, Placed, Segment};
use ipc_sync::Event;
use testkit::Outcome;
use testkit::kill::{KillPoint, Partner, Sweep};

use super::{expect, run};

/// What a round shares.
struct Shared {
    event: Event,
}

fn shared() -> Shared {
    ipc_sync::raw::set_spin(0);
    Shared { event: Event::new().unwrap() }
}

fn sweep<'a>(name: &str) -> Sweep<'a, Shared> {
    Sweep::new(name, shared)
}

/// Goes through the code once, so that the sweep sees the operation alone.
fn warm_up() {
    let other = Event::new().unwrap();
    assert!(!other.wait_timeout(Duration::from_micros(1)));
    other.set();
    other.clear();
}

fn sleeper<'a>(name: &str) -> Partner<'a, Shared> {
    Partner::sleeper(name, |shared: &Shared| {
        shared.event.wait();
        0
    })
}

/// Sets the event if nobody has; if somebody has, those who sleep must come to it by themselves.
fn set_if_nobody_has(shared: &Shared) {
    let stats = shared.event.stats();
    if stats.has_waiters && !stats.is_set {
        shared.event.set();
    }
}

/// That the event is as good as new.
fn works(shared: &Shared) -> Result<(), String> {
    for _ in 0..2 {
        shared.event.set();
        expect(shared.event.wait_timeout(Duration::ZERO), || "set, and is not".to_owned())?;
        shared.event.clear();
        expect(!shared.event.wait_timeout(Duration::from_micros(1)), || {
            "clear, and is not".to_owned()
        })?;
    }
    shared.event.set();
    expect(!shared.event.stats().has_waiters, || "the mark of the sleepers stays".to_owned())
}

pub(super) fn set_while_nobody_waits() -> Outcome {
    run(sweep("set")
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.event.set());
        })
        .check(|shared, point| {
            expect(shared.event.is_set() || *point != KillPoint::Survived, || "lost".to_owned())
        }))
}

pub(super) fn set_while_two_sleep() -> Outcome {
    run(sweep("set, two sleep")
        .partner(sleeper("first"))
        .partner(sleeper("second"))
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.event.set());
        })
        .after_death(set_if_nobody_has)
        .check(|shared, _| {
            expect(shared.event.is_set(), || "it was set".to_owned())?;
            works(shared)
        }))
}

/// Whoever dies behind its set finds it cleared, before anybody was called.
pub(super) fn set_while_one_clears() -> Outcome {
    run(sweep("set, two sleep, one clears")
        .partner(sleeper("first"))
        .partner(sleeper("second"))
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.event.set());
        })
        .barge(|shared| {
            shared.event.clear();
            Box::new(|| ())
        })
        .after_death(set_if_nobody_has)
        .check(|shared, _| works(shared)))
}

pub(super) fn set_and_clear_while_two_sleep() -> Outcome {
    run(sweep("set and clear, two sleep")
        .partner(sleeper("first"))
        .partner(sleeper("second"))
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| {
                shared.event.set();
                shared.event.clear();
            });
        })
        .after_death(set_if_nobody_has)
        .check(|shared, _| works(shared)))
}

pub(super) fn wait_until_set() -> Outcome {
    run(sweep("wait")
        .partner(sleeper("other"))
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.event.wait());
        })
        .while_asleep(|shared| shared.event.set())
        .after_death(|shared| shared.event.set())
        .check(|shared, _| works(shared)))
}

pub(super) fn wait_in_vain() -> Outcome {
    run(sweep("wait in vain")
        .partner(sleeper("other"))
        .victim(|shared, marks| {
            warm_up();
            assert!(!marks.around(|| shared.event.wait_timeout(Duration::from_millis(30))));
        })
        // It wakes up by itself.
        .while_asleep(|_| ())
        .after_death(|shared| shared.event.set())
        .check(|shared, _| works(shared)))
}

/// An event, and a lock's word that is being taken when a handler sets the event.
struct Interrupted {
    shared: Shared,
    line: Placed<RobustWord>,
}

/// Whoever dies in the handler was about to hold the lock: that must not stay with the dead.
pub(super) fn set_in_a_handler() -> Outcome {
    let interrupted = || {
        let segment = Segment::create(Kind::new(*b"handler\0", 1), 0, 64).unwrap();
        Interrupted { shared: shared(), line: segment.place(0).unwrap() }
    };
    let sleeper = |name| {
        Partner::sleeper(name, |state: &Interrupted| {
            state.shared.event.wait();
            0
        })
    };
    run(Sweep::new("set in a handler, two sleep", interrupted)
        .partner(sleeper("first"))
        .partner(sleeper("second"))
        .victim(|state, marks| {
            warm_up();
            let me = Thread::current();
            // SAFETY: the word lies in a segment that this process has mapped to its end.
            unsafe { me.pend(&state.line.word) };
            state.line.word.store(me.tid(), Relaxed);
            // Here it is interrupted.
            marks.around(|| state.shared.event.set());
            state.line.word.store(0, Relaxed);
            me.pend_clear();
        })
        .after_death(|state| set_if_nobody_has(&state.shared))
        .check(|state, _| {
            let word = state.line.word.load(Relaxed);
            expect(word & OWNER == 0, || format!("the dead still hold the lock: {word:#x}"))?;
            expect(state.shared.event.is_set(), || "it was set".to_owned())?;
            works(&state.shared)
        }))
}
