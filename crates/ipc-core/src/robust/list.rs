//! The real robust list: beside libc, on libc's own list head.
//!
//! A thread has one list head, and libc has registered it. We ask the kernel for it once a thread
//! and use it as a second tenant, by libc's own conventions (the word of an entry lies
//! `futex_offset` bytes from it; the field before an entry's `next` is its `prev`):
//!
//! ```text
//! head -> [libc's newer entries] -> first -> ours, newest first -> last -> [libc's older] -> head
//! ```
//!
//! # Invariants
//!
//! - I1: `first` and `last` are private and are never unlinked while something of ours stands
//!   between them. So libc's own linking never follows a pointer that lies in shared memory, and
//!   never writes into a shared entry.
//! - I2: What we hold is known from a private array (`held.rs`). The `next` fields in shared memory are written
//!   for the kernel and never read back: who scribbles over them can at worst hide our death from
//!   the words behind.
//! - I3: Stores to the list are ordered for the kernel, which reads them for this very thread: the
//!   program order, kept by compiler fences, is enough.
//! - I4: All of a context lies in the thread's static block, which outlives the kernel's walk. It
//!   is made anew when the process turns out to be a forked child (see `sys/epoch.rs`).

#![expect(unsafe_code, reason = "shares a linked list with libc and the kernel")]
#![expect(clippy::disallowed_types, reason = "counts that never leave the process")]

use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64};

use super::held::{self, Held};
use super::{Life, RobustWord, TooManyHeld, lent};
use crate::Shared;
use crate::primitive::Ordering::{Relaxed, SeqCst};
use crate::primitive::{AtomicU32, compiler_fence};
use crate::sys::robust::{self, Found, Head};
use crate::sys::{epoch, futex};

/// Room in a [`RobustWord`] through which the kernel's list passes. It is written, never read.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(super) struct NodeArea([AtomicU64; 4]);

// SAFETY: it is `repr(C)` and consists of words, and of room for the kernel's list, which is only
// ever written, by the thread that holds the word (I2). Any bytes are valid in both.
unsafe impl Shared for RobustWord {}

// SAFETY: a transparent `RobustWord`.
unsafe impl Shared for Life {}

/// Whether the kernel tells of deaths in this process, and why not.
///
/// # Errors
///
/// Says what is missing: the call is forbidden by a sandbox, or libc lays out its mutexes in a way
/// that ours cannot share.
pub fn support() -> Result<(), &'static str> {
    if current().0.detached.get() {
        Err("the kernel's robust list cannot be used in this process")
    } else if !futex::can_wait_for_any() {
        Err("the kernel cannot wait for several futexes at once (futex_waitv, Linux 5.16)")
    } else {
        Ok(())
    }
}

/// An entry of ours that is in private memory: words of zero, which the kernel passes over.
#[repr(C, align(64))]
struct Sentinel([AtomicU64; 8]);

impl Sentinel {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 8])
    }
}

pub(super) struct State {
    /// The generation in which this was set up; zero before.
    generation: Cell<u64>,
    page: Cell<*const AtomicU64>,
    tid: Cell<u32>,
    /// True if the kernel's list could not be had; then all of this happens in `own_head`.
    detached: Cell<bool>,
    head: Cell<*mut Head>,
    /// From an entry to its word.
    offset: Cell<isize>,
    first: Sentinel,
    last: Sentinel,
    own_head: Cell<Head>,
    held: Held,
    /// True if the thread is past its destructors, so that it will not take its array out of the
    /// register before it ends; then the array is not in it.
    is_late: Cell<bool>,
}

thread_local! {
    static STATE: State = const {
        State {
            generation: Cell::new(0),
            page: Cell::new(ptr::null()),
            tid: Cell::new(0),
            detached: Cell::new(false),
            head: Cell::new(ptr::null_mut()),
            offset: Cell::new(0),
            first: Sentinel::new(),
            last: Sentinel::new(),
            own_head: Cell::new(Head::NEW),
            held: Held::new(),
            is_late: Cell::new(false),
        }
    };
    static LEAVE: Leave = const { Leave };
}

/// Leaves libc's list as we found it when the thread ends with nothing held.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        STATE.with(State::retire);
    }
}

