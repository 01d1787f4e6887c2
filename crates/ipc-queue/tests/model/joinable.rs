//! A joinable queue: two workers, one who joins, and the death of one of them before each access.
//!
//! What is asked in the end, after every death: each item that was put is finished, join returns, and
//! not before; nobody who waits is left asleep; the count of deliveries is exact.

use std::sync::Arc;

use ipc_core::primitive::model::{Ended, run};
use ipc_core::primitive::{AtomicU32, Ordering::Relaxed};

use crate::lease::NotJoined;
use crate::ring::{Patience, Refused, Ring};
use crate::store::Store;
use crate::{FOREVER, bound, explore_deaths_within, explore_within};

/// Takes and finishes until the queue is closed; says what, and how often it was handed out.
fn work(store: &Store, seat: u16) -> Vec<(u64, u16)> {
    let me = store.sit_down(seat);
    let mut done = Vec::new();
    loop {
        match store.take_item(me, FOREVER) {
            Ok((held, item)) => {
                store.finish(held);
                done.push((item, held.lease.deliveries()));
            }
            Err(refused) => {
                assert_eq!(refused, Refused::Closed);
                return done;
            }
        }
    }
}

/// Somebody sits down in `seat`, takes an item, and dies with it in its hands.
fn dies_with_an_item(store: &Arc<Store>, seat: u16) {
    const MORE_THAN_A_TAKE: u64 = 60;
    let store = Arc::clone(store);
    let dead = loom::thread::spawn(move || {
        run(Some(MORE_THAN_A_TAKE), || {
            let me = store.sit_down(seat);
            store.take_item(me, Patience::Try).unwrap();
            while !Ring(&*store).is_closed() {}
        })
    });
    assert_eq!(dead.join().unwrap(), Ended::Died);
}

#[test]
fn join_waits_for_a_worker() {
    explore_within(bound(), || {
        let store = Store::joinable(1, 3, 1);
        let me = store.sit_down(2);
        store.put_item(me, 1, FOREVER).unwrap();
        let worker = Arc::clone(&store);
        let worker = loom::thread::spawn(move || {
            let me = worker.sit_down(0);
            let (held, item) = worker.take_item(me, FOREVER).unwrap();
            assert_eq!((item, held.lease.deliveries()), (1, 1));
            worker.finish(held);
        });
        assert_eq!(store.join(FOREVER), Ok(()));
        assert_eq!(store.take_item(me, Patience::Try).unwrap_err(), Refused::NotNow);
        worker.join().unwrap();
        assert!(store.finish_all(me).is_empty());
    });
}

#[test]
fn two_workers_share_one_slot() {
    explore_within(bound().saturating_sub(1), || {
        let store = Store::joinable(1, 3, 2);
        let workers = [0, 1].map(|seat| {
            let store = Arc::clone(&store);
            loom::thread::spawn(move || work(&store, seat))
        });
        let me = store.sit_down(2);
        store.put_item(me, 1, FOREVER).unwrap();
        store.put_item(me, 2, FOREVER).unwrap();
        assert_eq!(store.join(FOREVER), Ok(()));
        store.close();
        let mut done: Vec<_> = workers.into_iter().flat_map(|it| it.join().unwrap()).collect();
        done.sort_unstable();
        assert_eq!(done, [(1, 1), (2, 1)]);
    });
}

