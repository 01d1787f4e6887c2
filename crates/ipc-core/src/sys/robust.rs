//! The calls around the kernel's robust list.

#![expect(unsafe_code, reason = "raw system calls")]

use core::ptr;

use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::thread::gettid;

/// The kernel's `struct robust_list_head`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) next: *mut u8,
    pub(crate) offset: isize,
    pub(crate) pending: *mut u8,
}

impl Head {
    /// From an entry to its word on a list of our own.
    pub(crate) const OWN_OFFSET: isize = -32;

    /// An empty list; `next` is yet to point to itself.
    pub(crate) const NEW: Self =
        Self { next: ptr::null_mut(), offset: Self::OWN_OFFSET, pending: ptr::null_mut() };
}

/// The calling thread's list head and the way from its entries to their words, if there is one.
///
/// # References
///
/// - Linux `get_robust_list(2)`.
pub(crate) fn head() -> Option<(*mut Head, isize)> {
    #[cfg(target_env = "musl")]
    register_by_libc();
    let mut head: *mut Head = ptr::null_mut();
    let mut len: usize = 0;
    // SAFETY: writes a pointer and a length to the two places given; 0 names the calling thread.
    let result =
        unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len) };
    if result != 0 || head.is_null() || len != size_of::<Head>() {
        return None;
    }
    // SAFETY: the kernel names a head that libc registered for this thread, which outlives it.
    let offset = unsafe { &raw const (*head).offset };
    // SAFETY: as above; libc writes the field once, before it registers the head.
    Some((head, unsafe { offset.read() }))
}

/// Registers `head` for the calling thread.
///
/// # References
///
/// - Linux `set_robust_list(2)`.
pub(crate) fn set_head(head: *mut Head) -> bool {
    // SAFETY: the caller passes a head in the thread's static block, which outlives the thread.
    let result = unsafe { libc::syscall(libc::SYS_set_robust_list, head, size_of::<Head>()) };
    result == 0
}

/// Lets musl register its list, which it does at a thread's first robust mutex.
#[cfg(target_env = "musl")]
fn register_by_libc() {
    use core::mem::MaybeUninit;

    let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    let mut mutex = MaybeUninit::<libc::pthread_mutex_t>::uninit();
    // SAFETY: initialises the attributes.
    unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) };
    // SAFETY: the attributes were initialised above.
    unsafe {
        libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST)
    };
    // SAFETY: initialises the mutex from the attributes.
    unsafe { libc::pthread_mutex_init(mutex.as_mut_ptr(), attributes.as_ptr()) };
    // SAFETY: the mutex was initialised above and is private to this frame.
    unsafe { libc::pthread_mutex_lock(mutex.as_mut_ptr()) };
    // SAFETY: locked on the line above.
    unsafe { libc::pthread_mutex_unlock(mutex.as_mut_ptr()) };
}

/// The calling thread's id, asked of the kernel: libc may remember that of the parent.
pub(crate) fn thread_id() -> u32 {
    gettid().as_raw_nonzero().get().cast_unsigned()
}

/// Maps a page that a forked child finds full of zeros; `None` if the kernel cannot.
///
/// # References
///
/// - Linux `madvise(2)`, `MADV_WIPEONFORK`.
pub(crate) fn wiped_page() -> Option<*mut u8> {
    let (len, access) = (4096, ProtFlags::READ | ProtFlags::WRITE);
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choosing.
    let page =
        unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), len, access, MapFlags::PRIVATE) };
    let page = page.ok()?;
    // SAFETY: the advice is given for the mapping made above, which nobody else uses yet.
    let advised = unsafe { rustix::mm::madvise(page, len, Advice::LinuxWipeOnFork) };
    advised.is_ok().then_some(page.cast())
}
