//! Pieces: the bytes of a value, of which long runs have memory of their own.
//!
//! Whoever copies a large value out of memory that others can write could copy it once more as it is decoded: a
//! `String` has its own memory. If each long run is copied to a vector of its own in the first place, that vector
//! can become a part of the value as it is.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::mem;
use std::vec;

use postcard::Error;
use postcard::de_flavors::Flavor;
use serde::de::{self, Visitor};

/// A shorter run is not given away: no value was ever cut for so few bytes, and to copy them takes no time.
const SHORTEST_GIVEN: usize = 1 << 10;

/// The bytes of a value, of which long runs have vectors of their own.
///
/// Wherever it is cut, it is the same value. What is a string or bytes as a whole, no more and no less, and has a
/// vector of its own, is not copied again when it is decoded.
///
/// # Examples
///
/// ```
/// use ipc_core::wire::{self, Pieces};
///
/// let long = "x".repeat(100_000);
/// let mut bytes = Vec::new();
/// wire::encode_plain(&(7_u8, &long, 8_u8), &mut bytes)?;
/// // A byte for the number, and three for the length.
/// let run = bytes.drain(4..bytes.len() - 1).collect::<Vec<u8>>();
/// let address = run.as_ptr();
///
/// let arrived: (u8, String, u8) = wire::decode_pieces(Pieces::new(bytes, vec![(4, run)]))?;
/// assert_eq!(arrived, (7, long, 8));
/// assert_eq!(arrived.1.as_ptr(), address, "it was not copied");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Pieces {
    /// What is in no run.
    rest: Vec<u8>,
    /// Each with the number of bytes of the rest that stand before it.
    runs: Vec<(usize, Vec<u8>)>,
}

impl Pieces {
    /// Makes a value of what is in no run, and of the runs in their order, each with the number of bytes of the
    /// rest that stand before it.
    ///
    /// No run stands before one that comes before it, nor behind more than there is: it stands as near as can be.
    #[must_use]
    pub const fn new(rest: Vec<u8>, runs: Vec<(usize, Vec<u8>)>) -> Self {
        Self { rest, runs }
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.iter().fold(self.rest.len(), |len, (_, run)| len.saturating_add(run.len()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its first byte, unless that is in a run.
    #[must_use]
    pub fn first(&self) -> Option<u8> {
        let is_in_run = self.runs.first().is_some_and(|(at, _)| *at == 0);
        self.rest.first().copied().filter(|_| !is_in_run)
    }

    /// Has its pieces read one after the other.
    pub(super) fn reader<'de>(
        &'de mut self,
        given: &'de Given,
        gathered: &'de Gathered,
    ) -> Reader<'de> {
        let left = self.len();
        let mut rest = self.rest.as_slice();
        let mut runs = Vec::with_capacity(self.runs.len());
        // From the last to the first: behind each stands what is cut off there.
        for (at, run) in self.runs.iter_mut().rev() {
            let (before, behind) = rest.split_at_checked(*at).unwrap_or((rest, &[]));
            runs.push((run, behind));
            rest = before;
        }
        runs.reverse();
        Reader { piece: rest, behind: &[], runs: runs.into_iter(), left, given, gathered }
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs: Vec<_> = self.runs.iter().map(|(at, run)| (at, run.len())).collect();
        formatter
            .debug_struct("Pieces")
            .field("len", &self.len())
            .field("runs", &runs)
            .finish_non_exhaustive()
    }
}

/// Reads pieces as if they were one.
pub(super) struct Reader<'de> {
    /// What is left of the piece that is read.
    piece: &'de [u8],
    /// What comes next, before the next run.
    behind: &'de [u8],
    /// The runs that come, each with what is behind it.
    runs: vec::IntoIter<(&'de mut Vec<u8>, &'de [u8])>,
    /// How many bytes are left, in all pieces.
    left: usize,
    given: &'de Given,
    gathered: &'de Gathered,
}

impl<'de> Reader<'de> {
    /// Goes on to the next piece, when there is nothing left of the one before.
    fn enter(&mut self) -> postcard::Result<()> {
        self.piece = mem::take(&mut self.behind);
        if self.piece.is_empty() {
            let (run, behind) = self.runs.next().ok_or(Error::DeserializeUnexpectedEnd)?;
            (self.piece, self.behind) = (run, behind);
        }
        Ok(())
    }

    /// The next run, if it comes next and has just so many bytes.
    fn take_run(&mut self, len: usize) -> Option<Vec<u8>> {
        let comes_next = self.piece.is_empty() && self.behind.is_empty();
        let (run, _) = self.runs.as_slice().first().filter(|_| comes_next)?;
        if run.len() != len || len < SHORTEST_GIVEN {
            return None;
        }
        let (run, behind) = self.runs.next()?;
        self.behind = behind;
        self.left -= len;
        Some(mem::take(run))
    }

