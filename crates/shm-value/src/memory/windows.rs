//! Windows on a block that grows: one for each power of two, mapped when it is first needed.
//!
//! So a block that has grown is mapped once for each doubling at most, nothing is mapped anew under
//! somebody who is reading, and no lock is taken.
//!
//! # Safety
//!
//! The windows of a block are looked at as words here and nowhere else, from their beginning, and as
//! far as they reach.

#![expect(unsafe_code, reason = "references to words in a window")]

use core::slice;
use std::sync::OnceLock;

use ipc_core::primitive::AtomicU64;
use ipc_core::{PAGE, Segment, SegmentError, Window};

use crate::bytes::Bytes;
use crate::plain::WORD;

/// The windows that this process has on a block.
#[derive(Debug)]
pub(super) struct Windows([OnceLock<Window>; usize::BITS as usize + 1]);

impl Default for Windows {
    fn default() -> Self {
        Self([const { OnceLock::new() }; usize::BITS as usize + 1])
    }
}

impl Windows {
    /// The first `size` bytes of the room of the segment, rounded up to words.
    pub(super) fn bytes(&self, segment: &Segment, size: usize) -> Result<Bytes<'_>, SegmentError> {
        let too_long = || SegmentError::NoSpace { bytes: size as u64 };
        let len = size.max(PAGE).checked_next_power_of_two().ok_or_else(too_long)?;
        // A room ends with a page, or with what its maker wanted of it.
        let len = len.min(usize::try_from(segment.room_len()).unwrap_or(usize::MAX));
        let place = self.0.get(len.trailing_zeros() as usize).filter(|_| len.is_power_of_two());
        let place = place.or(self.0.last()).ok_or_else(too_long)?;
        let window = match place.get() {
            Some(window) => window,
            None => {
                let made = segment.window(0, len)?;
                place.get_or_init(|| made)
            }
        };
        let bytes = window.bytes();
        // SAFETY:
        // - The window is mapped as long as `self` lives, from the start of a page on, and is that
        //   long; any bytes are words.
        // - Others reach these bytes by windows of this module only, as words; the room of a segment
        //   is not lent otherwise by safe code.
        let words = unsafe {
            slice::from_raw_parts(bytes.cast::<AtomicU64>().as_ptr(), bytes.len() / WORD)
        };
        Ok(Bytes(words))
    }
}
