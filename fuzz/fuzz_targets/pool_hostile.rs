//! Workers that say anything to the parent's side of a pool: each task has one end, whatever they say.
#![no_main]

use std::ffi::{CStr, c_char};

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| pool::play_hostile_workers(script));

/// How the address sanitizer goes about its work in this target.
///
/// The script has a worker, and so a fork server. What a process keeps for itself alone is left behind in
/// its copies, as `ipc_core::PerProcess` says, and would be reported there.
#[unsafe(no_mangle)]
extern "C" fn __asan_default_options() -> *const c_char {
    const OPTIONS: &CStr = c"detect_leaks=0";
    OPTIONS.as_ptr()
}
