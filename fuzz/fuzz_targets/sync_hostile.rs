//! Any words in the memory of every primitive of `ipc-sync`, and any operations: each must return.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/ipc-sync/tests/scribble/mod.rs"]
mod scribble;

fuzz_target!(|script: &[u8]| scribble::play(script));
