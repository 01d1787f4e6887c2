//! The blocks of a heap in the room of a segment: their words, and windows on their bytes.
//!
//! The words of all blocks are mapped at the open (addresses, no memory). Bytes are mapped when they
//! are first used, a window of many blocks at a time: a process that uses none needs no addresses
//! for them.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `publish` | `find`, and who is second in `publish` | the window behind the pointer |
//!
//! # Safety
//!
//! Pointers into a window are made here, for blocks that the private geometry has. A window is
//! never unmapped before the `Blocks` are.
#![expect(unsafe_code, reason = "words and bytes in windows, by pointers checked here")]
#![expect(clippy::disallowed_types, reason = "these pointers never leave the process")]

use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

use ipc_core::{Segment, SegmentError, Window};

use crate::heap::block::Block;
use crate::heap::geometry::{BlockId, Geometry, block_len};

/// A window is at least so long, or as long as its class ...
const LEAST_WINDOW: u64 = 32 << 20;

/// ... and there are not more than so many for a class, unless its blocks are that long.
const MOST_WINDOWS: u64 = 64;

/// The blocks of a heap, as far as this process has them mapped.
#[derive(Debug)]
pub(super) struct Blocks {
    geometry: Geometry,
    /// The words of all blocks; none if there is no heap.
    tables: Option<Window>,
    classes: Vec<Windows>,
}

/// The windows on the bytes of one class.
#[derive(Debug)]
struct Windows {
    /// How long each is: a power of two.
    shift: u32,
    windows: Vec<AtomicPtr<Window>>,
}

impl Blocks {
    /// Maps the words of the blocks that lie in the segment's room.
    pub(super) fn open(segment: &Segment, geometry: Geometry) -> Result<Self, SegmentError> {
        let has_heap = geometry.n_classes() > 0;
        #[expect(clippy::cast_possible_truncation, reason = "it fits: both machines have 64 bits")]
        let tables_len = geometry.tables_len() as usize;
        let tables = has_heap.then(|| segment.window(0, tables_len)).transpose()?;
        let classes =
            (0..geometry.n_classes()).map(|class| Windows::of(&geometry, class)).collect();
        Ok(Self { geometry, tables, classes })
    }

    #[inline]
    pub(super) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The words of a block that the geometry has.
    #[inline]
    pub(super) fn words(&self, id: BlockId) -> &Block {
        let Some(tables) = self.tables.as_ref().filter(|_| self.geometry.has(id)) else {
            unreachable!("blocks are checked when their names are read");
        };
        #[expect(clippy::cast_possible_truncation, reason = "less than `tables_len`")]
        let offset = self.geometry.words_of(id) as usize;
        // SAFETY: the words of every block that the geometry has lie in the tables.
        let words = unsafe { tables.bytes().cast::<u8>().add(offset) };
        // SAFETY: aligned, for the tables begin at a page and have nothing else in them; any bytes
        // are valid (`Shared`), and they are mapped as long as `self`.
        unsafe { words.cast::<Block>().as_ref() }
    }

    /// Where the bytes of a block lie, mapped now if need be: `block_len` of them.
    #[inline]
    pub(super) fn bytes(
        &self,
        segment: &Segment,
        id: BlockId,
    ) -> Result<NonNull<u8>, SegmentError> {
        let Some(class) = self.classes.get(usize::from(id.class)) else { return Err(outside(id)) };
        let offset = u64::from(id.index) * block_len(id.class.into());
        let len = 1 << class.shift;
        #[expect(clippy::cast_possible_truncation, reason = "there are few windows")]
        let slot =
            class.windows.get((offset >> class.shift) as usize).ok_or_else(|| outside(id))?;
        let window = match find(slot) {
            Some(window) => window,
            None => self.map(segment, id, offset & !(len - 1), len, slot)?,
        };
        #[expect(clippy::cast_possible_truncation, reason = "less than the window is long")]
        let within = (offset & (len - 1)) as usize;
        // SAFETY: a window is a multiple of a block long, or ends with the last block.
        Ok(unsafe { window.bytes().cast::<u8>().add(within) })
    }

    #[cold]
    fn map<'s>(
        &self,
        segment: &Segment,
        id: BlockId,
        start: u64,
        len: u64,
        slot: &'s AtomicPtr<Window>,
    ) -> Result<&'s Window, SegmentError> {
        let (begin, all) = self.geometry.bytes_of_class(id.class.into());
        #[expect(clippy::cast_possible_truncation, reason = "it fits: both machines have 64 bits")]
        let len = len.min(all - start) as usize;
        Ok(publish(slot, segment.window(begin + start, len)?))
    }
}

impl Windows {
    fn of(geometry: &Geometry, class: usize) -> Self {
        let (_, all) = geometry.bytes_of_class(class);
        let len = (all / MOST_WINDOWS).next_power_of_two().max(LEAST_WINDOW).max(block_len(class));
        let windows = (0..all.div_ceil(len)).map(|_| AtomicPtr::default()).collect();
        Self { shift: len.trailing_zeros(), windows }
    }
}

impl Drop for Windows {
    fn drop(&mut self) {
        for window in &mut self.windows {
            let window = *window.get_mut();
            if !window.is_null() {
                // SAFETY: from `Box::into_raw` in `publish`, and taken out just now.
                drop(unsafe { Box::from_raw(window) });
            }
        }
    }
}

/// The window, if it is mapped.
#[inline]
fn find(slot: &AtomicPtr<Window>) -> Option<&Window> {
    // E1 acquire.
    let window = slot.load(Acquire);
    // SAFETY: null, or from `publish`, and there until `Windows` are dropped, which lend `slot`.
    unsafe { window.as_ref() }
}

/// Makes `made` the window, unless another thread was faster.
fn publish(slot: &AtomicPtr<Window>, made: Window) -> &Window {
    let made = Box::into_raw(Box::new(made));
    // E1 release, E1 acquire.
    let window = match slot.compare_exchange(ptr::null_mut(), made, AcqRel, Acquire) {
        Ok(_) => made,
        Err(first) => {
            // SAFETY: from `Box::into_raw` above, and not published.
            drop(unsafe { Box::from_raw(made) });
            first
        }
    };
    // SAFETY: published, by this thread or another, and there until `Windows` are dropped.
    unsafe { &*window }
}

#[cold]
fn outside(id: BlockId) -> SegmentError {
    SegmentError::OutOfBounds { offset: id.index as usize, size: 0, len: 0 }
}
