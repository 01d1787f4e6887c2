//! A seat is given on after a death, and whoever takes it over dies as well.

use std::sync::Arc;

use ipc_core::primitive::model::{Ended, run};

use crate::ring::slot::Owner;
use crate::ring::{Patience, Ring};
use crate::words::{Words, drain};
use crate::{FOREVER, bound, explore_deaths, explore_deaths_within};

/// Somebody sits down in `seat`, claims, and dies with the claim in its hands.
fn dies_after(
    words: &Arc<Words>,
    seat: u16,
    claim: impl FnOnce(Ring<'_, Words>, Owner) + Send + 'static,
) {
    const MORE_THAN_A_CLAIM: u64 = 40;
    let words = Arc::clone(words);
    let dead = loom::thread::spawn(move || {
        run(Some(MORE_THAN_A_CLAIM), || {
            let me = words.sit_down(seat);
            words.operation(|ring| {
                claim(ring, me);
                while !ring.is_closed() {}
            });
        })
    });
    assert_eq!(dead.join().unwrap(), Ended::Died);
}

#[test]
fn who_takes_over_a_putters_seat_and_dies_holds_up_nobody() {
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let words = Words::new(3, 4);
        dies_after(&words, 0, |ring, me| assert!(ring.claim_put(me).is_ok()));
        let me = words.sit_down(1);
        words.put(me, 1, FOREVER).unwrap();
        words.put(me, 2, FOREVER).unwrap();
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.take_over(0).unwrap();
                victim.put(me, 3, Patience::Try)
            })
        });
        let other = Arc::clone(&words);
        let other = loom::thread::spawn(move || {
            let me = other.sit_down(2);
            other.get(me, FOREVER).unwrap()
        });
        // Behind the hole there is a message for each.
        let mut got = vec![words.get(me, FOREVER).unwrap(), other.join().unwrap()];
        let ended = victim.join().unwrap();
        let died = ended == Ended::Died;
        if died {
            // A third may have the seat.
            assert!(words.take_over(0).is_some() || dies_at == 0);
        }
        got.extend(drain(&words));
        got.sort_unstable();
        let has_put = ended == Ended::Finished(Ok(()));
        assert!(got == [1, 2, 3] || got == [1, 2] && !has_put, "{got:?}");
        died
    });
}

#[test]
fn who_takes_over_a_getters_seat_and_dies_holds_up_nobody() {
    explore_deaths(|dies_at| {
        let words = Words::new(2, 4);
        let me = words.sit_down(1);
        words.put(me, 1, FOREVER).unwrap();
        words.put(me, 9, FOREVER).unwrap();
        dies_after(&words, 0, |ring, me| assert!(ring.claim_get(me).is_ok()));
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                // And has nothing else to do here.
                victim.take_over(0).unwrap();
            })
        });
        let other = Arc::clone(&words);
        let other = loom::thread::spawn(move || {
            let me = other.sit_down(2);
            other.put(me, 2, FOREVER).unwrap();
        });
        // There is room for it in the place of the message that was taken.
        other.join().unwrap();
        let died = victim.join().unwrap() == Ended::Died;
        let mut got = drain(&words);
        got.sort_unstable();
        assert_eq!(got, [2, 9]);
        assert_eq!(words.n_retired(), 1);
        died
    });
}

#[test]
fn a_seat_is_taken_over_as_soon_as_its_holder_has_died() {
    explore_deaths(|dies_at| {
        let words = Words::new(2, 4);
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.put(me, 1, FOREVER).unwrap();
            })
        });
        let heir = Arc::clone(&words);
        let heir = loom::thread::spawn(move || {
            let me = heir.take_over(0).unwrap_or_else(|| heir.sit_down(1));
            heir.put(me, 2, FOREVER).unwrap();
        });
        let me = words.sit_down(2);
        // It may be asleep on the life word of a putter, when somebody else puts his own there.
        let mut got = vec![words.get(me, FOREVER).unwrap()];
        let died = victim.join().unwrap() == Ended::Died;
        heir.join().unwrap();
        got.extend(drain(&words));
        got.sort_unstable();
        assert!(got == [1, 2] || died && got == [2], "{got:?}");
        died
    });
}
