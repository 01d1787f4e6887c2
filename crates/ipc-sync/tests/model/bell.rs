//! Bells in the model: whoever rings and dies, all who sleep hear of the change.

#![expect(unsafe_code, reason = "the words live as long as the model")]

use std::sync::Arc;

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::{AcqRel, Acquire, SeqCst};
use ipc_core::primitive::model::run;
use ipc_core::primitive::{AtomicU32, Wait, Woken, fence, futex_wait_any};
use ipc_core::robust::{Bell, Thread};
use loom::thread;

use super::with_every_death_within;

/// Two changes are waited for.
const ALL: u32 = 2;

/// A bell, and the word that sleepers wait for.
#[derive(Default)]
struct Rung {
    bell: Bell,
    word: AtomicU32,
}

impl Rung {
    fn with_pending(&self, body: impl FnOnce()) {
        let me = Thread::current();
        // SAFETY: the word lives until the last thread of the model has ended.
        unsafe { me.pend(self.bell.word()) };
        body();
        me.pend_clear();
    }

    /// Makes one of the changes.
    fn change(&self) {
        self.with_pending(|| {
            self.word.fetch_add(1, AcqRel);
            if self.bell.is_waiting_after_exchange() {
                self.bell.wake_all();
            }
        });
    }

    /// Sleeps until all have been made.
    fn wait(&self) {
        self.with_pending(|| {
            loop {
                let seen = self.word.load(Acquire);
                if seen == ALL {
                    break;
                }
                self.bell.announce();
                let waits = [self.bell.wait(), Wait::on(&self.word, seen)];
                if let Woken::By(_) = futex_wait_any(&waits, Deadline::NEVER) {
                    self.bell.answer();
                }
            }
            // For those whom a dead one did not call.
            fence(SeqCst);
            if self.bell.is_waiting() {
                self.bell.wake_all();
            }
        });
    }
}

/// The first change is made by one who dies in the middle of ringing for it.
#[test]
fn bell_who_dies_ringing_leaves_nobody_asleep() {
    with_every_death_within(2, |dies_at| {
        let rung = Arc::new(Rung::default());
        let sleepers = [(); 2].map(|()| {
            let rung = Arc::clone(&rung);
            thread::spawn(move || rung.wait())
        });
        let victim = {
            let rung = Arc::clone(&rung);
            thread::spawn(move || run(Some(dies_at), || rung.change()))
        };
        let victim = victim.join().unwrap();
        for _ in rung.word.load(Acquire)..ALL {
            rung.change();
        }
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        victim
    });
}
