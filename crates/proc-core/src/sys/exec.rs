//! Starting a program with `posix_spawn`.
//!
//! libc makes the child share our memory until it has run the program, so the cost does not grow
//! with the size of this process, and nothing of ours runs in between.
//!
//! # Safety
//!
//! The two structures of the call are initialised when they are made and destroyed when they are
//! dropped; every pointer that is passed leads to something that lives until the call returns.
#![expect(unsafe_code, reason = "posix_spawn, with an action that no safe wrapper offers")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

/// Starts a program whose only descriptors are the standard outputs of ours and `passed`.
///
/// Its standard input is empty. No signal is blocked in it, and `SIGPIPE` and `SIGCHLD` do what they
/// do of themselves. Returns its number.
///
/// # References
///
/// - POSIX `posix_spawn`
pub(crate) fn spawn(
    program: &CStr,
    arguments: &[CString],
    environment: &[CString],
    passed: (BorrowedFd<'_>, RawFd),
) -> io::Result<u32> {
    let (file, number) = passed;
    let mut actions = FileActions::new()?;
    // First this one, which may have any number, even that of the standard input.
    actions.copy(file.as_raw_fd(), number)?;
    actions.open_null(libc::STDIN_FILENO)?;
    actions.close_from(number + 1)?;
    let mut attributes = Attributes::new()?;
    attributes.clear_signals()?;

    let arguments = pointers(arguments);
    let environment = pointers(environment);
    let mut pid = 0;
    // SAFETY:
    // - The program's name and the strings of both lists end with a zero and outlive the call.
    // - Both lists end with a null pointer.
    // - Both structures are initialised.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            actions.0.as_ptr(),
            attributes.0.as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
        )
    };
    checked(error)?;
    Ok(pid.unsigned_abs())
}

/// A list as `exec` wants it: pointers to the strings, then a null.
fn pointers(strings: &[CString]) -> Vec<*mut c_char> {
    let strings = strings.iter().map(|string| string.as_ptr().cast_mut());
    strings.chain([ptr::null_mut()]).collect()
}

fn checked(error: c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// What happens to descriptors in the child.
struct FileActions(MaybeUninit<libc::posix_spawn_file_actions_t>);

impl FileActions {
    fn new() -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: initialises the structure.
        checked(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        Ok(Self(actions))
    }

    /// Copies a descriptor to a number; if it already has that number it is merely kept open.
    fn copy(&mut self, from: RawFd, to: RawFd) -> io::Result<()> {
        // SAFETY: the structure is initialised since `new`.
        checked(unsafe { libc::posix_spawn_file_actions_adddup2(self.0.as_mut_ptr(), from, to) })
    }

    fn open_null(&mut self, number: RawFd) -> io::Result<()> {
        // SAFETY: the structure is initialised since `new`; the call copies the path.
        checked(unsafe {
            libc::posix_spawn_file_actions_addopen(
                self.0.as_mut_ptr(),
                number,
                c"/dev/null".as_ptr(),
                libc::O_RDONLY,
                0,
            )
        })
    }

    /// Closes every descriptor from a number on, where libc can.
    ///
    /// Where it cannot, those stay open that the program opened without close-on-exec, as with any
    /// other way of starting a program.
    fn close_from(&mut self, number: RawFd) -> io::Result<()> {
        type CloseFrom =
            unsafe extern "C" fn(*mut libc::posix_spawn_file_actions_t, c_int) -> c_int;

        let name = c"posix_spawn_file_actions_addclosefrom_np";
        // SAFETY: the name ends with a zero.
        let found: *mut c_void = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        if found.is_null() {
            return Ok(());
        }
        #[expect(clippy::disallowed_methods, reason = "the only way to a function from an address")]
        // SAFETY: libc's function of this name has this type since it was introduced.
        let close_from = unsafe { std::mem::transmute::<*mut c_void, CloseFrom>(found) };
        // SAFETY: the structure is initialised since `new`.
        checked(unsafe { close_from(self.0.as_mut_ptr(), number) })
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: initialised since `new`, and not used after this.
        unsafe { libc::posix_spawn_file_actions_destroy(self.0.as_mut_ptr()) };
    }
}

/// What the child's signals are.
struct Attributes(MaybeUninit<libc::posix_spawnattr_t>);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: initialises the structure.
        checked(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        Ok(Self(attributes))
    }

    fn clear_signals(&mut self) -> io::Result<()> {
        let none = signals(&[])?;
        let default = signals(&[libc::SIGPIPE, libc::SIGCHLD])?;
        // SAFETY: the structure is initialised since `new`, and so is the set.
        checked(unsafe { libc::posix_spawnattr_setsigmask(self.0.as_mut_ptr(), &raw const none) })?;
        // SAFETY: as above.
        checked(unsafe {
            libc::posix_spawnattr_setsigdefault(self.0.as_mut_ptr(), &raw const default)
        })?;
        #[expect(clippy::cast_possible_truncation, reason = "the flags are below 0x100")]
        let flags = (libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF) as libc::c_short;
        // SAFETY: the structure is initialised since `new`.
        checked(unsafe { libc::posix_spawnattr_setflags(self.0.as_mut_ptr(), flags) })
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised since `new`, and not used after this.
        unsafe { libc::posix_spawnattr_destroy(self.0.as_mut_ptr()) };
    }
}

/// A set of exactly these signals.
fn signals(members: &[c_int]) -> io::Result<libc::sigset_t> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: initialises the set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for member in members {
        // SAFETY: the set was initialised above.
        if unsafe { libc::sigaddset(set.as_mut_ptr(), *member) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: initialised above.
    Ok(unsafe { set.assume_init() })
}
