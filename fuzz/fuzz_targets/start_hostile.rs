//! Any bytes as what a parent says to its child or to the fork server, and as what it hears.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| proc_core::play_start_messages(script));
