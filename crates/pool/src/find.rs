//! A worker's functions, from their names.

#![expect(unsafe_code, reason = "vouches for names that came from the parent")]

use proc_core::{Callable, Function, Refusal};

/// Finds a function that the parent named.
pub(crate) fn find(function: &Function) -> Result<Callable, Refusal> {
    // SAFETY: the name came through the inbox, into which only the parent puts, and which it gave to
    // this process when it started it as the same program; there it was made by `Function::of`.
    unsafe { function.find() }
}
