//! `ShmMap`: a map of bounded size in shared memory.
//!
//! ```text
//! | shards | slots of each | seed | shard 0: lock, count, table | shard 1 | …
//! ```
//!
//! A key belongs to the shard that its hash says. Whoever changes a shard has its turn; who looks
//! needs none ([`Table`]).
//!
//! | file | job |
//! |------|-----|
//! | `shards` | where the shards lie, and what is done with words there |
//! | `bytes` | maps of whose types only others know |
//! | `hash` | the hash of a key |

mod bytes;
mod hash;
mod inspect;
mod shards;

use core::fmt;
use std::collections::HashMap;
use std::hash::Hash;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::{Deadline, Kind, Segment, SegmentError, type_hash};

use crate::error::{AccessError, ChangeError};
use crate::named;
use crate::place::Place;
use crate::plain::{Draft, words_of};
use crate::width::Of;
pub use bytes::ByteMap;
pub(crate) use inspect::describe;
use shards::{Dimensions, Entry, Shards};

/// What a segment is called that holds a map.
pub(crate) const KIND: Kind = Kind::new(*b"map\0\0\0\0\0", 1);

// Places of the words before the shards.
const SHARDS: usize = 0;
const SLOTS: usize = 1;
const SEED: usize = 2;
/// Where the first shard begins.
const FIRST: usize = Place::ALIGNMENT;

const MOST_SHARDS: usize = 1 << 32;

/// A map in shared memory, with room for so many keys.
///
/// Any number of processes may have handles to it; cloning a handle does not clone what is in it. Keys
/// and values are plain data ([`bytemuck`]); keys are the same if their bytes are. Looking takes no
/// lock and waits for nobody; whoever changes something takes a turn among those who change something
/// in the same shard, of which there is one for each 64 keys.
///
/// There are at least twice as many slots as keys that were asked for, so that a key is found at once,
/// and more than that many keys may find room. What is taken out makes room again.
///
/// # Process death
///
/// A key is there with its value, or not, and its value is the old one or the new one, whenever a
/// process dies; nobody is told, and the next has its turn at once. The commit point is the store of
/// the count that says which copy of a slot is valid.
///
/// # Examples
///
/// ```
/// use shm_value::ShmMap;
///
/// let visits = ShmMap::<u64, u32>::with_capacity(1000)?;
/// // … the handle goes to other processes …
/// visits.insert(7, 1)?;
/// visits.alter(7, |count| Some(count.unwrap_or(0) + 1))?;
/// assert_eq!((visits.get(7)?, visits.get(8)?), (Some(2), None));
/// assert_eq!(visits.remove(7)?, Some(2));
/// assert!(visits.is_empty()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "dict")]
pub struct ShmMap<K, V> {
    shards: Shards<Of<K>, Of<V>>,
}