#[test]
fn join_waits_for_what_a_worker_puts_before_it_is_done() {
    explore_within(bound(), || {
        let store = Store::joinable(2, 3, 2);
        let me = store.sit_down(2);
        // The first block is free when the item lies in the second: a look at them passes where the
        // next item comes to before it comes to this one.
        store.put_item(me, 1, FOREVER).unwrap();
        store.put_item(me, 2, FOREVER).unwrap();
        let (first, _) = store.take_item(me, FOREVER).unwrap();
        store.finish(first);
        let n_done = Arc::new(AtomicU32::new(0));
        let (worker, its) = (Arc::clone(&store), Arc::clone(&n_done));
        let worker = loom::thread::spawn(move || {
            let me = worker.sit_down(0);
            let (held, _) = worker.take_item(me, FOREVER).unwrap();
            worker.put_item(me, 3, FOREVER).unwrap();
            worker.finish(held);
            let (held, item) = worker.take_item(me, FOREVER).unwrap();
            assert_eq!(item, 3);
            its.store(1, Relaxed);
            worker.finish(held);
        });
        assert_eq!(store.join(FOREVER), Ok(()));
        assert_eq!(n_done.load(Relaxed), 1, "the join did not wait, or carries nothing");
        worker.join().unwrap();
    });
}

#[test]
fn a_worker_that_dies_leaves_its_item_to_the_other() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let store = Store::joinable(1, 3, 1);
        let me = store.sit_down(2);
        store.put_item(me, 7, FOREVER).unwrap();
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                if let Ok((held, _)) = victim.take_item(me, Patience::Try) {
                    victim.finish(held);
                }
            })
        });
        let other = Arc::clone(&store);
        let other = loom::thread::spawn(move || work(&other, 1));
        // Nobody tells the other of the death but the kernel.
        assert_eq!(store.join(FOREVER), Ok(()));
        let died = victim.join().unwrap() == Ended::Died;
        store.close();
        let done = other.join().unwrap();
        let has_died_with_it = died && done == [(7, 2)];
        assert!(done.is_empty() || done == [(7, 1)] || has_died_with_it, "{done:?}");
        died
    });
}

#[test]
fn what_a_worker_gives_back_is_got_by_who_sleeps() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let store = Store::joinable(1, 3, 1);
        let me = store.sit_down(2);
        store.put_item(me, 7, FOREVER).unwrap();
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                if let Ok((held, _)) = victim.take_item(me, Patience::Try) {
                    victim.give_up(held);
                }
            })
        });
        let other = Arc::clone(&store);
        let other = loom::thread::spawn(move || {
            let me = other.sit_down(1);
            let (held, item) = other.take_item(me, FOREVER).unwrap();
            other.finish(held);
            (item, held.lease.deliveries())
        });
        let got = other.join().unwrap();
        assert!(got == (7, 1) || got == (7, 2), "{got:?}");
        let died = victim.join().unwrap() == Ended::Died;
        assert!(store.finish_all(me).is_empty());
        died
    });
}

#[test]
fn a_putter_that_dies_has_put_or_not() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let store = Store::joinable(1, 3, 1);
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.put_item(me, 7, FOREVER).unwrap();
            })
        });
        let other = Arc::clone(&store);
        let other = loom::thread::spawn(move || work(&other, 1));
        let died = victim.join().unwrap() == Ended::Died;
        // If it has put, somebody finishes it by itself.
        assert_eq!(store.join(FOREVER), Ok(()));
        store.close();
        let done = other.join().unwrap();
        assert!(done == [(7, 1)] || died && done.is_empty(), "{done:?}");
        let me = store.sit_down(2);
        assert!(store.finish_all(me).is_empty());
        died
    });
}

#[test]
fn a_putter_that_dies_and_a_join_that_passed_its_block() {
    explore_deaths_within(bound(), |dies_at| {
        let store = Store::joinable(2, 3, 2);
        let me = store.sit_down(2);
        store.put_item(me, 1, FOREVER).unwrap();
        store.put_item(me, 2, FOREVER).unwrap();
        let (first, _) = store.take_item(me, FOREVER).unwrap();
        store.finish(first);
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.put_item(me, 3, FOREVER).unwrap();
            })
        });
        let has_both = Arc::new(AtomicU32::new(0));
        let (other, its) = (Arc::clone(&store), Arc::clone(&has_both));
        let other = loom::thread::spawn(move || {
            let me = other.sit_down(1);
            let (held, item) = other.take_item(me, FOREVER).unwrap();
            assert_eq!(item, 2);
            // If it has both, it finishes the old one when it has the new one, and keeps that.
            let new = other.take_item(me, Patience::Try).ok();
            its.store(new.is_some().into(), Relaxed);
            other.finish(held);
            new
        });
        let joined = store.join(Patience::Try);
        let never_without = has_both.load(Relaxed) == 1;
        assert!(joined.is_err() || !never_without, "there was no moment without an item");
        let died = victim.join().unwrap() == Ended::Died;
        if let Some((new, item)) = other.join().unwrap() {
            assert_eq!((item, new.lease.deliveries()), (3, 1));
            store.finish(new);
        }
        store.finish_all(me);
        died
    });
}

