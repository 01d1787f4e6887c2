//! The model's robust lists: what the kernel would find when a modelled thread dies.

#![expect(unsafe_code, reason = "the model keeps words by address, as the kernel does")]

use core::ptr;

use loom::cell::Cell;

use super::{RobustWord, TooManyHeld};
use crate::primitive::{AtomicU32, model};

const MOST: usize = 8;

struct State {
    pending: Cell<*const AtomicU32>,
    held: [Cell<*const AtomicU32>; MOST],
}

loom::thread_local! {
    static STATE: State = State {
        pending: Cell::new(ptr::null()),
        held: core::array::from_fn(|_| Cell::new(ptr::null())),
    };
}

/// Lets `word` be pending until it is dropped.
pub(super) fn pend_for_now(word: &AtomicU32) -> Restore {
    Restore(STATE.with(|state| state.pending.replace(word)))
}

/// Whether any word is pending.
pub(super) fn is_any_pending() -> bool {
    STATE.with(|state| !state.pending.get().is_null())
}

/// Lets that be pending again which was before.
pub(super) struct Restore(*const AtomicU32);

impl Drop for Restore {
    fn drop(&mut self) {
        // A modelled death unwinds: what is pending is for the kernel to find.
        if !std::thread::panicking() {
            STATE.with(|state| state.pending.set(self.0));
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Context {
    tid: u32,
}

pub(super) fn current() -> Context {
    Context { tid: model::tid() }
}

impl Context {
    pub(super) fn tid(self) -> u32 {
        self.tid
    }

    pub(super) fn generation(self) -> u64 {
        1
    }

    pub(super) fn pend(self, word: &AtomicU32) {
        STATE.with(|state| state.pending.set(word));
    }

    pub(super) fn pend_clear(self) {
        STATE.with(|state| state.pending.set(ptr::null()));
    }

    pub(super) fn reserve(self, _: &RobustWord) -> Result<(), TooManyHeld> {
        STATE.with(|state| {
            state.held.iter().any(|held| held.get().is_null()).then_some(()).ok_or(TooManyHeld)
        })
    }

    pub(super) fn link(self, word: &RobustWord) {
        STATE.with(|state| {
            if let Some(place) = state.held.iter().find(|held| held.get().is_null()) {
                place.set(&raw const word.word);
            }
        });
    }

    pub(super) fn unlink(self, word: &RobustWord) -> bool {
        STATE.with(|state| {
            let wanted: *const AtomicU32 = &raw const word.word;
            let place = state.held.iter().find(|held| held.get() == wanted);
            if let Some(place) = place {
                place.set(ptr::null());
            }
            place.is_some()
        })
    }

    pub(super) fn holds(self, word: &RobustWord) -> bool {
        let wanted: *const AtomicU32 = &raw const word.word;
        STATE.with(|state| state.held.iter().any(|held| held.get() == wanted))
    }

    pub(super) fn holds_any(self, words: &[RobustWord]) -> bool {
        words.iter().any(|word| self.holds(word))
    }
}

/// Does the kernel's part in the death of the calling modelled thread.
pub(crate) fn model_exit() {
    let dead = model::tid();
    STATE.with(|state| {
        let pending = state.pending.replace(ptr::null());
        for held in state.held.iter().rev().map(|held| held.replace(ptr::null())) {
            if !held.is_null() && held != pending {
                // SAFETY: a model's words live until its last thread has ended.
                model::bury(unsafe { &*held }, dead, false);
            }
        }
        if !pending.is_null() {
            // SAFETY: a model's words live until its last thread has ended.
            model::bury(unsafe { &*pending }, dead, true);
        }
    });
}
