//! A joinable queue: who sleeps is told of one whose life word it does not sleep on.
//!
//! It sleeps on those of all who sat at the table when it looked, if there are not too many for the
//! kernel: so who sits down later must call it, and what somebody does must be told of by the alarm too.

use std::sync::Arc;

use ipc_core::primitive::model::{Ended, run};

use crate::ring::slot::Owner;
use crate::ring::{Patience, Ring};
use crate::store::Store;
use crate::{FOREVER, bound, explore_deaths_within, explore_within};

/// As many seats as there are life words that a sleeper sleeps on; this is the next.
const NEXT: u16 = 4;

/// A queue with one item, and this thread in all seats before `next`; behind it there is one more. Says
/// who is in the first.
fn crowded(next: u16) -> (Arc<Store>, Owner) {
    let store = Store::joinable(1, usize::from(next) + 2, 1);
    let seats: Vec<_> = (0..next).map(|seat| store.sit_down(seat)).collect();
    store.put_item(seats[0], 7, FOREVER).unwrap();
    (store, seats[0])
}

#[test]
fn who_is_about_to_sleep_is_told_of_who_sits_down() {
    explore_within(bound().saturating_sub(1), || {
        let store = Store::joinable(1, 3, 1);
        let me = store.sit_down(0);
        let putter = Arc::clone(&store);
        let putter = loom::thread::spawn(move || {
            let me = putter.sit_down(1);
            putter.put_item(me, 7, FOREVER).unwrap();
        });
        // It ends when the scheduler likes, which may be when the others are asleep.
        let later = loom::thread::spawn(|| ());
        let dies = Arc::clone(&store);
        let dies = loom::thread::spawn(move || {
            let me = dies.sit_down(2);
            if dies.take_item(me, Patience::Try).is_ok() {
                later.join().unwrap();
                assert_eq!(run(Some(0), || Ring(&*dies).is_closed()), Ended::Died);
            }
        });
        let (held, item) = store.take_item(me, FOREVER).unwrap();
        assert_eq!(item, 7);
        store.finish(held);
        putter.join().unwrap();
        dies.join().unwrap();
    });
}

#[test]
fn who_joins_among_many_is_told_of_the_last_item_whose_finisher_dies() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let (store, _) = crowded(NEXT);
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(NEXT);
                if let Ok((held, _)) = victim.take_item(me, Patience::Try) {
                    victim.finish(held);
                }
            })
        });
        let other = Arc::clone(&store);
        let other = loom::thread::spawn(move || {
            let me = other.sit_down(NEXT + 1);
            let died = victim.join().unwrap() == Ended::Died;
            // If the victim has not finished it, somebody else must; else nobody rings any more.
            if let Ok((held, _)) = other.take_item(me, Patience::Try) {
                other.finish(held);
            }
            died
        });
        assert_eq!(store.join(FOREVER), Ok(()));
        other.join().unwrap()
    });
}

#[test]
fn who_sleeps_among_many_is_told_of_what_was_given_back_by_one_who_dies() {
    // Who sleeps does not sleep on its own life word, so there is one more seat before the victim's.
    const VICTIM: u16 = NEXT + 1;
    // It takes two preemptions to see more than the other models do, and more would take minutes.
    explore_deaths_within(bound().min(2), |dies_at| {
        let (store, me) = crowded(VICTIM);
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(VICTIM);
                if let Ok((held, _)) = victim.take_item(me, Patience::Try) {
                    victim.give_up(held);
                }
            })
        });
        let other = Arc::clone(&store);
        let other = loom::thread::spawn(move || {
            let me = other.sit_down(VICTIM + 1);
            let died = victim.join().unwrap() == Ended::Died;
            // If the victim has kept it, somebody else must give it back. Else nobody calls any more.
            if other.is_held_by(Owner::of_seat(VICTIM))
                && let Ok((held, _)) = other.take_item(me, Patience::Try)
            {
                other.give_up(held);
            }
            died
        });
        let (held, item) = store.take_item(me, FOREVER).unwrap();
        assert!(item == 7 && held.lease.deliveries() <= 3);
        store.finish(held);
        other.join().unwrap()
    });
}