    /// Copies bytes that are in several pieces.
    fn gather(&mut self, len: usize) -> postcard::Result<&'de [u8]> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let here = self.piece.len().min(len - bytes.len());
            let (taken, rest) = self.piece.split_at_checked(here).unwrap_or_default();
            bytes.extend_from_slice(taken);
            self.piece = rest;
            if bytes.len() < len {
                self.enter()?;
            }
        }
        self.left -= len;
        Ok(self.gathered.keep(bytes))
    }
}

impl<'de> Flavor<'de> for Reader<'de> {
    /// How many bytes were not read.
    type Remainder = usize;
    type Source = ();

    #[inline]
    fn pop(&mut self) -> postcard::Result<u8> {
        loop {
            if let Some((byte, rest)) = self.piece.split_first() {
                self.piece = rest;
                self.left -= 1;
                return Ok(*byte);
            }
            self.enter()?;
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }

    fn try_take_n(&mut self, len: usize) -> postcard::Result<&'de [u8]> {
        if len > self.left {
            return Err(Error::DeserializeUnexpectedEnd);
        }
        while self.piece.is_empty() && len > 0 {
            self.enter()?;
        }
        let Some((taken, rest)) = self.piece.split_at_checked(len) else {
            return self.gather(len);
        };
        self.piece = rest;
        self.left -= len;
        Ok(taken)
    }

    /// As bytes are taken that become a part of the value.
    fn try_take_n_temp<'a>(&'a mut self, len: usize) -> postcard::Result<&'a [u8]>
    where
        'de: 'a,
    {
        match self.take_run(len) {
            Some(run) => {
                self.given.bytes.set(Some(run));
                // Nobody looks at these: see `Owned`.
                Ok(&[])
            }
            None => self.try_take_n(len),
        }
    }

    fn finalize(self) -> postcard::Result<usize> {
        Ok(self.left)
    }
}

/// Bytes that were in several pieces, each in a vector that stays where it is.
#[derive(Default)]
pub(super) struct Gathered {
    bytes: OnceCell<Vec<u8>>,
    next: OnceCell<Box<Self>>,
}

impl Gathered {
    fn keep(&self, bytes: Vec<u8>) -> &[u8] {
        let mut last = self;
        while last.bytes.get().is_some() {
            last = last.next.get_or_init(Box::default);
        }
        last.bytes.get_or_init(|| bytes)
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        // One after the other, not one inside the other: there may be many.
        let mut next = self.next.take();
        while let Some(mut one) = next {
            next = one.next.take();
        }
    }
}

/// What a reader gives away, on its way to whoever decodes.
#[derive(Default)]
pub(super) struct Given {
    bytes: Cell<Option<Vec<u8>>>,
    /// Whether something was to be a string and is none.
    pub(super) is_no_text: Cell<bool>,
}

/// Who may have a vector for what is decoded.
pub(super) trait Giver: Copy {
    /// Whether there ever is one.
    const GIVES: bool;

    /// The bytes of what is decoded at the moment, if they are given away.
    fn take(self) -> Option<Vec<u8>>;

    /// Takes note that bytes are no string.
    fn refuse_text(self);
}

impl Giver for () {
    const GIVES: bool = false;

    fn take(self) -> Option<Vec<u8>> {
        None
    }

    fn refuse_text(self) {}
}

impl Giver for &Given {
    const GIVES: bool = true;

    fn take(self) -> Option<Vec<u8>> {
        self.bytes.take()
    }

    fn refuse_text(self) {
        self.is_no_text.set(true);
    }
}

/// A visitor of what becomes a part of the value: it gets the vector, if one is given away.
pub(super) struct Owned<V, G> {
    pub(super) inner: V,
    pub(super) giver: G,
}

impl<'de, V: Visitor<'de>, G: Giver> Visitor<'de> for Owned<V, G> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<V::Value, E> {
        match self.giver.take().map(String::from_utf8) {
            None => self.inner.visit_str(text),
            Some(Ok(text)) => self.inner.visit_string(text),
            Some(Err(error)) => {
                self.giver.refuse_text();
                Err(E::custom(error))
            }
        }
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<V::Value, E> {
        match self.giver.take() {
            None => self.inner.visit_bytes(bytes),
            Some(bytes) => self.inner.visit_byte_buf(bytes),
        }
    }
}

#[cfg(test)]
mod tests;
