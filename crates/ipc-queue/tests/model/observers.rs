//! Somebody watches for others, beside those who take; it takes no wake-up from them, and may die.

use std::sync::Arc;

use ipc_core::primitive::model::run;

use crate::words::Words;
use crate::{FOREVER, explore, explore_deaths};

#[test]
fn an_observer_that_is_woken_in_place_of_a_getter_calls_it() {
    explore(|| {
        let words = Words::new(1, 2);
        let getter = Arc::clone(&words);
        let getter = loom::thread::spawn(move || {
            let me = getter.sit_down(0);
            getter.get(me, FOREVER)
        });
        let observer = Arc::clone(&words);
        let observer = loom::thread::spawn(move || {
            observer.operation(|ring| ring.await_message(|| ring.is_closed()));
        });
        let me = words.sit_down(1);
        words.put(me, 7, FOREVER).unwrap();
        assert_eq!(getter.join().unwrap(), Ok(7));
        // The getter may have been so fast that the observer has seen nothing.
        words.operation(|ring| ring.close());
        observer.join().unwrap();
    });
}

#[test]
fn an_observer_of_room_that_is_woken_in_place_of_a_putter_calls_it() {
    explore(|| {
        let words = Words::new(1, 2);
        let me = words.sit_down(1);
        words.put(me, 7, FOREVER).unwrap();
        let putter = Arc::clone(&words);
        let putter = loom::thread::spawn(move || {
            let me = putter.sit_down(0);
            putter.put(me, 8, FOREVER).unwrap();
        });
        let observer = Arc::clone(&words);
        let observer = loom::thread::spawn(move || {
            observer.operation(|ring| ring.await_room(|| ring.is_closed()));
        });
        assert_eq!(words.get(me, FOREVER), Ok(7));
        putter.join().unwrap();
        words.operation(|ring| ring.close());
        observer.join().unwrap();
    });
}

#[test]
fn an_observer_that_dies_takes_no_wake_up_with_it() {
    explore_deaths(|dies_at| {
        let words = Words::new(1, 2);
        let getter = Arc::clone(&words);
        let getter = loom::thread::spawn(move || {
            let me = getter.sit_down(0);
            getter.get(me, FOREVER)
        });
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                victim.operation(|ring| ring.await_message(|| ring.is_closed()));
            })
        });
        let me = words.sit_down(1);
        words.put(me, 7, FOREVER).unwrap();
        assert_eq!(getter.join().unwrap(), Ok(7));
        words.operation(|ring| ring.close());
        !victim.join().unwrap().is_finished()
    });
}
