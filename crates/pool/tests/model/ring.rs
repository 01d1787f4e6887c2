//! A ring as its own models prove it to be: whoever dies has put a record or has not, has got one or has
//! not.

use std::collections::VecDeque;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use loom::sync::{Condvar, Mutex};

pub(crate) struct Ring<T> {
    /// Looked at before each operation: whoever dies in it dies there.
    gate: AtomicU64,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    records: VecDeque<T>,
    is_closed: bool,
}

impl<T> Ring<T> {
    pub(crate) fn new() -> Self {
        let state = State { records: VecDeque::new(), is_closed: false };
        Self { gate: AtomicU64::new(0), state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(crate) fn put(&self, record: T) {
        self.gate.load(Relaxed);
        self.state.lock().unwrap().records.push_back(record);
        self.changed.notify_one();
    }

    /// Waits for a record; `None` when the ring is closed and empty.
    pub(crate) fn get(&self) -> Option<T> {
        self.gate.load(Relaxed);
        let mut state = self.state.lock().unwrap();
        while state.records.is_empty() && !state.is_closed {
            state = self.changed.wait(state).unwrap();
        }
        state.records.pop_front()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().unwrap().is_closed
    }

    pub(crate) fn try_get(&self) -> Option<T> {
        self.state.lock().unwrap().records.pop_front()
    }

    /// The next record, which stays.
    pub(crate) fn first(&self) -> Option<T>
    where
        T: Copy,
    {
        self.state.lock().unwrap().records.front().copied()
    }

    pub(crate) fn close(&self) {
        self.state.lock().unwrap().is_closed = true;
        self.changed.notify_all();
    }
}
