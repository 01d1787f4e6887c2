//! Any words in the memory of everything in `shm-value`, and any operations: each must return.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/shm-value/tests/scribble/mod.rs"]
mod scribble;

fuzz_target!(|script: &[u8]| scribble::play(script));