#[test]
fn who_joins_and_dies_keeps_nothing_to_itself() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let store = Store::joinable(1, 4, 1);
        let me = store.sit_down(3);
        store.put_item(me, 7, FOREVER).unwrap();
        let holder = Arc::clone(&store);
        let holder = loom::thread::spawn(move || {
            run(Some(60), || {
                let me = holder.sit_down(0);
                if holder.take_item(me, Patience::Try).is_ok() {
                    while !Ring(&*holder).is_closed() {}
                }
            })
        });
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || run(Some(dies_at), || victim.join(FOREVER)));
        // The kernel tells one of the holder's death: that may be the one who joins.
        let (held, item) = store.take_item(me, FOREVER).unwrap();
        assert_eq!(item, 7);
        store.finish(held);
        let ended = victim.join().unwrap();
        assert!(matches!(ended, Ended::Died | Ended::Finished(Ok(()))), "{ended:?}");
        let has_died_with_it = holder.join().unwrap() == Ended::Died;
        assert_eq!(held.lease.deliveries(), if has_died_with_it { 2 } else { 1 });
        ended == Ended::Died
    });
}

#[test]
fn who_takes_over_a_workers_seat_and_dies_gives_its_item_on() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let store = Store::joinable(1, 3, 1);
        let me = store.sit_down(2);
        store.put_item(me, 7, FOREVER).unwrap();
        dies_with_an_item(&store, 0);
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                // And has nothing else to do here.
                victim.take_over(0);
            })
        });
        let other = Arc::clone(&store);
        let other = loom::thread::spawn(move || work(&other, 1));
        assert_eq!(store.join(FOREVER), Ok(()));
        store.close();
        assert_eq!(other.join().unwrap(), [(7, 2)]);
        victim.join().unwrap() == Ended::Died
    });
}

#[test]
fn one_that_holds_an_item_does_not_wait_for_itself() {
    explore_within(bound(), || {
        let store = Store::joinable(1, 1, 1);
        let me = store.sit_down(0);
        store.put_item(me, 7, FOREVER).unwrap();
        assert_eq!(store.join(Patience::Try), Err(NotJoined::NotNow));
        let (held, _) = store.take_item(me, FOREVER).unwrap();
        assert_eq!(store.join(FOREVER), Err(NotJoined::ByMe));
        store.finish(held);
        assert_eq!(store.join(FOREVER), Ok(()));
    });
}

#[test]
fn an_observer_is_told_of_what_comes_back() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let store = Store::joinable(1, 3, 1);
        let me = store.sit_down(2);
        store.put_item(me, 7, FOREVER).unwrap();
        let victim = Arc::clone(&store);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                if let Ok((held, _)) = victim.take_item(me, Patience::Try) {
                    victim.give_up(held);
                }
            })
        });
        // Who waits by way of an observer tries, and lets it wait if there is nothing.
        let got = loop {
            match store.take_item(me, Patience::Try) {
                Ok((held, _)) => break held,
                Err(refused) => assert_eq!(refused, Refused::NotNow),
            }
            store.await_item();
        };
        assert!(got.lease.deliveries() <= 2);
        store.finish(got);
        let died = victim.join().unwrap() == Ended::Died;
        assert!(store.finish_all(me).is_empty());
        died
    });
}
