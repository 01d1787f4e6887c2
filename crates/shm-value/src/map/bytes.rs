//! `ByteMap`: a map of whose types only others know.

use core::fmt;

use ipc_core::{Deadline, Segment, SegmentError};

use super::KIND;
use super::shards::{Dimensions, Entry, Shards};
use crate::error::{AccessError, ChangeError, check_length};
use crate::plain::{bytes_of_words, words_of_bytes};
use crate::width::Bytes;

/// A map in shared memory whose keys and values are so many bytes, as those know who use it by their types.
///
/// For a server that keeps maps for others: it makes a map that they open as an [`ShmMap`](crate::ShmMap),
/// and does in it what is asked of it by those who cannot. Nobody says that the bytes that it puts
/// in are values of the types: who finds others is told ([`AccessError::Corrupt`]).
///
/// Nothing here waits for anybody: what is somebody else's turn is [`AccessError::Busy`], and can be tried
/// again.
///
/// # Process death
///
/// As for an [`ShmMap`](crate::ShmMap).
///
/// # Examples
///
/// ```
/// use shm_value::{ByteMap, ShmMap};
///
/// let bytes = ByteMap::with_capacity(100, 4, 2, ShmMap::<u32, u16>::type_hash())?;
/// let map = ShmMap::<u32, u16>::open(bytes.segment())?;
/// bytes.insert(&7_u32.to_ne_bytes(), &8_u16.to_ne_bytes())?;
/// assert_eq!(map.get(7)?, Some(8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ByteMap {
    shards: Shards<Bytes, Bytes>,
    key_len: usize,
    value_len: usize,
}

impl ByteMap {
    /// Makes an empty map with room for so many keys of so many bytes, in memory of its own, with what a
    /// header shall say of the types.
    ///
    /// # Errors
    ///
    /// As [`ShmMap::with_capacity`](crate::ShmMap::with_capacity).
    pub fn with_capacity(
        capacity: usize,
        key_len: usize,
        value_len: usize,
        type_hash: u64,
    ) -> Result<Self, SegmentError> {
        let (dimensions, widths) = plan(capacity, key_len, value_len)?;
        let segment = Segment::create(KIND, type_hash, dimensions.size(widths))?;
        let shards = Shards::make(&segment, dimensions, widths)?;
        Ok(Self { shards, key_len, value_len })
    }

    /// How many bytes of memory such a map takes.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`] if that is no number.
    pub fn n_bytes(
        capacity: usize,
        key_len: usize,
        value_len: usize,
    ) -> Result<usize, SegmentError> {
        let (dimensions, widths) = plan(capacity, key_len, value_len)?;
        Ok(dimensions.size(widths))
    }

    /// The value of a key, if it is there.
    ///
    /// # Errors
    ///
    /// [`ChangeError::WrongLength`] if this is no key; [`AccessError::Busy`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ChangeError> {
        check_length(key, self.key_len)?;
        let key = words_of_bytes(key);
        Ok(self.shards.look_up(key, Deadline::now(), |entry| self.value_of(entry))?)
    }

    /// Puts a key and its value in, and returns the value that it had.
    ///
    /// # Errors
    ///
    /// As [`alter`](Self::alter).
    pub fn insert(&self, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, ChangeError> {
        self.alter(key, |_| Some(value))
    }

    /// Takes a key out, and returns its value.
    ///
    /// # Errors
    ///
    /// As [`alter`](Self::alter).
    pub fn remove(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ChangeError> {
        self.alter(key, |_| None::<&[u8]>)
    }

    /// Changes what is known of a key to what `change` makes of it: a value, or nothing. Returns what
    /// there was.
    ///
    /// # Errors
    ///
    /// [`ChangeError::WrongLength`] if this is no key, or no value, and [`ChangeError::Full`] if there is no room
    /// for another key: then nothing has changed; [`AccessError::Busy`]; [`AccessError::TooManyHeld`].
    pub fn alter<B: AsRef<[u8]>>(
        &self,
        key: &[u8],
        change: impl FnOnce(Option<&[u8]>) -> Option<B>,
    ) -> Result<Option<Vec<u8>>, ChangeError> {
        check_length(key, self.key_len)?;
        let spot = self.shards.turn_at(words_of_bytes(key), Deadline::now())?;
        let old = spot.entry().map(|entry| self.value_of(entry));
        match change(old.as_deref()) {
            Some(new) => {
                check_length(new.as_ref(), self.value_len)?;
                spot.put(words_of_bytes(key), words_of_bytes(new.as_ref()))?;
            }
            None => spot.remove(),
        }
        Ok(old)
    }

    /// How many keys there are.
    ///
    /// # Errors
    ///
    /// [`AccessError::Busy`] and [`AccessError::TooManyHeld`], where a death has to be looked after.
    pub fn len(&self) -> Result<usize, AccessError> {
        self.shards.len(Deadline::now())
    }

    /// Whether there is no key.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool, AccessError> {
        Ok(self.len()? == 0)
    }

    /// Takes all keys out, shard by shard.
    ///
    /// # Errors
    ///
    /// [`AccessError::Busy`], when some shards are done and others are not.
    pub fn clear(&self) -> Result<(), AccessError> {
        self.shards.clear(Deadline::now())
    }

    /// How many slots there are, in each of which there may be a key.
    #[must_use]
    pub fn n_slots(&self) -> usize {
        self.shards.n_slots()
    }

    /// What is in a slot: a key and, behind it, its value, or nothing. A key stays in its slot as long as it is
    /// there.
    ///
    /// # Errors
    ///
    /// [`AccessError::Corrupt`] if there is no such slot; [`AccessError::Busy`].
    pub fn slot(&self, number: usize) -> Result<Option<Vec<u8>>, AccessError> {
        self.shards.slot(number, Deadline::now(), |entry| {
            let mut bytes = bytes_of_words(entry.key(), self.key_len);
            bytes.extend(self.value_of(entry));
            bytes
        })
    }

    /// The segment that it lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.shards.segment()
    }

    fn value_of(&self, entry: Entry<'_>) -> Vec<u8> {
        bytes_of_words(entry.value(), self.value_len)
    }
}

impl fmt::Debug for ByteMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("ByteMap");
        debug.field("key_len", &self.key_len).field("value_len", &self.value_len);
        debug.finish_non_exhaustive()
    }
}

/// What a map will be like.
fn plan(
    capacity: usize,
    key_len: usize,
    value_len: usize,
) -> Result<(Dimensions, (Bytes, Bytes)), SegmentError> {
    Ok((Dimensions::for_keys(capacity)?, (Bytes(key_len), Bytes(value_len))))
}
