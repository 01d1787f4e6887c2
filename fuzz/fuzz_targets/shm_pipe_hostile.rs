//! Any words in the memory of a connection, any packets at its doors, and any operations on it: each
//! must return.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/ipc-pipe/tests/scribble/mod.rs"]
mod scribble;

fuzz_target!(|script: &[u8]| scribble::play(script));
