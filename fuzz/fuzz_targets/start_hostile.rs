//! Any bytes as what a parent says to its child or to the fork server, and as what it hears.
#![no_main]

use std::ffi::{CStr, c_char};

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| proc_core::play_start_messages(script));

/// How the address sanitizer goes about its work in this target.
///
/// A wrong entry may lead to any readable place in the program's own image, and is read there before
/// it is refused. The sanitizer's guards between the program's variables are such places.
#[unsafe(no_mangle)]
extern "C" fn __asan_default_options() -> *const c_char {
    const OPTIONS: &CStr = c"report_globals=0";
    OPTIONS.as_ptr()
}
