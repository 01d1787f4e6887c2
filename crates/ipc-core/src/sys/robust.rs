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

/// What is registered for the calling thread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    /// A list head of libc's, and the way from its entries to their words.
    Libcs(*mut Head, isize),
    /// None: the thread was not made by libc.
    Nobodys,
    /// It is not told, or it is a list that ours cannot share.
    Unusable,
}

/// The calling thread's list head and the way from its entries to their words, if there is one.
///
/// # References
///
/// - Linux `get_robust_list(2)`.
pub(crate) fn head() -> Found {
    let mut head: *mut Head = ptr::null_mut();
    let mut len: usize = 0;
    // SAFETY: writes a pointer and a length to the two places given; 0 names the calling thread.
    let result =
        unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len) };
    if result != 0 {
        return Found::Unusable;
    }
    if head.is_null() {
        return Found::Nobodys;
    }
    if len != size_of::<Head>() || !head.is_aligned() {
        return Found::Unusable;
    }
    // SAFETY: the kernel names a head that libc registered for this thread, which outlives it.
    let offset = unsafe { &raw const (*head).offset };
    // SAFETY: as above; libc writes the field once, before it registers the head.
    match unsafe { offset.read() } {
        // An entry's two fields, of which the second is the entry, lie in our lines, aligned.
        offset @ (-40 | -32 | -24) => Found::Libcs(head, offset),
        _ => Found::Unusable,
    }
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
