//! The pool in loom's world: every order of a few threads' steps, and a death before each access.
//!
//! | model | of what |
//! |-------|---------|
//! | [`tray`] | items that travel together: their results, and what is taken back of them |
//! | [`shelf`] | results on a shelf, which are overwritten only when they were copied |
//! | [`hand_over`] | a task's way to a worker and back: taking, answering, taking back, cancelling |
//! | [`collectors`] | who takes reports, and who waits until somebody does: threads, and no death |
//! | [`rounds`] | what is taken together, whoever takes it: each result once, in order, before what is behind it |
//!
//! The rings are what their own models prove them to be: a record is put or is not, and is got by one.
//! The table and the words of the board are the pool's own.

#![cfg(ipc_loom)]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that talks and that fails")]

#[expect(dead_code, reason = "the models use a part of the words")]
#[path = "../../src/board/words.rs"]
mod board;
#[expect(dead_code, reason = "no ring of the models breaks")]
#[path = "../../src/collector.rs"]
mod collector;
mod collectors;
#[expect(dead_code, unused_imports, reason = "the models use a part of the table")]
#[path = "../../src/dispatch/mod.rs"]
mod dispatch;
mod hand_over;
#[expect(dead_code, reason = "the models use a part of it")]
#[path = "../../src/lead.rs"]
mod lead;
#[expect(dead_code, reason = "the models use a part of it")]
#[path = "../../src/mailbox.rs"]
mod mailbox;
#[expect(dead_code, reason = "the models have a part of the bugs")]
#[path = "../../src/planted.rs"]
mod planted;
mod ring;
#[path = "../../src/round.rs"]
mod round;
mod rounds;
mod shelf;
#[path = "../../src/sync.rs"]
mod sync;
mod tray;
#[expect(dead_code, reason = "the models use a part of the words")]
#[path = "../../src/chunk/words.rs"]
mod words;

use std::sync::Arc;

/// What fates can carry; in the models it is nothing.
mod parcel {
    #[derive(Debug)]
    pub(crate) enum Parcel {}

    impl Parcel {
        pub(crate) fn is_returned(&self) -> bool {
            match *self {}
        }
    }
}

/// What fates can carry; in the models it is nothing.
mod chunk {
    pub(crate) mod answers {
        #[derive(Debug)]
        pub(crate) enum Answers {}

        impl Answers {
            pub(crate) fn n_items(&self) -> usize {
                match *self {}
            }
        }
    }
}

/// Who is told of what arrives.
mod receipt {
    use std::sync::Arc;

    use crate::mailbox::{Fate, Mailbox};

    #[derive(Debug)]
    pub(crate) struct Listener {
        pub(crate) ear: Ear,
    }

    #[derive(Debug)]
    pub(crate) enum Ear {
        Mailbox(Arc<Mailbox>, usize),
        #[expect(dead_code, reason = "no model has tasks of an executor")]
        Waker(()),
    }

    impl Listener {
        pub(crate) fn tell(self) {
            if let Ear::Mailbox(mailbox, index) = self.ear {
                mailbox.deliver(index, Fate::Noted);
            }
        }
    }
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let told = std::env::var("LOOM_MAX_PREEMPTIONS").ok().and_then(|bound| bound.parse().ok());
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(told.unwrap_or(2));
    builder.max_branches = 100_000;
    builder.check(model);
}

/// Explores the model with the victim dying before its access 0, 1, 2, …, until it never does.
#[expect(clippy::disallowed_types, reason = "what the explorations tell one another")]
fn explore_deaths(model: impl Fn(u64) -> bool + Send + Sync + Clone + 'static) {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    for dies_at in 0.. {
        let died = Arc::new(AtomicBool::new(false));
        let (seen, model) = (Arc::clone(&died), model.clone());
        explore(move || {
            if model(dies_at) {
                seen.store(true, Relaxed);
            }
        });
        if !died.load(Relaxed) {
            assert!(dies_at > 5, "the victim makes more accesses than that");
            println!("no death at access {dies_at}");
            return;
        }
    }
}
