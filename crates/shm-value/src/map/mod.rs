//! `ShmMap`: a map of bounded size in shared memory.
//!
//! ```text
//! | shards | slots of each | seed | shard 0: lock, count, table | shard 1 | …
//! ```
//!
//! A key belongs to the shard that its hash says. Whoever changes a shard has its turn; who looks
//! needs none ([`Table`]).
//!
//! The count of a shard is written after the table. If a thread dies in between, whoever has the
//! next turn, or asks for the length, counts anew.

mod hash;
mod inspect;

use core::fmt;
use core::marker::PhantomData;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Deadline, Kind, Segment, SegmentError, type_hash};
use ipc_sync::raw::{Holder, Taken};

use crate::error::{AccessError, ChangeError};
use crate::named;
use crate::place::Place;
use crate::plain::{Draft, n_words, words_of};
use crate::raw::planted::faces::RECOUNTS;
use crate::raw::{FULL, Table, Turn, Words};
use hash::hash;
pub(crate) use inspect::describe;

/// What a segment is called that holds a map.
pub(crate) const KIND: Kind = Kind::new(*b"map\0\0\0\0\0", 1);

// Places of the words before the shards.
const SHARDS: usize = 0;
const SLOTS: usize = 1;
const SEED: usize = 2;
/// Where the first shard begins.
const FIRST: usize = Place::ALIGNMENT;

/// So many keys share a shard. It has twice as many slots, which is what a look for a key that is not
/// there takes at worst.
const KEYS_PER_SHARD: usize = 64;
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
    /// One for each shard; as many as a power of two.
    shards: Box<[Place]>,
    seed: u64,
    content: PhantomData<(K, V)>,
}

impl<K, V> ShmMap<K, V>
where
    K: NoUninit + CheckedBitPattern,
    V: NoUninit + CheckedBitPattern,
{
    /// How many words are in a slot: tag, key and value.
    const N_WORDS: usize = 1 + n_words::<K>() + n_words::<V>();

    /// Makes an empty map with room for so many keys, in memory of its own, which is freed with the
    /// last process that has a handle.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors or
    /// runs where the kernel does not tell of deaths.
    pub fn with_capacity(capacity: usize) -> Result<Self, SegmentError> {
        let (shards, slots) = dimensions(capacity)?;
        let segment = Segment::create(KIND, Self::hash_of_types(), Self::size(shards, slots))?;
        Self::make(&segment, shards, slots)
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
        let (shards, slots) = dimensions(capacity)?;
        let size = Self::size(shards, slots);
        named::create(name, KIND, Self::hash_of_types(), size, |segment| {
            Self::make(segment, shards, slots)
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
        Self::open(&Segment::open_named(name, KIND, Self::hash_of_types())?)
    }

    /// The value of a key, if it is there.
    ///
    /// # Errors
    ///
    /// [`AccessError::Corrupt`] if the bytes there are no value.
    #[inline]
    pub fn get(&self, key: K) -> Result<Option<V>, AccessError> {
        let (tag, place) = self.locate(&key);
        let same = |words: Words<'_>| is_same(words, &key);
        let found = match table::<K, V>(place).look_up(tag, same, value_of::<K, V>) {
            Some(found) => found,
            None => {
                let _turn = place.turn(Deadline::NEVER)?;
                let table = table::<K, V>(place);
                let found = table.find(tag, same).at.and_then(|slot| table.words_of(slot));
                found.map(value_of::<K, V>)
            }
        };
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
        let (tag, place) = self.locate(&key);
        let _turn = settled_turn::<K, V>(place)?;
        let table = table::<K, V>(place);
        let found = table.find(tag, |words| is_same(words, &key));
        let old = match found.at.and_then(|slot| table.words_of(slot)) {
            Some(words) => Some(value_of::<K, V>(words).check().ok_or(AccessError::Corrupt)?),
            None => None,
        };
        match (change(old), found.at) {
            (Some(new), at) => {
                let slot = at.or(found.free).ok_or(ChangeError::Full)?;
                table.put(slot, [tag].into_iter().chain(words_of(&key)).chain(words_of(&new)));
                if at.is_none() {
                    count_by(place, 1);
                }
            }
            (None, Some(slot)) => {
                table.remove(slot);
                count_by(place, u64::MAX);
                if counter(place).is_some_and(|count| count.load(Relaxed) == 0) {
                    table.tidy(slot);
                }
            }
            (None, None) => {}
        }
        Ok(old)
    }

    /// How many keys there are.
    ///
    /// # Errors
    ///
    /// [`AccessError::TooManyHeld`], where a death has to be looked after.
    pub fn len(&self) -> Result<usize, AccessError> {
        let mut sum = 0_u64;
        for place in &self.shards {
            if place.holder() == Holder::Died {
                drop(settled_turn::<K, V>(place)?);
            }
            sum = sum.saturating_add(counter(place).map_or(0, |word| word.load(Relaxed)));
        }
        Ok(usize::try_from(sum).unwrap_or(usize::MAX))
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
        self.shards.iter().flat_map(|place| {
            let slots = table::<K, V>(place).slots();
            (0..slots).filter_map(move |slot| entry::<K, V>(place, slot).transpose())
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
        for place in &self.shards {
            let _turn = settled_turn::<K, V>(place)?;
            table::<K, V>(place).clear();
            recount::<K, V>(place);
        }
        Ok(())
    }

    /// The segment that it lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        match self.shards.first() {
            Some(place) => place.segment(),
            None => unreachable!("a map has a shard at least"),
        }
    }

    /// A number for the types of keys and values.
    pub(crate) fn hash_of_types() -> u64 {
        type_hash::<(K, V)>()
    }

    /// The map in a segment of the right kind and types.
    pub(crate) fn open(segment: &Segment) -> Result<Self, SegmentError> {
        segment.check(KIND, Self::hash_of_types())?;
        let words = segment.slice_at::<AtomicU64>(0, FIRST / size_of::<AtomicU64>())?;
        let [shards, slots, seed] =
            [SHARDS, SLOTS, SEED].map(|idx| words.get(idx).map_or(0, |word| word.load(Relaxed)));
        let [shards, slots] =
            [shards, slots].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let fits = Self::size(shards, slots) == segment.len();
        if !fits || shards > MOST_SHARDS || !shards.is_power_of_two() || slots == 0 {
            return Err(SegmentError::NotASegment);
        }
        let place =
            |shard| Place::new(segment, Self::shard_offset(shard, slots), Self::shard(slots));
        let shards = (0..shards).map(place).collect::<Result<_, _>>()?;
        Ok(Self { shards, seed, content: PhantomData })
    }

    fn make(segment: &Segment, shards: usize, slots: usize) -> Result<Self, SegmentError> {
        let words = segment.slice_at::<AtomicU64>(0, FIRST / size_of::<AtomicU64>())?;
        let seed = RandomState::new().hash_one(shards);
        for (word, number) in words.iter().zip([shards as u64, slots as u64, seed]) {
            word.store(number, Relaxed);
        }
        Self::open(segment)
    }

    /// How many words are in a shard: its count and its table.
    const fn shard(slots: usize) -> usize {
        Table::size(slots, Self::N_WORDS).saturating_add(1)
    }

    const fn shard_offset(shard: usize, slots: usize) -> usize {
        let size = Place::size(Self::shard(slots));
        // A size that overflows is greater than any segment.
        let stride = match size.checked_next_multiple_of(Place::ALIGNMENT) {
            Some(stride) => stride,
            None => usize::MAX,
        };
        FIRST.saturating_add(stride.saturating_mul(shard))
    }

    const fn size(shards: usize, slots: usize) -> usize {
        Self::shard_offset(shards, slots)
    }

    /// The tag of a key, and its shard.
    #[inline]
    fn locate(&self, key: &K) -> (u64, &Place) {
        let hash = hash(self.seed, words_of(key));
        // The table takes the low bits.
        let shard = usize::try_from(hash >> 32).unwrap_or(0) & (self.shards.len() - 1);
        match self.shards.get(shard) {
            Some(place) => (hash | FULL, place),
            None => unreachable!("there are as many shards as a power of two"),
        }
    }
}

/// The table of a shard.
#[inline]
fn table<K, V>(place: &Place) -> Table<'_> {
    Table::new(place.words().get(1..).unwrap_or(&[]), 1 + n_words::<K>() + n_words::<V>())
}

/// The word with the count of a shard.
fn counter(place: &Place) -> Option<&AtomicU64> {
    place.words().first()
}

/// A turn at a shard whose count is right.
fn settled_turn<K, V>(place: &Place) -> Result<Turn<'_>, AccessError> {
    let (turn, taken) = place.turn_after(Deadline::NEVER)?;
    if taken == Taken::OwnerDied && RECOUNTS {
        recount::<K, V>(place);
    }
    Ok(turn)
}

