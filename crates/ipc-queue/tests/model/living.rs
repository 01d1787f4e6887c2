//! Nobody dies: every interleaving of putters, getters and one who closes.

use std::sync::Arc;

use crate::ring::Refused;
use crate::words::Words;
use crate::{FOREVER, explore};

#[test]
fn one_putter_and_one_getter_with_one_slot() {
    explore(|| {
        let words = Words::new(1, 2);
        let putter = Arc::clone(&words);
        let thread = loom::thread::spawn(move || {
            let me = putter.sit_down(0);
            putter.put(me, 1, FOREVER).unwrap();
            putter.put(me, 2, FOREVER).unwrap();
        });
        let me = words.sit_down(1);
        assert_eq!(words.get(me, FOREVER), Ok(1));
        assert_eq!(words.get(me, FOREVER), Ok(2));
        thread.join().unwrap();
    });
}

#[test]
fn two_putters_and_one_getter_with_one_slot() {
    explore(|| {
        let words = Words::new(1, 3);
        let threads = [0, 1].map(|seat| {
            let words = Arc::clone(&words);
            loom::thread::spawn(move || {
                let me = words.sit_down(seat);
                words.put(me, u64::from(seat) + 1, FOREVER).unwrap();
            })
        });
        let me = words.sit_down(2);
        let sum = words.get(me, FOREVER).unwrap() + words.get(me, FOREVER).unwrap();
        assert_eq!(sum, 3);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn one_putter_and_two_getters_with_two_slots() {
    explore(|| {
        let words = Words::new(2, 3);
        let threads = [0, 1].map(|seat| {
            let words = Arc::clone(&words);
            loom::thread::spawn(move || {
                let me = words.sit_down(seat);
                words.get(me, FOREVER).unwrap()
            })
        });
        let me = words.sit_down(2);
        words.put(me, 1, FOREVER).unwrap();
        words.put(me, 2, FOREVER).unwrap();
        let got = threads.map(|thread| thread.join().unwrap());
        assert_eq!(got[0] + got[1], 3);
    });
}

/// Two of each side, and each has one message.
fn two_and_two(n_slots: usize) {
    explore(move || {
        let words = Words::new(n_slots, 4);
        let putters = [0, 1].map(|seat| {
            let words = Arc::clone(&words);
            loom::thread::spawn(move || {
                let me = words.sit_down(seat);
                words.put(me, u64::from(seat) + 1, FOREVER).unwrap();
            })
        });
        let other = Arc::clone(&words);
        let getter = loom::thread::spawn(move || {
            let me = other.sit_down(2);
            other.get(me, FOREVER).unwrap()
        });
        let me = words.sit_down(3);
        let here = words.get(me, FOREVER).unwrap();
        assert_eq!(here + getter.join().unwrap(), 3);
        for putter in putters {
            putter.join().unwrap();
        }
    });
}

#[test]
fn two_putters_and_two_getters_with_one_slot() {
    two_and_two(1);
}

#[test]
fn two_putters_and_two_getters_with_two_slots() {
    two_and_two(2);
}

#[test]
fn two_getters_are_woken_for_what_comes_in_the_wrong_order() {
    explore(|| {
        let words = Words::new(2, 4);
        let threads = [0, 1].map(|seat| {
            let words = Arc::clone(&words);
            loom::thread::spawn(move || {
                let me = words.sit_down(seat);
                words.get(me, FOREVER).unwrap()
            })
        });
        let [slow, quick] = [2, 3].map(|seat| words.sit_down(seat));
        // Who is woken for the second message finds the first one missing, and sleeps again. That one
        // then comes with one wake-up, and there are two who could go on.
        let claim = words.begin_put(slow);
        words.put(quick, 2, FOREVER).unwrap();
        words.end_put(claim, 1);
        let got = threads.map(|thread| thread.join().unwrap());
        assert_eq!(got[0] + got[1], 3);
    });
}

#[test]
fn two_putters_are_woken_for_what_is_given_back_in_the_wrong_order() {
    explore(|| {
        let words = Words::new(2, 4);
        let [slow, quick] = [2, 3].map(|seat| words.sit_down(seat));
        words.put(slow, 1, FOREVER).unwrap();
        words.put(slow, 2, FOREVER).unwrap();
        let threads = [0, 1].map(|seat| {
            let words = Arc::clone(&words);
            loom::thread::spawn(move || {
                let me = words.sit_down(seat);
                words.put(me, u64::from(seat) + 3, FOREVER).unwrap();
            })
        });
        // As above.
        let claim = words.begin_get(slow);
        assert_eq!(words.get(quick, FOREVER), Ok(2));
        assert_eq!(words.end_get(claim), 1);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(words.get(quick, FOREVER).unwrap() + words.get(quick, FOREVER).unwrap(), 7);
    });
}

#[test]
fn closing_ends_a_getter_and_loses_nothing() {
    explore(|| {
        let words = Words::new(1, 3);
        let putter = Arc::clone(&words);
        let putting = loom::thread::spawn(move || {
            let me = putter.sit_down(0);
            putter.put(me, 7, FOREVER)
        });
        let getter = Arc::clone(&words);
        let getting = loom::thread::spawn(move || {
            let me = getter.sit_down(1);
            let mut got = Vec::new();
            loop {
                match getter.get(me, FOREVER) {
                    Ok(message) => got.push(message),
                    Err(refused) => {
                        assert_eq!(refused, Refused::Closed);
                        return got;
                    }
                }
            }
        });
        words.operation(|ring| ring.close());
        let put = putting.join().unwrap();
        let got = getting.join().unwrap();
        match put {
            Ok(()) => assert_eq!(got, [7]),
            Err(refused) => {
                assert_eq!(refused, Refused::Closed);
                assert!(got.is_empty());
            }
        }
        assert_eq!(words.n_retired(), 0, "what was never put was not lost");
    });
}

#[test]
fn a_ring_that_grows_is_one_ring_for_all() {
    explore(|| {
        let words = Words::growing(4, 3);
        let me = words.sit_down(2);
        // The next is in the last chunk that there is: both want another.
        words.put(me, 1, FOREVER).unwrap();
        let other = Arc::clone(&words);
        let other = loom::thread::spawn(move || {
            let me = other.sit_down(0);
            other.put(me, 2, FOREVER).unwrap();
        });
        words.put(me, 3, FOREVER).unwrap();
        other.join().unwrap();
        assert_eq!(words.get(me, FOREVER), Ok(1));
        let got = [words.get(me, FOREVER).unwrap(), words.get(me, FOREVER).unwrap()];
        assert!(got == [2, 3] || got == [3, 2], "{got:?}");
    });
}

#[test]
fn a_putter_in_a_ring_that_may_not_grow_waits_for_the_first_chunk() {
    explore(|| {
        let words = Words::growing(2, 3);
        let threads = [0, 1].map(|seat| {
            let words = Arc::clone(&words);
            loom::thread::spawn(move || {
                let me = words.sit_down(seat);
                words.put(me, u64::from(seat) + 1, FOREVER).unwrap();
            })
        });
        let me = words.sit_down(2);
        let sum = words.get(me, FOREVER).unwrap() + words.get(me, FOREVER).unwrap();
        assert_eq!(sum, 3);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
