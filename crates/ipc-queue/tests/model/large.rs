//! Large messages: the states of their blocks, with a death before each access of whoever moves them.
//!
//! There is one block, of a page, and memory for it. What is asked in the end, after every
//! death: no block is anybody's who is dead once there was a sweep, each message that was put is got
//! once with its own bytes, and who waits for memory is woken.

use std::sync::Arc;

use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::Thread;

use crate::heap::{self, Heap};
use crate::ring::{Patience, Refused, Ring};
use crate::store::Store;
use crate::{FOREVER, bound, explore_deaths_within, explore_within};

#[test]
fn two_putters_and_a_getter_with_memory_for_one() {
    explore_within(bound().saturating_sub(1), || {
        let store = Store::new(2, 4);
        let threads = [0, 1].map(|seat| {
            let store = Arc::clone(&store);
            loom::thread::spawn(move || {
                let me = store.sit_down(seat);
                store.put(me, u64::from(seat) + 1, FOREVER).unwrap();
            })
        });
        let me = store.sit_down(2);
        let sum = store.get(me, FOREVER).unwrap() + store.get(me, FOREVER).unwrap();
        assert_eq!(sum, 3);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(store.drain(me).is_empty());
    });
}

#[test]
fn a_putter_that_dies_with_a_block_leaves_it_to_others() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let store = Store::new(2, 4);
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.put(me, 1, FOREVER).unwrap();
            })
        });
        let me = store.sit_down(2);
        // There is memory for one at a time: this waits for the victim's message, or its death.
        let died = victim.join().unwrap() == Ended::Died;
        let mut got = Vec::new();
        while let Err(refused) = store.put(me, 2, Patience::Try) {
            assert!(matches!(refused, heap::Refused::Ring(Refused::NotNow)), "{refused:?}");
            got.push(store.get(me, FOREVER).unwrap());
        }
        got.extend(store.drain(me));
        assert!(got == [1, 2] || died && got == [2], "{got:?}");
        died
    });
}

#[test]
fn a_getter_that_dies_with_a_block_wakes_who_waits_for_it() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let store = Store::new(2, 4);
        let me = store.sit_down(2);
        store.put(me, 1, FOREVER).unwrap();
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.get(me, FOREVER)
            })
        });
        let putter = Arc::clone(&store);
        let putter = loom::thread::spawn(move || {
            let me = putter.sit_down(1);
            putter.put(me, 2, FOREVER).unwrap();
        });
        let ended = victim.join().unwrap();
        let died = ended == Ended::Died;
        let mut got = Vec::new();
        if died {
            // If the victim died before it took the message, somebody else must take it. Nobody
            // looks at the heap.
            got.extend(store.get(me, Patience::Try).ok());
        } else {
            assert_eq!(ended, Ended::Finished(Ok(1)));
        }
        putter.join().unwrap();
        got.extend(store.drain(me));
        assert!(got == [2] || died && got == [1, 2], "{got:?}");
        died
    });
}

#[test]
fn a_seat_is_given_on_and_its_blocks_are_not() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let store = Store::new(2, 4);
        let dead = Arc::clone(&store);
        let dead = loom::thread::spawn(move || {
            const MORE_THAN_AN_ALLOCATION: u64 = 90;
            run(Some(MORE_THAN_AN_ALLOCATION), || {
                let me = dead.sit_down(0);
                Heap(&*dead).allocate(me, Thread::current(), 1, Patience::Try).unwrap();
                while !Ring(&*dead).is_closed() {}
            })
        });
        assert_eq!(dead.join().unwrap(), Ended::Died);
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.words().take_over(0).unwrap();
                Heap(&*victim).bury(me, Thread::current()).unwrap();
                victim.put(me, 1, FOREVER).unwrap();
            })
        });
        let me = store.sit_down(2);
        // A sweep that comes between must not free what the seat's next holder has taken.
        Heap(&*store).sweep(Thread::current());
        let died = victim.join().unwrap() == Ended::Died;
        let got = store.drain(me);
        assert!(got == [1] || died && got.is_empty(), "{got:?}");
        died
    });
}
