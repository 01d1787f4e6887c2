//! How wide things are: as their type says, or, where only others know the type, as somebody said.

use core::marker::PhantomData;

use crate::plain::{WORD, n_words};

/// How many words a thing takes.
pub(crate) trait Width: Copy {
    fn n_words(self) -> usize;
}

/// As many as a `T` takes.
pub(crate) struct Of<T>(PhantomData<T>);

/// As many as so many bytes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) usize);

impl<T> Of<T> {
    pub(crate) const NEW: Self = Self(PhantomData);
}

impl<T> Clone for Of<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Of<T> {}

impl<T> Width for Of<T> {
    #[inline]
    fn n_words(self) -> usize {
        const { n_words::<T>() }
    }
}

impl Width for Bytes {
    #[inline]
    fn n_words(self) -> usize {
        self.0.div_ceil(WORD)
    }
}
