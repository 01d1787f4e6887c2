//! A draft: the bytes of a value that is being encoded, of which long runs go at once to where they shall be.
//!
//! A value that is large is so mostly because of a few long runs of bytes. To gather these in a vector, only to
//! copy them to the place from which they are sent, is to copy them twice.

use std::fmt;

use super::scratch::{Buffer, sealed};

/// A shorter run goes to the vector, with what is around it.
const LONG_RUN: usize = 16 << 10;

/// A place for the bytes of a large value.
pub trait Sink {
    /// Puts bytes behind those that it has: `first`, and then `second`. `false` if there is no room: it has
    /// what it had.
    fn put(&mut self, first: &[u8], second: &[u8]) -> bool;

    /// Keeps the first `len` bytes only, if there are more.
    fn truncate(&mut self, len: usize);

    /// Gives back the bytes that it has; it has none then.
    fn take_back(&mut self) -> Vec<u8>;
}

/// The bytes of a value that is being encoded: those before are in a [`Sink`], if there are long runs, and those
/// behind in a vector.
///
/// # Examples
///
/// ```
/// use std::borrow::Cow;
/// use ipc_core::wire::{self, Bytes, Draft, Sink};
///
/// #[derive(Default)]
/// struct Page(Vec<u8>);
///
/// impl Sink for Page {
///     fn put(&mut self, first: &[u8], second: &[u8]) -> bool {
///         self.0.extend([first, second].concat());
///         true
///     }
///
///     fn truncate(&mut self, len: usize) {
///         self.0.truncate(len);
///     }
///
///     fn take_back(&mut self) -> Vec<u8> {
///         std::mem::take(&mut self.0)
///     }
/// }
///
/// let (mut page, mut rest) = (Page::default(), Vec::new());
/// let value = ("long", Bytes(Cow::Owned(vec![7; 1 << 20])), "short");
/// wire::encode_into(&value, &mut Draft::new(&mut rest, Some(&mut page)))?;
/// assert_eq!((page.0.len(), rest), (5 + 3 + (1 << 20), b"\x05short".to_vec()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Draft<'d> {
    rest: &'d mut Vec<u8>,
    /// None if there is none, or it is full.
    sink: Option<&'d mut dyn Sink>,
    /// How many bytes are in it.
    n_sunk: usize,
}

impl<'d> Draft<'d> {
    /// Makes one whose first bytes are in `rest`, and whose long runs go to a sink that has nothing.
    #[inline]
    pub fn new(rest: &'d mut Vec<u8>, sink: Option<&'d mut dyn Sink>) -> Self {
        Self { rest, sink, n_sunk: 0 }
    }

    /// Moves all bytes to the sink, if some are there; says whether so.
    #[must_use]
    pub fn finish(&mut self) -> bool {
        self.n_sunk > 0 && self.sink(&[])
    }

    /// Moves all bytes to the vector.
    pub fn take_back(&mut self) {
        if let Some(sink) = self.sink.take()
            && self.n_sunk > 0
        {
            let mut bytes = sink.take_back();
            bytes.append(self.rest);
            (*self.rest, self.n_sunk) = (bytes, 0);
        }
    }

    /// Puts what is in the vector into the sink, and these bytes; or all into the vector.
    #[cold]
    fn sink(&mut self, bytes: &[u8]) -> bool {
        let has_room = self.sink.as_mut().is_some_and(|sink| sink.put(self.rest, bytes));
        if has_room {
            self.n_sunk += self.rest.len() + bytes.len();
            self.rest.clear();
        } else {
            self.take_back();
            self.rest.extend_from_slice(bytes);
        }
        has_room
    }
}

impl Buffer for Draft<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.n_sunk + self.rest.len()
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.rest.push(byte);
    }

    #[inline]
    fn push_all(&mut self, bytes: &[u8]) {
        if bytes.len() > LONG_RUN && self.sink.is_some() {
            self.sink(bytes);
        } else {
            self.rest.push_all(bytes);
        }
    }

    fn truncate(&mut self, len: usize) {
        self.rest.truncate(len.saturating_sub(self.n_sunk));
        if len < self.n_sunk
            && let Some(sink) = &mut self.sink
        {
            sink.truncate(len);
            self.n_sunk = len;
        }
    }
}

impl sealed::Sealed for Draft<'_> {}

impl fmt::Debug for Draft<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Draft").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::{prop_assert_eq, proptest};

    use super::{Buffer as _, Draft, LONG_RUN, Sink};

    /// A sink with room for so many bytes.
    struct Page {
        bytes: Vec<u8>,
        most: usize,
    }

    impl Sink for Page {
        fn put(&mut self, first: &[u8], second: &[u8]) -> bool {
            let has_room = self.bytes.len() + first.len() + second.len() <= self.most;
            if has_room {
                self.bytes.extend([first, second].concat());
            }
            has_room
        }

        fn truncate(&mut self, len: usize) {
            self.bytes.truncate(len);
        }

        fn take_back(&mut self) -> Vec<u8> {
            std::mem::take(&mut self.bytes)
        }
    }

    proptest! {
        #[test]
        fn bytes_are_the_same_wherever_they_are(
            moves in vec((0_u8..12, any::<u8>(), 0..3 * LONG_RUN), 0..20),
            most in 0..12 * LONG_RUN,
            takes_back in any::<bool>(),
        ) {
            let mut page = Page { bytes: Vec::new(), most };
            let (mut rest, mut expected) = (Vec::new(), Vec::new());
            let mut draft = Draft::new(&mut rest, Some(&mut page));
            for (what, byte, len) in moves {
                match what {
                    0 => {
                        draft.truncate(len);
                        expected.truncate(len);
                    }
                    1..4 => {
                        draft.push(byte);
                        expected.push(byte);
                    }
                    4..7 => {
                        draft.push_all(&vec![byte; len / 1000]);
                        expected.extend(vec![byte; len / 1000]);
                    }
                    _ => {
                        draft.push_all(&vec![byte; len]);
                        expected.extend(vec![byte; len]);
                    }
                }
                prop_assert_eq!(draft.len(), expected.len());
            }
            if takes_back {
                draft.take_back();
                prop_assert_eq!(rest, expected);
                prop_assert_eq!(page.bytes, []);
            } else if draft.finish() {
                prop_assert_eq!(page.bytes, expected);
                prop_assert_eq!(rest, []);
            } else {
                prop_assert_eq!(rest, expected);
                prop_assert_eq!(page.bytes, []);
            }
        }
    }

    #[test]
    fn short_runs_stay_in_the_vector_and_a_long_one_is_not_gathered() {
        let mut page = Page { bytes: Vec::new(), most: usize::MAX };
        let mut rest = Vec::new();
        let mut draft = Draft::new(&mut rest, Some(&mut page));
        draft.push_all(&[1; LONG_RUN]);
        assert!(!draft.finish());
        draft.push_all(&[2; LONG_RUN + 1]);
        assert_eq!(draft.rest.len(), 0);
        draft.push(3);
        assert!(draft.finish());
        assert_eq!((page.bytes.len(), rest.len()), (2 * LONG_RUN + 2, 0));
    }
}