#[cold]
fn recount<K, V>(place: &Place) {
    if let Some(count) = counter(place) {
        count.store(table::<K, V>(place).count(), Relaxed);
    }
}

/// Adds to the count of a shard; the caller has the turn.
fn count_by(place: &Place, addend: u64) {
    if let Some(count) = counter(place) {
        count.store(count.load(Relaxed).wrapping_add(addend), Relaxed);
    }
}

/// Whether a slot has this key.
#[inline]
fn is_same<K: NoUninit>(words: Words<'_>, key: &K) -> bool {
    words_of(key).enumerate().all(|(idx, word)| words.word(1 + idx) == word)
}

/// The value in a slot.
#[inline]
fn value_of<K, V: CheckedBitPattern>(words: Words<'_>) -> Draft<V> {
    Draft::of(words.iter().skip(1 + n_words::<K>()))
}

/// What is in a slot, if anything is.
fn entry<K: CheckedBitPattern, V: CheckedBitPattern>(
    place: &Place,
    slot: usize,
) -> Result<Option<(K, V)>, AccessError> {
    let look = |words: Words<'_>| {
        let is_full = words.word(0) & FULL != 0;
        is_full.then(|| (Draft::<K>::of(words.iter().skip(1)), value_of::<K, V>(words)))
    };
    let cell = table::<K, V>(place).cell(slot).ok_or(AccessError::Corrupt)?;
    let found = match cell.read(look) {
        Some(found) => found,
        None => {
            let _turn = place.turn(Deadline::NEVER)?;
            look(cell.current())
        }
    };
    let Some((key, value)) = found else { return Ok(None) };
    Ok(Some((key.check().ok_or(AccessError::Corrupt)?, value.check().ok_or(AccessError::Corrupt)?)))
}

/// How many shards a map for so many keys has, and how many slots each.
fn dimensions(capacity: usize) -> Result<(usize, usize), SegmentError> {
    let no_space = SegmentError::NoSpace { bytes: u64::MAX };
    let wanted = (capacity / KEYS_PER_SHARD).clamp(1, MOST_SHARDS);
    let shards = wanted.checked_next_power_of_two().unwrap_or(1).min(MOST_SHARDS);
    let slots = capacity
        .checked_mul(2)
        .and_then(|slots| slots.div_ceil(shards).max(8).checked_next_power_of_two());
    Ok((shards, slots.ok_or(no_space)?))
}

impl<K, V> Clone for ShmMap<K, V> {
    fn clone(&self) -> Self {
        Self { shards: self.shards.clone(), seed: self.seed, content: PhantomData }
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