#[derive(Clone, Copy)]
pub(super) struct Context(&'static State);

#[inline]
pub(super) fn current() -> Context {
    STATE.with(|state| {
        if !state.is_current() {
            state.set_up();
        }
        // SAFETY: the state is in the thread's static block, which lives as long as the thread;
        // a `Context` cannot leave the thread (`Thread` is neither `Send` nor `Sync`).
        Context(unsafe { &*ptr::from_ref(state) })
    })
}

/// Lets `word` be pending until the result is dropped; sets nothing up.
pub(super) fn pend_for_now(word: &AtomicU32) -> Option<Restore> {
    let (head, offset) = head_for_now()?;
    // SAFETY: the head is valid for the life of the thread.
    let pending = unsafe { pending_of(head) };
    // SAFETY: as above; what interrupted libc or us in the middle of something gives it back.
    let before = unsafe { pending.read_volatile() };
    let entry = ptr::from_ref(word).cast::<u8>().cast_mut().wrapping_offset(offset.wrapping_neg());
    // SAFETY: as above.
    unsafe { pending.write_volatile(entry) };
    compiler_fence(SeqCst);
    Some(Restore { pending, before })
}

/// Whether any word is pending; sets nothing up.
pub(super) fn is_any_pending() -> bool {
    head_for_now().is_some_and(|(head, _)| {
        // SAFETY: the head is valid for the life of the thread.
        let pending = unsafe { pending_of(head) };
        // SAFETY: as above.
        !unsafe { pending.read_volatile() }.is_null()
    })
}

/// The thread's list head, and the way from an entry to its word; sets nothing up.
fn head_for_now() -> Option<(*mut Head, isize)> {
    STATE.with(|state| {
        if state.is_current() {
            return Some((state.head.get(), state.offset.get()));
        }
        match robust::head() {
            Found::Libcs(head, offset) => Some((head, offset)),
            Found::Nobodys | Found::Unusable => None,
        }
    })
}

/// Lets that be pending again which was before.
pub(super) struct Restore {
    pending: *mut *mut u8,
    before: *mut u8,
}

impl Drop for Restore {
    fn drop(&mut self) {
        compiler_fence(SeqCst);
        // SAFETY: the field of this very thread's head: it is dropped where it was made.
        unsafe { self.pending.write_volatile(self.before) };
    }
}

/// Where a head keeps its pending entry.
///
/// # Safety
///
/// The head is valid.
#[inline]
unsafe fn pending_of(head: *mut Head) -> *mut *mut u8 {
    // SAFETY: the caller vouches for the head.
    unsafe { &raw mut (*head).pending }
}

impl Context {
    #[inline]
    pub(super) fn tid(self) -> u32 {
        self.0.tid.get()
    }

    #[inline]
    pub(super) fn generation(self) -> u64 {
        self.0.generation.get()
    }

    #[inline]
    pub(super) fn pend(self, word: &AtomicU32) {
        self.set_pending(self.0.entry_of(ptr::from_ref(word).cast()));
        compiler_fence(SeqCst);
    }

    #[inline]
    pub(super) fn pend_clear(self) {
        compiler_fence(SeqCst);
        self.set_pending(ptr::null_mut());
    }

    #[inline]
    fn set_pending(self, entry: *mut u8) {
        // SAFETY: the head is valid for the life of the thread (libc's or our own).
        let pending = unsafe { pending_of(self.0.head.get()) };
        // SAFETY: as above; libc uses the field only inside its own calls, none of which runs now.
        unsafe { pending.write_volatile(entry) };
    }

    #[inline]
    pub(super) fn reserve(self, word: &RobustWord) -> Result<(), TooManyHeld> {
        if self.0.held.has_easy_room() { Ok(()) } else { self.0.make_room(word) }
    }

    #[inline]
    pub(super) fn link(self, word: &RobustWord) {
        let state = self.0;
        let len = state.held.len();
        if !state.held.has_room(len) {
            return; // `reserve` was not called, or failed: then the word is not to be taken.
        }
        let entry = state.entry_of(ptr::from_ref(word).cast());
        write_field(entry, state.newest_entry(len));
        compiler_fence(SeqCst);
        write_field(state.first_entry(), entry);
        compiler_fence(SeqCst);
        state.held.push(len, word);
    }

    #[inline]
    pub(super) fn unlink(self, word: &RobustWord) -> bool {
        let state = self.0;
        let Some(below) = state.held.len().checked_sub(1) else { return false };
        if !ptr::eq(state.held.at(below), word) {
            return self.unlink_older(word);
        }
        // The newest, as it mostly is.
        write_field(state.first_entry(), state.newest_entry(below));
        compiler_fence(SeqCst);
        state.held.remove(below + 1, below);
        true
    }

    #[cold]
    fn unlink_older(self, word: &RobustWord) -> bool {
        let state = self.0;
        let len = state.held.len();
        let Some(place) = state.held.position(len, word) else { return false };
        let older = state.newest_entry(place);
        if place + 1 == len {
            write_field(state.first_entry(), older);
        } else {
            write_field(state.held_entry(place + 1), older);
        }
        compiler_fence(SeqCst);
        state.held.remove(len, place);
        true
    }

    #[inline]
    pub(super) fn holds(self, word: &RobustWord) -> bool {
        self.0.held.position(self.0.held.len(), word).is_some()
    }

    #[inline]
    pub(super) fn holds_any(self, words: &[RobustWord]) -> bool {
        self.0.held.is_any_of(words)
    }
}

impl State {
    #[inline]
    fn is_current(&self) -> bool {
        let page = self.page.get();
        // SAFETY: once set, the page stays mapped for the life of the process.
        !page.is_null() && unsafe { &*page }.load(Relaxed) == self.generation.get()
    }

    /// The entry that belongs to the word at this address.
    #[inline]
    fn entry_of(&self, word: *const u8) -> *mut u8 {
        word.cast_mut().wrapping_offset(self.offset.get().wrapping_neg())
    }

    #[inline]
    fn held_entry(&self, place: usize) -> *mut u8 {
        self.entry_of(self.held.at(place).cast())
    }

    fn first_entry(&self) -> *mut u8 {
        self.sentinel_entry(&self.first)
    }

    fn last_entry(&self) -> *mut u8 {
        self.sentinel_entry(&self.last)
    }

    fn sentinel_entry(&self, sentinel: &Sentinel) -> *mut u8 {
        self.entry_of(sentinel.0.as_ptr().cast())
    }

    /// The newest entry if the first `len` words that are held were all.
    #[inline]
    fn newest_entry(&self, len: usize) -> *mut u8 {
        match len {
            0 => self.last_entry(),
            len => self.held_entry(len - 1),
        }
    }

    #[cold]
    fn make_room(&self, word: &RobustWord) -> Result<(), TooManyHeld> {
        if !lent::watch_end() {
            return Err(TooManyHeld);
        }
        if self.is_late.get() {
            held::keep_for_ever(word);
        }
        let (len, is_easy) = (self.held.len(), !self.is_late.get());
        if self.held.has_room(len) { Ok(()) } else { self.held.grow(is_easy) }
    }

    /// Gets the kernel's list for this thread and puts our two sentinels on it.
    #[cold]
    fn set_up(&self) {
        let generation = epoch::current();
        // Where no page is wiped at a fork, the generation is compared with itself.
        self.page.set(epoch::word().map_or(self.generation.as_ptr().cast(), ptr::from_ref));
        self.tid.set(robust::thread_id());
        self.held.clear();
        self.own_head.set(Head::NEW);
        match robust::head() {
            Found::Libcs(head, offset) => {
                self.detached.set(epoch::word().is_none());
                self.head.set(head);
                self.offset.set(offset);
            }
            found => {
                let own = self.own_head.as_ptr();
                // SAFETY: `own_head` is in the thread's static block.
                let next = unsafe { &raw mut (*own).next };
                // SAFETY: as above; an empty list points to itself.
                unsafe { next.write_volatile(own.cast()) };
                // Registered if the place is free: a process that was cloned without libc.
                let registered = matches!(found, Found::Nobodys) && robust::set_head(own);
                self.detached.set(!registered);
                self.head.set(own);
                self.offset.set(Head::OWN_OFFSET);
            }
        }
        self.put_sentinels();
        self.generation.set(generation);
        // It fails in a thread that is already past its destructors; then the sentinels stay on
        // the list, in memory that outlives the kernel's walk.
        let is_late = LEAVE.try_with(|_| ()).is_err();
        self.is_late.set(is_late);
        if is_late {
            self.held.make_nothing_easy();
        } else {
            // SAFETY: the state is in the thread's static block, which outlives its destructors,
            // among which is the one that lets the array leave.
            unsafe { self.held.enter() };
        }
    }

    fn put_sentinels(&self) {
        let (head, first, last) =
            (self.head.get().cast::<u8>(), self.first_entry(), self.last_entry());
        let older = read_field(head);
        write_field(last, older);
        write_field(prev_of(last), first);
        write_field(first, last);
        write_field(prev_of(first), head);
        if untagged(older) != head {
            // By the conventions of glibc; what the head itself keeps before its
            // `next` is left alone.
            write_field(prev_of(untagged(older)), last);
        }
        compiler_fence(SeqCst);
        write_field(head, first);
    }

    fn retire(&self) {
        if !self.is_current() {
            return; // Nothing of ours to undo.
        }
        if self.held.len() > 0 {
            // Something for the kernel to find. From here on this thread counts as late.
            self.is_late.set(true);
            self.held.make_nothing_easy();
            self.held.leave();
            return;
        }
        let (newer, older) =
            (untagged(read_field(prev_of(self.first_entry()))), read_field(self.last_entry()));
        write_field(newer, older);
        if untagged(older) != self.head.get().cast() {
            write_field(prev_of(untagged(older)), newer);
        }
        self.held.leave();
        self.page.set(ptr::null());
        self.generation.set(0);
    }
}

/// The address of an entry's `prev`: the field before its `next`.
fn prev_of(entry: *mut u8) -> *mut u8 {
    entry.wrapping_sub(size_of::<*mut u8>())
}

/// The address in a link: its lowest bit tells libc and the kernel of a mutex with priority
/// inheritance.
fn untagged(link: *mut u8) -> *mut u8 {
    link.map_addr(|address| address & !1)
}

fn write_field(field: *mut u8, value: *mut u8) {
    // SAFETY: callers pass fields of sentinels, of libc's entries, of the head, or of the node
    // area of a word that this thread holds: all mapped, writable, and aligned, since
    // `robust::head` gives no other heads. A peer may write to a node area at the same time, and
    // the threads of this process only by atomic words, so this is one, too.
    unsafe { AtomicPtr::from_ptr(link_at(field)) }.store(value, Relaxed);
}

fn read_field(field: *mut u8) -> *mut u8 {
    // SAFETY: only called for private fields: the head's and the sentinels' (I2).
    unsafe { AtomicPtr::from_ptr(link_at(field)) }.load(Relaxed)
}

const fn link_at(field: *mut u8) -> *mut *mut u8 {
    field.cast()
}
