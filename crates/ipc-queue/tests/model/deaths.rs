//! A thread dies in the middle of an operation, before each of its accesses.

use std::sync::Arc;

use ipc_core::primitive::model::{Ended, run};

use crate::ring::slot::Owner;
use crate::ring::{Memory as _, Patience, Refused, Ring};
use crate::words::{Words, drain};
use crate::{FOREVER, bound, explore_deaths, explore_deaths_within};

#[test]
fn a_putter_that_dies_holds_up_nobody() {
    explore_deaths(|dies_at| {
        let words = Words::new(1, 4);
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.put(me, 1, FOREVER).unwrap();
            })
        });
        let other = Arc::clone(&words);
        let other = loom::thread::spawn(move || {
            let me = other.sit_down(1);
            other.put(me, 2, FOREVER).unwrap();
        });
        let me = words.sit_down(2);
        let mut got = vec![words.get(me, FOREVER).unwrap()];
        let died = victim.join().unwrap() == Ended::Died;
        other.join().unwrap();
        got.extend(drain(&words));
        got.sort_unstable();
        assert!(got == [1, 2] || died && (got == [1] || got == [2]), "{got:?}");
        died
    });
}

#[test]
fn a_getter_that_dies_holds_up_nobody() {
    // The largest of the models: one preemption fewer keeps it in the time of the others. With two
    // it takes minutes; `LOOM_MAX_PREEMPTIONS=3` does that.
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let words = Words::new(1, 4);
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.get(me, FOREVER)
            })
        });
        let putter = Arc::clone(&words);
        let putter = loom::thread::spawn(move || {
            let me = putter.sit_down(1);
            putter.put(me, 1, FOREVER).unwrap();
            putter.put(me, 2, FOREVER).unwrap();
            putter.operation(|ring| ring.close());
        });
        let me = words.sit_down(2);
        let mut got = Vec::new();
        while let Ok(message) = words.get(me, FOREVER) {
            got.push(message);
        }
        putter.join().unwrap();
        let ended = victim.join().unwrap();
        let died = ended == Ended::Died;
        if let Ended::Finished(Ok(message)) = ended {
            got.push(message);
        }
        got.sort_unstable();
        assert!(got == [1, 2] || died && (got == [1] || got == [2]), "{got:?}");
        died
    });
}

#[test]
fn a_sleeping_getter_that_dies_hands_its_wake_up_on() {
    explore_deaths(|dies_at| {
        let words = Words::new(2, 4);
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.get(me, FOREVER).unwrap()
            })
        });
        let getter = Arc::clone(&words);
        let getter = loom::thread::spawn(move || {
            let me = getter.sit_down(1);
            getter.get(me, FOREVER).unwrap()
        });
        let me = words.sit_down(2);
        words.put(me, 1, FOREVER).unwrap();
        words.put(me, 2, FOREVER).unwrap();
        let mut got = vec![getter.join().unwrap()];
        let ended = victim.join().unwrap();
        let died = ended == Ended::Died;
        if let Ended::Finished(message) = ended {
            got.push(message);
        }
        got.extend(drain(&words));
        got.sort_unstable();
        assert!(got == [1, 2] || died && (got == [1] || got == [2]), "{got:?}");
        died
    });
}

#[test]
fn a_closer_that_dies_has_closed_or_has_not() {
    explore_deaths(|dies_at| {
        let words = Words::new(1, 3);
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || victim.operation(|ring| ring.close()))
        });
        let getter = Arc::clone(&words);
        let getter = loom::thread::spawn(move || {
            let me = getter.sit_down(0);
            getter.get(me, FOREVER)
        });
        let died = !victim.join().unwrap().is_finished();
        if died && !Ring(&*words).is_closed() {
            words.operation(|ring| ring.close());
        }
        assert_eq!(getter.join().unwrap(), Err(Refused::Closed));
        died
    });
}

#[test]
fn a_putter_that_dies_holds_up_nobody_in_a_ring_that_grows() {
    explore_deaths(|dies_at| {
        let words = Words::growing(4, 4);
        let me = words.sit_down(2);
        words.put(me, 1, FOREVER).unwrap();
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.put(me, 2, FOREVER).unwrap();
            })
        });
        words.put(me, 3, FOREVER).unwrap();
        let died = victim.join().unwrap() == Ended::Died;
        let mut got = drain(&words);
        got.sort_unstable();
        assert!(got == [1, 2, 3] || died && got == [1, 3], "{got:?}");
        died
    });
}

#[test]
fn a_putter_that_dies_takes_one_place_and_no_more_in_a_ring_at_its_limit() {
    const MOST: u32 = 5;
    explore_deaths(|dies_at| {
        let words = Words::growing(MOST as usize, 3);
        let me = words.sit_down(1);
        for message in 0..3 {
            words.put(me, message, Patience::Try).unwrap();
        }
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.put(me, 3, Patience::Try).unwrap();
            })
        });
        let died = victim.join().unwrap() == Ended::Died;
        // Wherever the next putters were sent, there is room for as many as were promised.
        for message in 0..3 {
            while words.put(me, 4, Patience::Try).is_ok() {}
            let n_taken = Ring(&*words).n_taken();
            assert!(n_taken >= MOST - 1, "no room, and only {n_taken} in it");
            assert_eq!(words.get(me, Patience::Try), Ok(message));
        }
        died
    });
}

#[test]
fn a_getter_that_dies_leaves_its_chunk_to_a_putter_that_waits_for_it() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let words = Words::growing(2, 4);
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.get(me, FOREVER).unwrap()
            })
        });
        let putter = Arc::clone(&words);
        let putter = loom::thread::spawn(move || {
            let me = putter.sit_down(1);
            putter.put(me, 1, FOREVER).unwrap();
            // There is room for one, unless it is got.
            putter.put(me, 2, FOREVER).unwrap();
        });
        let me = words.sit_down(2);
        let mut got = vec![words.get(me, FOREVER).unwrap()];
        let ended = victim.join().unwrap();
        let died = ended == Ended::Died;
        if let Ended::Finished(message) = ended {
            got.push(message);
        }
        putter.join().unwrap();
        got.extend(drain(&words));
        got.sort_unstable();
        assert!(got == [1, 2] || died && (got == [1] || got == [2]), "{got:?}");
        died
    });
}

#[test]
fn a_getter_that_dies_with_the_first_chunk_is_noticed_by_who_has_looked_at_the_others() {
    explore_deaths(|dies_at| {
        let words = Words::growing(3, 4);
        let me = words.sit_down(2);
        // All three chunks are on the list: the next message needs the first of them.
        words.put(me, 1, FOREVER).unwrap();
        words.put(me, 2, FOREVER).unwrap();
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.get(me, FOREVER).unwrap()
            })
        });
        let putter = Arc::clone(&words);
        let putter = loom::thread::spawn(move || {
            let me = putter.sit_down(1);
            putter.put(me, 3, FOREVER).unwrap();
        });
        let ended = victim.join().unwrap();
        let died = ended == Ended::Died;
        let mut got = Vec::new();
        if let Ended::Finished(message) = ended {
            got.push(message);
        }
        // If the victim died before it took the message, somebody else must. Else nobody comes any more.
        let first = words.slot(0).look();
        if first.is_written() && first.owner() == Owner::NOBODY {
            got.push(words.get(me, FOREVER).unwrap());
        }
        putter.join().unwrap();
        got.extend(drain(&words));
        assert!(got == [1, 2, 3] || died && got == [2, 3], "{got:?}");
        died
    });
}
