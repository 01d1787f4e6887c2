//! Any words in the memory of a queue, and any operations on it: each must return.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/ipc-queue/tests/scribble/mod.rs"]
#[expect(dead_code, reason = "a joinable queue has a target of its own")]
mod scribble;

fuzz_target!(|script: &[u8]| scribble::play(script));
