//! Somebody leaves, or dies and is then no longer counted, while others look around and sleep.
//!
//! The kernel's count is a flag for each who may be there, which is taken away in one step: by who
//! leaves, or, some time after a death, by nobody in particular.

use std::sync::Arc;

use ipc_core::primitive::model::run;
use ipc_core::primitive::{AtomicU64, yield_now};
use ipc_core::robust::Life;
use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::Ordering::SeqCst;

use crate::ring::bells::Bells;
use crate::ring::position::PositionWord;
use crate::ring::slot::SlotWord;
use crate::ring::{Memory, Notes, Patience, Refused, Ring, Tuning};
use crate::words::{Words, get, operation, put};
use crate::{FOREVER, explore, explore_deaths};

/// Who is there, of one side.
type Side = Arc<[AtomicBool]>;

fn side(n_there: usize) -> Side {
    (0..n_there).map(|_| AtomicBool::new(true)).collect()
}

/// The words, for one who watches a side.
struct Watcher {
    words: Arc<Words>,
    watched: Side,
}

impl Watcher {
    fn new(words: &Arc<Words>, watched: &Side) -> Self {
        Self { words: Arc::clone(words), watched: Arc::clone(watched) }
    }
}

impl Memory for Watcher {
    fn n_slots(&self) -> u32 {
        self.words.n_slots()
    }
    fn chunk(&self) -> u32 {
        self.words.chunk()
    }
    fn tail(&self) -> &PositionWord {
        self.words.tail()
    }
    fn head(&self) -> &PositionWord {
        self.words.head()
    }
    fn bells(&self) -> &Bells {
        self.words.bells()
    }
    fn slot(&self, index: u32) -> &SlotWord {
        self.words.slot(index)
    }
    fn life(&self, seat: u16) -> Option<&Life> {
        self.words.life(seat)
    }
    fn retired(&self) -> &AtomicU64 {
        self.words.retired()
    }
    fn tuning(&self) -> Tuning {
        self.words.tuning()
    }
    fn notes(&self) -> &Notes {
        self.words.notes()
    }
    fn is_watcher(&self) -> bool {
        true
    }
    fn is_deserted(&self) -> bool {
        self.watched.iter().all(|is_there| !is_there.load(SeqCst))
    }
}

/// Leaves a side, as the drop of the last handle in a process does.
fn leave(words: &Words, side: &Side, place: usize, is_getter: bool) {
    operation(words, |ring| {
        side[place].store(false, SeqCst);
        ring.tell_left(is_getter);
    });
}

#[test]
fn the_last_putter_leaves_and_both_getters_come_to_know() {
    explore(|| {
        let words = Words::new(1, 3);
        let putters = side(1);
        let getters = [0, 1].map(|seat| {
            let watcher = Watcher::new(&words, &putters);
            loom::thread::spawn(move || {
                let me = watcher.words.sit_down(seat);
                let mut n_got = 0;
                loop {
                    match get(&watcher, &watcher.words, me, FOREVER) {
                        Ok(message) => n_got += message,
                        Err(refused) => {
                            assert_eq!(refused, Refused::Disconnected);
                            return n_got;
                        }
                    }
                }
            })
        });
        let me = words.sit_down(2);
        words.put(me, 1, FOREVER).unwrap();
        leave(&words, &putters, 0, false);
        let got = getters.map(|getter| getter.join().unwrap());
        assert_eq!(got[0] + got[1], 1, "what was put before was got");
    });
}

#[test]
fn of_two_putters_the_last_counts() {
    explore(|| {
        let words = Words::new(2, 3);
        let putters = side(2);
        let threads = [0, 1].map(|place| {
            let (words, putters) = (Arc::clone(&words), Arc::clone(&putters));
            loom::thread::spawn(move || {
                let me = words.sit_down(place);
                words.put(me, 1, FOREVER).unwrap();
                leave(&words, &putters, usize::from(place), false);
            })
        });
        let watcher = Watcher::new(&words, &putters);
        let me = words.sit_down(2);
        assert_eq!(get(&watcher, &words, me, FOREVER), Ok(1));
        assert_eq!(get(&watcher, &words, me, FOREVER), Ok(1));
        assert_eq!(get(&watcher, &words, me, FOREVER), Err(Refused::Disconnected));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn the_last_getter_leaves_and_both_putters_come_to_know() {
    explore(|| {
        let words = Words::new(1, 3);
        let getters = side(1);
        let me = words.sit_down(2);
        words.put(me, 9, FOREVER).unwrap();
        let putters = [0, 1].map(|seat| {
            let watcher = Watcher::new(&words, &getters);
            loom::thread::spawn(move || {
                let me = watcher.words.sit_down(seat);
                let refused = put(&watcher, &watcher.words, me, 1, FOREVER);
                assert_eq!(refused, Err(Refused::Disconnected));
            })
        });
        leave(&words, &getters, 0, true);
        for putter in putters {
            putter.join().unwrap();
        }
        // And all who come later, who would find room, see the hint.
        assert_eq!(words.get(me, Patience::Try), Ok(9));
        let watcher = Watcher::new(&words, &getters);
        assert_eq!(Ring(&watcher).turns_away(), Some(Refused::Disconnected));
        assert_eq!(Ring(&watcher).turns_away(), Some(Refused::Disconnected));
    });
}

#[test]
fn a_hint_is_not_lost_between_one_who_leaves_and_one_who_looks() {
    explore(|| {
        let words = Words::new(1, 1);
        let getters = side(2);
        let leaving = [0, 1].map(|place| {
            let (words, getters) = (Arc::clone(&words), Arc::clone(&getters));
            loom::thread::spawn(move || leave(&words, &getters, place, true))
        });
        let watcher = Watcher::new(&words, &getters);
        assert!(Ring(&watcher).turns_away().is_none_or(|_| watcher.is_deserted()));
        for thread in leaving {
            thread.join().unwrap();
        }
        assert_eq!(Ring(&watcher).turns_away(), Some(Refused::Disconnected));
    });
}

#[test]
fn a_putter_that_dies_as_it_puts_or_leaves_is_gone_when_the_kernel_says_so() {
    explore_deaths(|dies_at| {
        let words = Words::new(1, 2);
        let putters = side(1);
        let watcher = Watcher::new(&words, &putters);
        let is_told = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_told);
        let getter = loom::thread::spawn(move || {
            let me = watcher.words.sit_down(1);
            let mut n_got = 0;
            let refused = loop {
                match get(&watcher, &watcher.words, me, FOREVER) {
                    Ok(message) => n_got += message,
                    Err(refused) => break refused,
                }
            };
            told.store(true, SeqCst);
            (n_got, refused)
        });
        let (victim, its_side) = (Arc::clone(&words), Arc::clone(&putters));
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.put(me, 1, FOREVER).unwrap();
                leave(&victim, &its_side, 0, false);
            })
        });
        let died = !victim.join().unwrap().is_finished();
        if died {
            putters[0].store(false, SeqCst);
            // The looks that the getter takes by itself, which never come in this world.
            while !is_told.load(SeqCst) {
                words.bells().call_all();
                yield_now();
            }
        }
        let (n_got, refused) = getter.join().unwrap();
        assert_eq!(refused, Refused::Disconnected);
        assert!(n_got == 1 || died && n_got == 0, "{n_got}");
        died
    });
}
