//! Room: which parts of a row of bytes are taken.
//!
//! The first part that is long enough is given, so that the same bytes are used again and again: their
//! pages are there, and in the caches.

use std::ops::Range;

/// All parts begin at multiples of this, so no two share a page.
const PAGE: usize = 4096;

/// Which parts of a row of bytes are free.
#[derive(Debug)]
pub(crate) struct Room {
    /// In their order; no two touch, and none is empty.
    free: Vec<Range<usize>>,
}

impl Room {
    /// A row of so many bytes, all of them free.
    pub(crate) fn new(len: usize) -> Self {
        let whole = 0..len / PAGE * PAGE;
        Self { free: Some(whole).into_iter().filter(|whole| whole.start < whole.end).collect() }
    }

    /// Takes a part with at least so many bytes, if there is one.
    pub(crate) fn take(&mut self, len: usize) -> Option<Range<usize>> {
        let len = len.max(1).checked_next_multiple_of(PAGE)?;
        let at = self.free.iter().position(|free| free.len() >= len)?;
        let free = self.free.get_mut(at)?;
        let taken = free.start..free.start + len;
        free.start = taken.end;
        if free.start == free.end {
            self.free.remove(at);
        }
        Some(taken)
    }

    /// Makes a part that was taken at least so many bytes long, if those behind it are free.
    pub(crate) fn extend(&mut self, part: &mut Range<usize>, len: usize) -> bool {
        let missing = len.checked_next_multiple_of(PAGE).map(|len| len.saturating_sub(part.len()));
        let at = self.free.partition_point(|free| free.start < part.end);
        let (Some(missing), Some(free)) = (missing, self.free.get_mut(at)) else { return false };
        if free.start != part.end || free.len() < missing {
            return false;
        }
        free.start += missing;
        part.end = free.start;
        if free.start == free.end {
            self.free.remove(at);
        }
        true
    }

    /// Gives a part back that was taken.
    pub(crate) fn give_back(&mut self, part: Range<usize>) {
        let at = self.free.partition_point(|free| free.start < part.start);
        let mut part = part;
        if let Some(next) = self.free.get(at)
            && next.start == part.end
        {
            part.end = next.end;
            self.free.remove(at);
        }
        match at.checked_sub(1).and_then(|before| self.free.get_mut(before)) {
            Some(before) if before.end == part.start => before.end = part.end,
            _ => self.free.insert(at, part),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::sample::Index;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::{PAGE, Room};

    const N_PAGES: usize = 32;

    /// The first so many free pages in a row, by looking at each.
    fn first_free(taken: &[Range<usize>], n_pages: usize) -> Option<usize> {
        let is_free = |page: usize| !taken.iter().any(|part| part.contains(&(page * PAGE)));
        (0..N_PAGES)
            .find(|first| (*first..first + n_pages).all(|page| page < N_PAGES && is_free(page)))
    }

    proptest! {
        #[test]
        fn first_part_that_is_long_enough_is_given_and_no_byte_twice(
            moves in vec((0..10 * PAGE, 0..5, any::<Index>()), 0..60),
        ) {
            let mut room = Room::new(N_PAGES * PAGE + 1);
            let mut taken: Vec<Range<usize>> = Vec::new();
            for (len, what, which) in moves {
                if what < 2 || taken.is_empty() {
                    let n_pages = len.max(1).div_ceil(PAGE);
                    let expected = first_free(&taken, n_pages);
                    let part = room.take(len);
                    prop_assert_eq!(part.as_ref().map(|part| part.start), expected.map(|at| at * PAGE));
                    if let Some(part) = part {
                        prop_assert!(part.len() >= len);
                        taken.push(part);
                    }
                } else if what == 2 {
                    let mut part = taken.swap_remove(which.index(taken.len()));
                    let end = (part.start + len.next_multiple_of(PAGE)).max(part.end);
                    let is_free = end <= N_PAGES * PAGE
                        && !taken.iter().any(|other| other.start < end && part.end < other.end);
                    if part.len() < len {
                        prop_assert_eq!(room.extend(&mut part, len), is_free);
                        prop_assert_eq!(part.end == end, is_free);
                    }
                    taken.push(part);
                } else {
                    room.give_back(taken.swap_remove(which.index(taken.len())));
                }
            }
            for part in taken {
                room.give_back(part);
            }
            prop_assert_eq!(room.take(N_PAGES * PAGE), Some(0..N_PAGES * PAGE));
        }
    }

    #[test]
    fn nothing_is_given_of_no_room_and_no_length_is_too_great_to_ask_for() {
        assert_eq!(Room::new(PAGE - 1).take(1), None);
        assert_eq!(Room::new(PAGE).take(usize::MAX), None);
    }
}
