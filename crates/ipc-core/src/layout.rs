//! Where things lie in a segment: computed, never written as numbers.

use crate::shared::Shared;

/// Hands out offsets in the body of a segment, one thing after the other.
///
/// Whoever makes a segment and whoever opens it run the same lines, so that the two agree. An
/// offset never depends on anything but what was asked for before it. Sums that no memory can
/// hold stick at the greatest number, which no segment has room for: making such a segment is an
/// error, and so is looking there.
///
/// # Examples
///
/// ```
/// use ipc_core::{Kind, Layout, Segment, primitive::AtomicU64};
///
/// let mut layout = Layout::new();
/// let total = layout.one::<AtomicU64>();
/// let slots = layout.array::<AtomicU64>(16);
///
/// let segment = Segment::create(Kind::new(*b"example\0", 1), 0, layout.size())?;
/// let total: &AtomicU64 = segment.at(total)?;
/// let slots: &[AtomicU64] = segment.slice_at(slots, 16)?;
/// # assert_eq!(slots.len(), 16);
/// # Ok::<(), ipc_core::SegmentError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    size: usize,
    alignment: usize,
}

impl Layout {
    /// An empty body.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, alignment: 1 }
    }

    /// Makes room for a `T` and returns its offset.
    pub const fn one<T: Shared>(&mut self) -> usize {
        self.bytes(size_of::<T>(), align_of::<T>())
    }

    /// Makes room for `count` values of `T` and returns the offset of the first.
    pub const fn array<T: Shared>(&mut self, count: usize) -> usize {
        self.bytes(size_of::<T>().saturating_mul(count), align_of::<T>())
    }

    /// Makes room for `len` bytes at a multiple of `alignment` and returns their offset.
    ///
    /// # Panics
    ///
    /// If `alignment` is not a power of two.
    #[track_caller]
    pub const fn bytes(&mut self, len: usize, alignment: usize) -> usize {
        assert!(alignment.is_power_of_two(), "an alignment is a power of two");
        let offset = match self.size.checked_next_multiple_of(alignment) {
            Some(offset) => offset,
            None => usize::MAX,
        };
        self.size = offset.saturating_add(len);
        if alignment > self.alignment {
            self.alignment = alignment;
        }
        offset
    }

    /// Moves on to the next multiple of `alignment`, so that what follows shares no cache line with
    /// what came before.
    ///
    /// # Panics
    ///
    /// If `alignment` is not a power of two.
    #[track_caller]
    pub const fn align_to(&mut self, alignment: usize) {
        self.bytes(0, alignment);
    }

    /// How long a body with all this in it is.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// The greatest alignment that anything in it needs.
    #[must_use]
    pub const fn alignment(&self) -> usize {
        self.alignment
    }
}

#[cfg(all(test, not(ipc_loom)))]
mod tests {
    use super::Layout;
    use crate::primitive::{AtomicU32, AtomicU64};

    #[test]
    fn things_follow_each_other_at_their_alignment() {
        let mut layout = Layout::new();
        assert_eq!(layout.one::<AtomicU32>(), 0);
        assert_eq!(layout.one::<AtomicU64>(), 8);
        assert_eq!(layout.array::<AtomicU32>(3), 16);
        assert_eq!(layout.bytes(5, 64), 64);
        assert_eq!(layout.size(), 69);
        assert_eq!(layout.alignment(), 64);
        layout.align_to(128);
        assert_eq!(layout.size(), 128);
    }

    #[test]
    fn sums_that_overflow_stick_at_the_greatest_number() {
        let mut layout = Layout::new();
        layout.array::<AtomicU64>(usize::MAX);
        assert_eq!(layout.size(), usize::MAX);
        assert_eq!(layout.one::<AtomicU64>(), usize::MAX);
        assert_eq!(layout.size(), usize::MAX);
    }

    #[test]
    #[should_panic(expected = "a power of two")]
    fn an_alignment_that_is_no_power_of_two_is_the_callers_fault() {
        Layout::new().bytes(1, 3);
    }
}
