//! Which memory this process has mapped, so that nothing is mapped twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::per_process::PerProcess;
use crate::segment::{Inner, SegmentId};

type Table = HashMap<SegmentId, Weak<Inner>>;

static OPEN: PerProcess<Mutex<Table>> = PerProcess::new();

/// What is mapped of that memory, if anything is.
pub(crate) fn find(id: SegmentId) -> Option<Arc<Inner>> {
    lock().get(&id)?.upgrade()
}

/// Adds a mapping, unless that memory is mapped already; returns the one that is to be used.
pub(crate) fn insert(id: SegmentId, made: Arc<Inner>) -> Arc<Inner> {
    let mut table = lock();
    if let Some(first) = table.get(&id).and_then(Weak::upgrade) {
        // The table is let go before `made` is dropped, which wants it again.
        drop(table);
        return first;
    }
    table.insert(id, Arc::downgrade(&made));
    made
}

/// Takes out a mapping that is about to end, unless there is a new one of the same memory.
pub(crate) fn forget(id: SegmentId) {
    let mut table = lock();
    if table.get(&id).is_some_and(|known| known.strong_count() == 0) {
        table.remove(&id);
    }
}

fn lock() -> MutexGuard<'static, Table> {
    // A panic cannot leave the table half changed.
    table().lock().unwrap_or_else(PoisonError::into_inner)
}

/// This process's table. A forked child has all its parent's mappings and begins with a copy.
fn table() -> &'static Mutex<Table> {
    OPEN.get_or_make(|inherited| {
        // If a thread of the parent was in here at the fork, the child begins with nothing, and may
        // map some memory a second time: a few pages of tables, no harm.
        let known = inherited.and_then(|table| table.try_lock().ok().map(|table| table.clone()));
        Mutex::new(known.unwrap_or_default())
    })
}
