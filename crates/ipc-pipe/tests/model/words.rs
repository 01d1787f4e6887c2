//! The words of a small ring, and the two ends of it.

use std::sync::Arc;

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::{AcqRel, Acquire};
use ipc_core::primitive::{AtomicU32, AtomicU64, futex_wait, futex_wake};
use loom::cell::UnsafeCell;

use crate::ring::{HEADER, Partner, Side, UNIT, Way};

/// A message takes one unit, or, with the highest bit, two.
pub(crate) fn len_of(message: u8) -> usize {
    if message & 0x80 == 0 { 1 } else { UNIT }
}

pub(crate) struct Words {
    headers: Vec<AtomicU64>,
    /// One for all bytes of a unit.
    units: Vec<UnsafeCell<u8>>,
    head: AtomicU64,
    reader: Side,
    writer: Side,
    /// How often each end was called.
    calls: [AtomicU32; 2],
    is_gone: [AtomicU32; 2],
}

impl Words {
    pub(crate) fn new(n_units: usize) -> Self {
        Self {
            headers: (0..n_units).map(|_| AtomicU64::default()).collect(),
            units: (0..n_units).map(|_| UnsafeCell::new(0)).collect(),
            head: AtomicU64::default(),
            reader: Side::default(),
            writer: Side::default(),
            calls: [AtomicU32::default(), AtomicU32::default()],
            is_gone: [AtomicU32::default(), AtomicU32::default()],
        }
    }

    fn call(&self, end: usize) {
        self.calls[end].fetch_add(1, AcqRel);
        futex_wake(&self.calls[end], u32::MAX);
    }

    /// What the kernel does at the end of a process.
    pub(crate) fn end_of(&self, end: usize) {
        self.is_gone[end].swap(1, AcqRel);
        self.call(1 - end);
    }

    /// The units of a record, as cells.
    fn cells(&self, unit: u64, len: usize) -> impl Iterator<Item = &UnsafeCell<u8>> {
        let first = usize::try_from(unit).unwrap();
        let n_units = (HEADER + len).div_ceil(UNIT);
        (first..first + n_units).map(|at| &self.units[at % self.units.len()])
    }
}

impl Way for Words {
    fn n_units(&self) -> u64 {
        self.units.len() as u64
    }

    fn header(&self, unit: u64) -> &AtomicU64 {
        &self.headers[usize::try_from(unit).unwrap()]
    }

    fn head(&self) -> &AtomicU64 {
        &self.head
    }

    fn reader(&self) -> &Side {
        &self.reader
    }

    fn writer(&self) -> &Side {
        &self.writer
    }

    #[expect(unsafe_code, reason = "a cell that loom watches over")]
    fn write(&self, unit: u64, bytes: &[u8]) {
        for cell in self.cells(unit, bytes.len()) {
            // SAFETY: loom complains if anybody else is at it.
            cell.with_mut(|byte| unsafe { *byte = bytes[0] });
        }
    }

    #[expect(unsafe_code, reason = "a cell that loom watches over")]
    fn read(&self, unit: u64, len: usize, bytes: &mut Vec<u8>) {
        // SAFETY: loom complains if anybody writes to it.
        let found: Vec<u8> =
            self.cells(unit, len).map(|cell| cell.with(|byte| unsafe { *byte })).collect();
        assert!(found.iter().all(|byte| *byte == found[0]), "of one record: {found:?}");
        bytes.resize(len, found[0]);
    }

    fn read_into(&self, unit: u64, bytes: &mut [u8]) {
        let mut read = Vec::new();
        self.read(unit, bytes.len(), &mut read);
        bytes.copy_from_slice(&read);
    }
}

/// One end, as the other sees it.
pub(crate) struct End {
    words: Arc<Words>,
    me: usize,
    /// How many calls it has heard.
    heard: u32,
}

impl End {
    pub(crate) fn new(words: &Arc<Words>, me: usize) -> Self {
        Self { words: Arc::clone(words), me, heard: 0 }
    }
}

impl Partner for End {
    fn call(&self) {
        self.words.call(1 - self.me);
    }

    fn sleep(&mut self, deadline: Deadline) -> bool {
        // Calls that have come and were not heard end the sleep.
        let _woken = futex_wait(&self.words.calls[self.me], self.heard, deadline);
        self.heard = self.words.calls[self.me].load(Acquire);
        true
    }

    fn is_gone(&mut self) -> bool {
        self.words.is_gone[1 - self.me].load(Acquire) != 0
    }

    fn may_miss_sleepers(&mut self) {
        unreachable!("the model's fences are never refused");
    }
}
