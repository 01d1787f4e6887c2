//! Workers that say anything to the parent's side of a pool: each task has one end, whatever they say.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| pool::play_hostile_workers(script));
