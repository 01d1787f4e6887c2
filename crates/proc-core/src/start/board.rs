//! Two words that the fork server and its user share: the request that the server looked at last, and
//! the number of the copy that it made for it.
//!
//! The kernel writes the number while it makes the copy, so there is no moment at which there is a
//! copy whose number is not on the board, even if the server is killed during the call. If the server
//! dies before it has told of the copy, the user finds it here.
//!
//! # Safety
//!
//! The words lie in a segment, which stays mapped as long as the board lives. They are written by the
//! server, and by the kernel for it, and only read by the user, who copies them out.
#![expect(unsafe_code, reason = "reads and writes words of shared memory")]

use ipc_core::{Kind, Segment, SegmentError};
use serde::{Deserialize, Deserializer, Serialize};

const KIND: Kind = Kind::new(*b"forksrv\0", 2);

/// The shared words.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Board(Segment);

/// How many words there are: the number of the copy, zero if there is none, and then the request.
const N_WORDS: usize = 2;

impl Board {
    /// A board with nothing on it.
    pub(super) fn new() -> Result<Self, SegmentError> {
        Segment::create(KIND, 0, N_WORDS * size_of::<u32>()).map(Self)
    }

    /// In the server: notes the request that it looks at from now on. There is no copy for it yet.
    pub(super) fn look_at(&self, request: u32) {
        // SAFETY: the place lies in the segment, which is mapped, has room for it, and begins at a
        // multiple of its alignment.
        unsafe { self.number().write_volatile(0) };
        // SAFETY: as above.
        unsafe { self.request().write_volatile(request) };
    }

    /// Where the kernel is to write the number of the copy; good as long as the board is.
    pub(super) fn place(&self) -> *mut i32 {
        self.number().cast()
    }

    /// The number of the copy that was made for this request, if it is the one that the server looked
    /// at last, and has got so far.
    pub(super) fn made_for(&self, request: u32) -> Option<u32> {
        // SAFETY: the place lies in the segment, which is mapped, has room for it, and begins at a
        // multiple of its alignment; any bits are a number.
        let looked_at = unsafe { self.request().read_volatile() };
        // SAFETY: as above.
        let number = unsafe { self.number().read_volatile() };
        (looked_at == request && number != 0).then_some(number)
    }

    fn number(&self) -> *mut u32 {
        self.0.as_ptr().as_ptr().cast()
    }

    fn request(&self) -> *mut u32 {
        self.number().wrapping_add(1)
    }
}

impl<'de> Deserialize<'de> for Board {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Segment::deserialize_as(deserializer, KIND, 0).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::Board;

    #[test]
    fn number_is_that_of_the_request_that_was_looked_at_last() {
        let board = Board::new().unwrap();
        assert_eq!(board.made_for(1), None);
        board.look_at(1);
        assert_eq!(board.made_for(1), None);
        // SAFETY: the place is good as long as the board.
        unsafe { board.place().write_volatile(7) };
        assert_eq!((board.made_for(1), board.made_for(2)), (Some(7), None));
        board.look_at(2);
        assert_eq!((board.made_for(1), board.made_for(2)), (None, None));
    }
}
