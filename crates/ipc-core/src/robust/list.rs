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
//! - I2: What we hold is known from a private array. The `next` fields in shared memory are written
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
use core::sync::atomic::AtomicU64;

use super::{Life, MAX_HELD, RobustWord, TooManyHeld};
use crate::Shared;
use crate::primitive::Ordering::{Relaxed, SeqCst};
use crate::primitive::{AtomicU32, compiler_fence};
use crate::sys::epoch;
use crate::sys::robust::{self, Head};

/// Room in a [`RobustWord`] through which the kernel's list passes. It is written, never read.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(super) struct NodeArea([Cell<u64>; 4]);

// SAFETY: only ever written, through raw pointers, and only by the thread that holds the word of
// the same line (or, for the word below it on its own list, by that list's thread).
unsafe impl Sync for NodeArea {}

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
    } else {
        Ok(())
    }
}

/// An entry of ours that is in private memory: words of zero, which the kernel passes over.
#[repr(C, align(64))]
struct Sentinel([Cell<u64>; 8]);

impl Sentinel {
    const fn new() -> Self {
        Self([const { Cell::new(0) }; 8])
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
    /// The words we hold, oldest first.
    held: Cell<*mut *const RobustWord>,
    n_held: Cell<usize>,
    capacity: Cell<usize>,
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
            held: Cell::new(ptr::null_mut()),
            n_held: Cell::new(0),
            capacity: Cell::new(0),
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
        let pending = unsafe { &raw mut (*self.0.head.get()).pending };
        // SAFETY: as above; libc uses the field only inside its own calls, none of which runs now.
        unsafe { pending.write_volatile(entry) };
    }

    #[inline]
    pub(super) fn reserve(self) -> Result<(), TooManyHeld> {
        if self.0.n_held.get() < self.0.capacity.get() { Ok(()) } else { self.0.grow() }
    }

    #[inline]
    pub(super) fn link(self, word: &RobustWord) {
        let state = self.0;
        let n_held = state.n_held.get();
        if n_held >= state.capacity.get() {
            return; // `reserve` was not called, or failed: then the word is not to be taken.
        }
        let entry = state.entry_of(ptr::from_ref(word).cast());
        write_field(entry, state.newest_entry());
        compiler_fence(SeqCst);
        write_field(state.first_entry(), entry);
        compiler_fence(SeqCst);
        // SAFETY: `n_held` is below the capacity of the array.
        let place = unsafe { state.held.get().add(n_held) };
        // SAFETY: the place lies in the array, which is private to this thread.
        unsafe { place.write(ptr::from_ref(word)) };
        state.n_held.set(n_held + 1);
    }

    #[inline]
    pub(super) fn unlink(self, word: &RobustWord) -> bool {
        let state = self.0;
        let Some(place) = state.position(word) else { return false };
        let older = if place == 0 { state.last_entry() } else { state.held_entry(place - 1) };
        let newest = state.n_held.get() - 1;
        if place == newest {
            write_field(state.first_entry(), older);
        } else {
            write_field(state.held_entry(place + 1), older);
        }
        compiler_fence(SeqCst);
        for place in place..newest {
            let next = state.held_at(place + 1);
            // SAFETY: `place` is below `n_held`.
            let target = unsafe { state.held.get().add(place) };
            // SAFETY: the place lies in the array, which is private to this thread.
            unsafe { target.write(next) };
        }
        state.n_held.set(newest);
        true
    }

    #[inline]
    pub(super) fn holds(self, word: &RobustWord) -> bool {
        self.0.position(word).is_some()
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
        self.entry_of(self.held_at(place).cast())
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

    #[inline]
    fn held_at(&self, place: usize) -> *const RobustWord {
        // SAFETY: callers pass places below `n_held`, which is at most the capacity.
        let place = unsafe { self.held.get().add(place) };
        // SAFETY: the places below `n_held` were written.
        unsafe { place.read() }
    }

    #[inline]
    fn newest_entry(&self) -> *mut u8 {
        match self.n_held.get() {
            0 => self.last_entry(),
            n_held => self.held_entry(n_held - 1),
        }
    }

    #[inline]
    fn position(&self, word: &RobustWord) -> Option<usize> {
        let wanted = ptr::from_ref(word);
        (0..self.n_held.get()).rev().find(|&place| self.held_at(place) == wanted)
    }

    #[cold]
    fn grow(&self) -> Result<(), TooManyHeld> {
        let n_held = self.n_held.get();
        if n_held >= MAX_HELD {
            return Err(TooManyHeld);
        }
        let capacity = (self.capacity.get() * 2).clamp(16, MAX_HELD);
        let mut bigger = vec![ptr::null::<RobustWord>(); capacity].into_boxed_slice();
        for (place, target) in bigger.iter_mut().enumerate().take(n_held) {
            *target = self.held_at(place);
        }
        self.free_held();
        self.held.set(Box::into_raw(bigger).cast());
        self.capacity.set(capacity);
        Ok(())
    }

    fn free_held(&self) {
        let (held, capacity) = (self.held.get(), self.capacity.get());
        if !held.is_null() {
            // SAFETY: made by `grow` from a boxed slice of this length, and freed once: both
            // callers put something else in its place.
            drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(held, capacity)) });
        }
    }

    /// Gets the kernel's list for this thread and puts our two sentinels on it.
    #[cold]
    fn set_up(&self) {
        let generation = epoch::current();
        // Where no page is wiped at a fork, the generation is compared with itself.
        self.page.set(epoch::word().map_or(self.generation.as_ptr().cast(), ptr::from_ref));
        self.tid.set(robust::thread_id());
        self.n_held.set(0);
        self.own_head.set(Head::NEW);
        match robust::head() {
            Some((head, offset)) if (-40..=-16).contains(&offset) => {
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
                let registered = found.is_none() && robust::set_head(own);
                self.detached.set(!registered);
                self.head.set(own);
                self.offset.set(Head::OWN_OFFSET);
            }
        }
        self.put_sentinels();
        self.generation.set(generation);
        // It fails in a thread that is already past its destructors; then the sentinels stay on
        // the list, in memory that outlives the kernel's walk.
        LEAVE.try_with(|_| ()).ok();
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
            // By the conventions of both glibc and musl; what the head itself keeps before its
            // `next` is left alone.
            write_field(prev_of(untagged(older)), last);
        }
        compiler_fence(SeqCst);
        write_field(head, first);
    }

    fn retire(&self) {
        if !self.is_current() || self.n_held.get() > 0 {
            return; // Nothing of ours to undo, or something for the kernel to find.
        }
        let (newer, older) =
            (untagged(read_field(prev_of(self.first_entry()))), read_field(self.last_entry()));
        write_field(newer, older);
        if untagged(older) != self.head.get().cast() {
            write_field(prev_of(untagged(older)), newer);
        }
        self.free_held();
        self.held.set(ptr::null_mut());
        self.capacity.set(0);
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
    // area of a word that this thread holds: all mapped and writable. Musl's are not aligned.
    // A volatile store of two halves would do too: the kernel reads for this very thread.
    unsafe { field.cast::<*mut u8>().write_unaligned(value) };
}

fn read_field(field: *mut u8) -> *mut u8 {
    // SAFETY: only called for private fields: the head's and the sentinels' (I2).
    unsafe { field.cast::<*mut u8>().read_unaligned() }
}
