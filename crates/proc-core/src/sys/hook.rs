//! The door through which a fresh copy of the program comes before its `main` runs.
//!
//! A function whose address stands in the section `.init_array` is run by libc before `main`. Ours
//! looks whether this process was started to be a child of the same program. If so it goes through
//! [`crate::start::inside`] and never comes back, so `main` does not run.
//!
//! # Safety
//!
//! - The section holds addresses of functions of one type, which is that of [`before_main`].
//! - The environment is read and changed before `main`, when only constructors of libraries can
//!   have started threads.
//!
//! # What Rust's runtime does that is missing in such a child
//!
//! `main` is called by Rust's runtime, which this goes past. What it sets up is made up for here,
//! but for two things: its handler that tells of a stack overflow (the child is killed by `SIGSEGV`
//! just the same, without a word), and the name `main` of the first thread in panic messages.
#![expect(unsafe_code, reason = "an entry in .init_array, the environment before main")]
#![expect(clippy::disallowed_types, reason = "a flag that never leaves the process")]

use std::ffi::{CStr, c_char, c_int};
use std::hint::black_box;
use std::ops::Range;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::start::inside;
use crate::sys::{files, image, process};

/// Names the descriptor over which a child is told what to do.
pub(crate) const MARKER: &CStr = c"MULTIPROC_CHILD";

/// The number of that descriptor in the child.
pub(crate) const CHANNEL: RawFd = 3;

/// What libc passes to the functions that it runs before `main`; musl passes nothing.
type Initializer = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

/// The same, handed on.
type Arguments = (c_int, *const *const c_char, *const *const c_char);

/// The entry in the list of functions to run before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static ENTRY: Initializer = before_main;

/// Whether the function below ran in this process.
static RAN: AtomicBool = AtomicBool::new(false);

/// Whether a fresh copy of this program would come through this door.
///
/// It would if this process did, unless the entry is not the program's own but that of a library,
/// which may have been loaded later than `main`, or the program runs with other rights than those of
/// whoever started it: then it must not let itself be told what to do.
pub(crate) fn is_in_place() -> bool {
    // The address also makes the linker keep the entry.
    let entry = black_box(&raw const ENTRY);
    let is_of_program = image::program().is_some_and(|image| image.offset_of(entry).is_some());
    RAN.load(Relaxed) && is_of_program && !has_other_rights()
}

/// Takes over here if this process was started as a child and that has not happened yet.
///
/// For programs in which nothing runs before `main`, to be called first thing in `main`: then it does
/// not return in a child. Everywhere else it does nothing, and need not be called.
pub fn init() {
    if RAN.swap(true, Relaxed) {
        return;
    }
    if let Some(channel) = channel() {
        inside::enter(channel);
    }
}

/// Runs before `main`.
extern "C" fn before_main(
    count: c_int,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) {
    if RAN.swap(true, Relaxed) {
        return;
    }
    if let Some(channel) = channel() {
        run_later_initializers((count, arguments, environment));
        inside::enter(channel);
    }
}

/// Runs what stands behind our entry in the list, which libc would have run next.
///
/// We never return to libc, and what comes behind may be constructors that user code needs.
fn run_later_initializers(arguments: Arguments) {
    if let Some(list) = image::program().and_then(image::Image::initializers) {
        // SAFETY: the dynamic linker says that the program's list lies there.
        unsafe { run_behind(&raw const ENTRY, list, arguments) };
    }
}

/// Runs the functions that stand behind `entry` in the list at these addresses, if it is in there.
///
/// # Safety
///
/// At the addresses must lie a list of such functions, in which a linker may have left nulls.
unsafe fn run_behind(
    entry: *const Initializer,
    list: Range<usize>,
    (count, arguments, environment): Arguments,
) {
    if !list.contains(&entry.addr()) {
        return;
    }
    let behind = (list.end - entry.addr()) / size_of::<Initializer>() - 1;
    for index in 1..=behind {
        let place = entry.wrapping_add(index).cast::<Option<Initializer>>();
        // SAFETY: the place lies in the list, which the caller vouches for.
        if let Some(initializer) = unsafe { place.read_volatile() } {
            initializer(count, arguments, environment);
        }
    }
}

/// Whether this program has rights, by its file or by who owns it, that whoever started it may lack.
///
/// # References
///
/// - Linux `getauxval(3)`, `AT_SECURE`
fn has_other_rights() -> bool {
    // SAFETY: has no conditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The channel over which this process is told what to do, if it was started as a child.
///
/// The mark is taken off, so that programs started by this one do not see it. A program that runs
/// with other rights than those of whoever started it obeys no mark.
fn channel() -> Option<OwnedFd> {
    // SAFETY: the name ends with a zero; before `main` nobody changes the environment.
    let value = unsafe { libc::getenv(MARKER.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: `getenv` returned a string that ends with a zero and stays until it is unset.
    let number = unsafe { CStr::from_ptr(value) }.to_str().ok().and_then(|text| text.parse().ok());
    // SAFETY: as for `getenv`; the text above is not used any more.
    unsafe { libc::unsetenv(MARKER.as_ptr()) };
    if has_other_rights() {
        return None;
    }
    let number: RawFd = number?;
    // SAFETY: whoever set the mark put the descriptor there for us; nothing that runs before `main`
    // knows of it.
    let channel = number.eq(&CHANNEL).then(|| unsafe { files::take_inherited(number) });
    match channel {
        Some(Ok(channel)) => Some(channel),
        // Running `main` instead would be the one thing that nobody expects.
        _ => process::exit_now(inside::EXIT_NOT_STARTED),
    }
}

/// Makes this process one that did not come through the door.
#[cfg(test)]
pub(crate) fn forget_that_it_ran() {
    RAN.store(false, Relaxed);
}

#[cfg(test)]
mod tests {
    use std::ffi::{c_char, c_int};
    use std::ptr;
    use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

    use super::{Initializer, run_behind};

    static SUM: AtomicI32 = AtomicI32::new(0);

    extern "C" fn add(count: c_int, _: *const *const c_char, _: *const *const c_char) {
        SUM.fetch_add(count, Relaxed);
    }

    #[test]
    fn initializers_behind_ours_are_run_and_no_others() {
        static LIST: [Option<Initializer>; 5] = [Some(add), Some(add), Some(add), None, Some(add)];
        let list = LIST.as_ptr_range();
        let list = list.start.addr()..list.end.addr();
        let run = |index: usize| {
            SUM.store(0, Relaxed);
            let entry = LIST.as_ptr().wrapping_add(index).cast();
            // SAFETY: the list is one.
            unsafe { run_behind(entry, list.clone(), (1, ptr::null(), ptr::null())) };
            SUM.load(Relaxed)
        };
        assert_eq!([0, 1, 2, 3, 4, 5].map(run), [3, 2, 1, 1, 0, 0]);
    }
}