impl<K, V> ShmMap<K, V>
where
    K: NoUninit + CheckedBitPattern,
    V: NoUninit + CheckedBitPattern,
{
    const WIDTHS: (Of<K>, Of<V>) = (Of::NEW, Of::NEW);

    /// Makes an empty map with room for so many keys, in memory of its own, which is freed with the
    /// last process that has a handle.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors or
    /// runs where the kernel does not tell of deaths.
    pub fn with_capacity(capacity: usize) -> Result<Self, SegmentError> {
        let dimensions = Dimensions::for_keys(capacity)?;
        let size = dimensions.size(Self::WIDTHS);
        let segment = Segment::create(KIND, Self::type_hash(), size)?;
        Ok(Self { shards: Shards::make(&segment, dimensions, Self::WIDTHS)? })
    }

    /// Makes an empty map with a name, for programs that know each other by nothing else.
    ///
    /// It stays until somebody calls [`Segment::unlink`] with its name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::AlreadyExists`], and as
    /// [`with_capacity`](Self::with_capacity).
    pub fn create_named(name: &str, capacity: usize) -> Result<Self, SegmentError> {
        let dimensions = Dimensions::for_keys(capacity)?;
        let size = dimensions.size(Self::WIDTHS);
        named::create(name, KIND, Self::type_hash(), size, |segment| {
            Ok(Self { shards: Shards::make(segment, dimensions, Self::WIDTHS)? })
        })
    }

    /// Opens the map of that name, whose keys and values must be of the same types.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`], [`SegmentError::WrongKind`] or [`SegmentError::WrongType`] if
    /// the name is something else's.
    pub fn open_named(name: &str) -> Result<Self, SegmentError> {
        Self::open(&Segment::open_named(name, KIND, Self::type_hash())?)
    }

    /// The value of a key, if it is there.
    ///
    /// # Errors
    ///
    /// [`AccessError::Corrupt`] if the bytes there are no value.
    #[inline]
    pub fn get(&self, key: K) -> Result<Option<V>, AccessError> {
        let found = self.shards.look_up(words_of(&key), Deadline::NEVER, value_of)?;
        found.map_or(Ok(None), |value| value.check().map(Some).ok_or(AccessError::Corrupt))
    }

    /// Whether a key is there.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn contains_key(&self, key: K) -> Result<bool, AccessError> {
        Ok(self.get(key)?.is_some())
    }

    /// Puts a key and its value in, and returns the value that it had.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Full`] if there is no room for another key; and as [`alter`](Self::alter).
    pub fn insert(&self, key: K, value: V) -> Result<Option<V>, ChangeError> {
        self.alter(key, |_| Some(value))
    }

    /// Takes a key out, and returns its value.
    ///
    /// # Errors
    ///
    /// As [`alter`](Self::alter).
    pub fn remove(&self, key: K) -> Result<Option<V>, ChangeError> {
        self.alter(key, |_| None)
    }

    /// Changes the value of a key, if it is there, and returns the one that it had.
    ///
    /// # Errors
    ///
    /// As [`alter`](Self::alter).
    pub fn update(&self, key: K, change: impl FnOnce(V) -> V) -> Result<Option<V>, ChangeError> {
        self.alter(key, |value| value.map(change))
    }

    /// Changes what is known of a key to what `change` makes of it: a value, or nothing. Returns what
    /// there was.
    ///
    /// No change of another comes in between. If `change` panics, nothing has changed.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Full`] if there is no room for another key; [`AccessError::Corrupt`] if the bytes
    /// there are no value; [`AccessError::WouldDeadlock`] if `change` itself changes the same shard;
    /// [`AccessError::TooManyHeld`].
    pub fn alter(
        &self,
        key: K,
        change: impl FnOnce(Option<V>) -> Option<V>,
    ) -> Result<Option<V>, ChangeError> {
        let spot = self.shards.turn_at(words_of(&key), Deadline::NEVER)?;
        let old = match spot.entry() {
            Some(entry) => Some(value_of(entry).check().ok_or(AccessError::Corrupt)?),
            None => None,
        };
        match change(old) {
            Some(new) => spot.put(words_of(&key), words_of(&new))?,
            None => spot.remove(),
        }
        Ok(old)
    }

    /// How many keys there are.
    ///
    /// # Errors
    ///
    /// [`AccessError::TooManyHeld`], where a death has to be looked after.
    pub fn len(&self) -> Result<usize, AccessError> {
        self.shards.len(Deadline::NEVER)
    }

    /// Whether there is no key.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool, AccessError> {
        Ok(self.len()? == 0)
    }

    /// All keys with their values, in no order, each as it is when its turn comes.
    ///
    /// What is there all the time comes once.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V), AccessError>> {
        let take = |found: Entry<'_>| (Draft::<K>::of(found.key()), value_of::<V>(found));
        let slots = 0..self.shards.n_slots();
        slots.filter_map(move |slot| {
            let found = self.shards.slot(slot, Deadline::NEVER, take).transpose()?;
            let checked = |(key, value): (Draft<K>, Draft<V>)| key.check().zip(value.check());
            Some(found.and_then(|drafts| checked(drafts).ok_or(AccessError::Corrupt)))
        })
    }

    /// A copy of all keys with their values.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn to_hash_map(&self) -> Result<HashMap<K, V>, AccessError>
    where
        K: Eq + Hash,
    {
        self.iter().collect()
    }

    /// Takes all keys out, shard by shard.
    ///
    /// # Errors
    ///
    /// [`AccessError::TooManyHeld`].
    pub fn clear(&self) -> Result<(), AccessError> {
        self.shards.clear(Deadline::NEVER)
    }

    /// The segment that it lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.shards.segment()
    }

    /// What a segment's header says of the types of keys and values.
    #[must_use]
    pub fn type_hash() -> u64 {
        type_hash::<(K, V)>()
    }

    /// The map in a segment that came from another process, as a handle of its own brings one.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NotASegment`], [`SegmentError::WrongKind`] or [`SegmentError::WrongType`] if something
    /// else lies there.
    pub fn open(segment: &Segment) -> Result<Self, SegmentError> {
        segment.check(KIND, Self::type_hash())?;
        Ok(Self { shards: Shards::open(segment, Self::WIDTHS)? })
    }
}

/// The value in a slot.
#[inline]
fn value_of<V: CheckedBitPattern>(found: Entry<'_>) -> Draft<V> {
    Draft::of(found.value())
}

impl<K, V> Clone for ShmMap<K, V> {
    fn clone(&self) -> Self {
        Self { shards: self.shards.clone() }
    }
}

impl<K, V> fmt::Debug for ShmMap<K, V>
where
    K: NoUninit + CheckedBitPattern + fmt::Debug,
    V: NoUninit + CheckedBitPattern + fmt::Debug,
{
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter().filter_map(Result::ok)).finish()
    }
}
