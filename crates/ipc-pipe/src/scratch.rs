//! Memory that a thread uses again and again: fresh memory costs more than what is done with it.

use std::cell::Cell;

/// A larger buffer is not kept.
const MOST_KEPT: usize = 4 << 20;

/// Lends a buffer that this thread keeps, with whatever is in it.
pub(crate) fn with_scratch<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    thread_local! {
        static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // Taken out and put back, so that a value whose own code sends or receives finds none and makes
    // another. A thread that is ending keeps none.
    let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
    let result = work(&mut scratch);
    if scratch.capacity() <= MOST_KEPT {
        SCRATCH.try_with(|kept| kept.set(scratch)).ok();
    }
    result
}
