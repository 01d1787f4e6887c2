//! A block in the hands of a thread, as bytes: what loans and samples are made of.
//!
//! # Invariants
//!
//! - P1: `len` bytes from `bytes` on lie in a block, have memory, and stay mapped as long as the ring
//!   is borrowed; they begin at a page.
//! - P2: The block is owned by this thread's seat until it is given back or given on, in the process
//!   in which it was taken. A forked child has the value and not the block, and may not look.
//!
//! # Safety
//!
//! Slices are made here, of bytes that are the thread's alone (P2) among processes that keep to the
//! protocol. What a process that does not may do to them is told in the docs of
//! [`Loan`](crate::Loan) and [`Sample`](crate::Sample).
#![expect(unsafe_code, reason = "slices of shared memory that is this thread's alone")]

use std::ptr::NonNull;
use std::slice;

use ipc_core::robust::{Lent, Thread};

use crate::heap::Heap;
use crate::heap::geometry::BlockId;
use crate::mapped::Mapped;
use crate::ring::planted;
use crate::seat::Seated;

/// A block that this thread's seat owns; it is freed when this is dropped.
#[derive(Debug)]
pub(crate) struct InPlace<'q> {
    ring: &'q Mapped,
    seated: Seated,
    /// The generation of the process in which the block was taken.
    generation: u64,
    id: BlockId,
    bytes: NonNull<u8>,
    len: usize,
    /// Somebody else has the block.
    is_given_on: bool,
    /// References to the bytes may be about.
    _lent: Lent,
}

impl<'q> InPlace<'q> {
    /// Takes charge of a block of the calling thread's, with a message of `len` bytes in it.
    ///
    /// If the block has not so many, or cannot be mapped, nothing is taken charge of.
    pub(crate) fn new(
        ring: &'q Mapped,
        seated: Seated,
        id: BlockId,
        len: u64,
    ) -> Result<Self, NotInPlace> {
        let has_memory = len <= Heap(ring).backed(id);
        let len = usize::try_from(len).ok().filter(|_| has_memory).ok_or(NotInPlace::Corrupt)?;
        let bytes = ring.block_bytes(id).map_err(NotInPlace::NoMemory)?;
        let generation = seated.me.generation();
        let (is_given_on, lent) = (false, Lent::new());
        Ok(Self { ring, seated, generation, id, bytes, len, is_given_on, _lent: lent })
    }

    pub(crate) fn id(&self) -> BlockId {
        self.id
    }

    pub(crate) fn seated(&self) -> Seated {
        self.seated
    }

    /// Whether the block is this process's: a forked child has only inherited the value.
    #[inline]
    pub(crate) fn is_mine(&self) -> bool {
        Thread::current().generation() == self.generation
    }

    /// The bytes.
    ///
    /// # Panics
    ///
    /// In a forked child of the process whose block it is.
    #[inline]
    #[track_caller]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.check_mine();
        // SAFETY: P1; and nobody else writes them as long as this is borrowed (P2).
        unsafe { slice::from_raw_parts(self.bytes.as_ptr(), self.len) }
    }

    /// The bytes, to be written.
    ///
    /// # Panics
    ///
    /// As [`bytes`](Self::bytes).
    #[inline]
    #[track_caller]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.check_mine();
        // SAFETY: P1; and nobody else uses them as long as this is borrowed (P2).
        unsafe { slice::from_raw_parts_mut(self.bytes.as_ptr(), self.len) }
    }

    #[inline]
    #[track_caller]
    fn check_mine(&self) {
        assert!(self.is_mine(), "a loan or sample of the process that this one was forked from");
    }

    /// How long the message is.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Keeps the first `len` bytes only, if there are more.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Gives the charge up: somebody else has the block.
    pub(crate) fn give_on(mut self) {
        self.is_given_on = !planted::GIVES_TWICE;
    }
}

impl Drop for InPlace<'_> {
    fn drop(&mut self) {
        if !self.is_given_on && self.is_mine() && !planted::LOAN_STAYS {
            Heap(self.ring).free(self.id, self.seated.owner, self.seated.me);
        }
    }
}

/// Why a block cannot be used in place.
#[derive(Debug)]
pub(crate) enum NotInPlace {
    /// It is shorter than the message is said to be.
    Corrupt,
    /// The process has no addresses left.
    NoMemory(ipc_core::SegmentError),
}
