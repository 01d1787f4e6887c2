//! What tasks do, and the book in shared memory in which they say so.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Kind, Segment};
use nix::sys::signal::{SigSet, Signal};
use serde::{Deserialize, Serialize};

use crate::plan::Does;

const KIND: Kind = Kind::new(*b"schedule", 1);

/// Room for so many tasks.
const MOST_TASKS: usize = 8192;

/// Of each task how often it was run, and which of all first runs was its first. Before them two words:
/// how often the gate was opened, and how many first runs there were.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Audit(Segment);

/// The book, in a worker.
static BOOK: OnceLock<Audit> = OnceLock::new();

/// Has a worker know the book, so that what it is sent has no handle, and can travel with others.
pub(crate) fn open_book(audit: Audit) {
    BOOK.set(audit).unwrap();
}

/// The argument of a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) number: usize,
    pub(crate) does: Does,
    pub(crate) cargo: String,
}

/// The result of a task.
pub(crate) type Done = (usize, String);

impl Audit {
    pub(crate) fn new() -> Self {
        let n_words = 2 + 2 * MOST_TASKS;
        Self(Segment::create(KIND, 0, n_words * size_of::<u64>()).unwrap())
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        self.0.at(at * size_of::<u64>()).unwrap()
    }

    pub(crate) fn open_gate(&self) {
        self.word(0).fetch_add(1, Relaxed);
    }

    pub(crate) fn open_all_gates(&self) {
        self.word(0).store(u64::MAX, Relaxed);
    }

    /// How often a task was run.
    pub(crate) fn n_runs(&self, task: usize) -> u64 {
        self.word(2 + 2 * task).load(Relaxed)
    }

    /// Which of all first runs its first was, from 1; 0 if it was not run.
    pub(crate) fn turn(&self, task: usize) -> u64 {
        self.word(3 + 2 * task).load(Relaxed)
    }

    /// A task begins; says how often it was run before.
    fn begin(&self, task: usize) -> u64 {
        let n_before = self.word(2 + 2 * task).fetch_add(1, Relaxed);
        if n_before == 0 {
            self.word(3 + 2 * task).store(1 + self.word(1).fetch_add(1, Relaxed), Relaxed);
        }
        n_before
    }
}

/// What a task with much cargo carries; it goes through a file.
pub(crate) fn cargo(does: Does) -> String {
    if does == Does::Carry { "cargo ".repeat(6_000) } else { String::new() }
}

fn hang() -> ! {
    loop {
        testkit::clock::pause(Duration::from_secs(1));
    }
}

/// The function of all tasks.
#[expect(clippy::exit, reason = "some tasks end their process")]
pub(crate) fn run(order: Order) -> Done {
    let Order { number, does, cargo } = order;
    let audit = BOOK.get().unwrap();
    let n_before = audit.begin(number);
    match does {
        Does::Work(micros) => {
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(micros.into()) {}
        }
        Does::Carry => {}
        Does::Wait(n_times) => {
            while audit.word(0).load(Relaxed) < n_times {
                testkit::clock::pause(Duration::from_micros(100));
            }
        }
        // Nothing is printed of it.
        Does::Panic => std::panic::resume_unwind(Box::new("on purpose")),
        Does::Abort(n_times) => {
            if n_before < n_times.into() {
                std::process::abort();
            }
        }
        Does::Exit(code) => std::process::exit(code),
        Does::Hang => hang(),
        Does::Resist => {
            let mut signals = SigSet::empty();
            signals.add(Signal::SIGTERM);
            signals.thread_block().unwrap();
            hang();
        }
    }
    (number, cargo)
}
