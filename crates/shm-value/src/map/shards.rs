//! The shards of a map: where they lie, and what is done with words there.
//!
//! The count of a shard is written after the table. If a thread dies in between, whoever has the
//! next turn, or asks for the length, counts anew.

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Deadline, Segment, SegmentError};
use ipc_sync::raw::{Holder, Taken};
use std::hash::{BuildHasher as _, RandomState};

use super::hash::hash;
use super::{FIRST, MOST_SHARDS, SEED, SHARDS, SLOTS};
use crate::error::{AccessError, ChangeError};
use crate::place::Place;
use crate::plain::WORD;
use crate::raw::planted::faces::RECOUNTS;
use crate::raw::{FULL, Found, Table, Turn, Words};
use crate::width::Width;

/// So many keys share a shard. It has twice as many slots, which is what a look for a key that is not
/// there takes at worst.
const KEYS_PER_SHARD: usize = 64;

/// How many shards a map has, and how many slots each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dimensions {
    shards: usize,
    slots: usize,
}

/// The shards of a map whose keys and values are so wide.
#[derive(Clone)]
pub(super) struct Shards<K, V> {
    /// As many as a power of two.
    places: Box<[Place]>,
    /// How many slots each has.
    slots: usize,
    seed: u64,
    widths: (K, V),
}

/// What is in a slot.
#[derive(Clone, Copy)]
pub(super) struct Entry<'w> {
    words: Words<'w>,
    /// How many of them are the key's.
    n_key: usize,
}

/// A key's slot, or where it could be put, as long as it is the calling thread's turn there.
pub(super) struct Spot<'s> {
    place: &'s Place,
    table: Table<'s>,
    tag: u64,
    found: Found,
    n_key: usize,
    _turn: Turn<'s>,
}

impl Dimensions {
    /// Of a map with room for so many keys.
    pub(super) fn for_keys(capacity: usize) -> Result<Self, SegmentError> {
        let no_space = SegmentError::NoSpace { bytes: u64::MAX };
        let wanted = (capacity / KEYS_PER_SHARD).clamp(1, MOST_SHARDS);
        let shards = wanted.checked_next_power_of_two().unwrap_or(1).min(MOST_SHARDS);
        let slots = capacity
            .checked_mul(2)
            .and_then(|slots| slots.div_ceil(shards).max(8).checked_next_power_of_two());
        Ok(Self { shards, slots: slots.ok_or(no_space)? })
    }

    /// How many bytes such a map takes; more than any segment has, if that is no number.
    pub(super) fn size(self, widths: (impl Width, impl Width)) -> usize {
        self.offset(self.shards, widths)
    }

    /// Where a shard begins.
    fn offset(self, shard: usize, widths: (impl Width, impl Width)) -> usize {
        let size = Place::size(self.n_words(widths));
        let stride = size.checked_next_multiple_of(Place::ALIGNMENT).unwrap_or(usize::MAX);
        FIRST.saturating_add(stride.saturating_mul(shard))
    }

    /// How many words are in a shard: its count and its table.
    fn n_words(self, widths: (impl Width, impl Width)) -> usize {
        Table::size(self.slots, slot_words(widths)).saturating_add(1)
    }
}

/// How many words are in a slot: tag, key and value.
#[inline]
fn slot_words((key, value): (impl Width, impl Width)) -> usize {
    1_usize.saturating_add(key.n_words()).saturating_add(value.n_words())
}

impl<K: Width, V: Width> Shards<K, V> {
    /// Makes an empty map of these dimensions in a segment of its own.
    pub(super) fn make(
        segment: &Segment,
        dimensions: Dimensions,
        widths: (K, V),
    ) -> Result<Self, SegmentError> {
        let words = segment.slice_at::<AtomicU64>(0, FIRST / WORD)?;
        let Dimensions { shards, slots } = dimensions;
        let seed = RandomState::new().hash_one(shards);
        for (word, number) in words.iter().zip([shards as u64, slots as u64, seed]) {
            word.store(number, Relaxed);
        }
        Self::open(segment, widths)
    }

    /// The map in a segment of the right kind and types.
    pub(super) fn open(segment: &Segment, widths: (K, V)) -> Result<Self, SegmentError> {
        let words = segment.slice_at::<AtomicU64>(0, FIRST / WORD)?;
        let [shards, slots, seed] =
            [SHARDS, SLOTS, SEED].map(|idx| words.get(idx).map_or(0, |word| word.load(Relaxed)));
        let [shards, slots] =
            [shards, slots].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let dimensions = Dimensions { shards, slots };
        let fits = dimensions.size(widths) == segment.len();
        if !fits || shards > MOST_SHARDS || !shards.is_power_of_two() || slots == 0 {
            return Err(SegmentError::NotASegment);
        }
        let n_words = dimensions.n_words(widths);
        let place = |shard| Place::new(segment, dimensions.offset(shard, widths), n_words);
        let places = (0..shards).map(place).collect::<Result<_, _>>()?;
        Ok(Self { places, slots, seed, widths })
    }

    pub(super) fn segment(&self) -> &Segment {
        match self.places.first() {
            Some(place) => place.segment(),
            None => unreachable!("a map has a shard at least"),
        }
    }

    /// What `take` makes of the entry of a key, if there is one. Waits until the deadline if somebody writes
    /// there all the time.
    #[inline]
    pub(super) fn look_up<R>(
        &self,
        key: impl Iterator<Item = u64> + Clone,
        deadline: Deadline,
        take: impl Fn(Entry<'_>) -> R,
    ) -> Result<Option<R>, AccessError> {
        let (tag, place) = self.locate(key.clone());
        let same = |words: Words<'_>| is_same(words, key.clone());
        let take = |words| take(self.entry(words));
        if let Some(found) = self.table(place).look_up(tag, same, take) {
            return Ok(found);
        }
        let _turn = place.turn(deadline)?;
        let table = self.table(place);
        Ok(table.find(tag, same).at.and_then(|slot| table.words_of(slot)).map(take))
    }

    /// Waits until the deadline for a turn where a key is, or could be put.
    #[inline]
    pub(super) fn turn_at(
        &self,
        key: impl Iterator<Item = u64> + Clone,
        deadline: Deadline,
    ) -> Result<Spot<'_>, AccessError> {
        let (tag, place) = self.locate(key.clone());
        let _turn = self.settled_turn(place, deadline)?;
        let table = self.table(place);
        let found = table.find(tag, |words| is_same(words, key.clone()));
        Ok(Spot { place, table, tag, found, n_key: self.widths.0.n_words(), _turn })
    }

    /// How many keys there are.
    pub(super) fn len(&self, deadline: Deadline) -> Result<usize, AccessError> {
        let mut sum = 0_u64;
        for place in &self.places {
            if place.holder() == Holder::Died {
                drop(self.settled_turn(place, deadline)?);
            }
            sum = sum.saturating_add(counter(place).map_or(0, |word| word.load(Relaxed)));
        }
        Ok(usize::try_from(sum).unwrap_or(usize::MAX))
    }

    /// Takes all keys out, shard by shard.
    pub(super) fn clear(&self, deadline: Deadline) -> Result<(), AccessError> {
        for place in &self.places {
            let _turn = self.settled_turn(place, deadline)?;
            self.table(place).clear();
            self.recount(place);
        }
        Ok(())
    }

    /// How many slots there are in all shards together.
    pub(super) fn n_slots(&self) -> usize {
        self.places.len() * self.slots
    }

    /// What `take` makes of what is in a slot, if anything is.
    pub(super) fn slot<R>(
        &self,
        number: usize,
        deadline: Deadline,
        take: impl Fn(Entry<'_>) -> R,
    ) -> Result<Option<R>, AccessError> {
        let look = |words: Words<'_>| (words.word(0) & FULL != 0).then(|| take(self.entry(words)));
        let place = self.places.get(number / self.slots).ok_or(AccessError::Corrupt)?;
        let cell = self.table(place).cell(number % self.slots).ok_or(AccessError::Corrupt)?;
        if let Some(found) = cell.read(look) {
            return Ok(found);
        }
        let _turn = place.turn(deadline)?;
        Ok(look(cell.current()))
    }

    /// The tag of a key, and its shard.
    #[inline]
    fn locate(&self, key: impl Iterator<Item = u64>) -> (u64, &Place) {
        let hash = hash(self.seed, key);
        // The table takes the low bits.
        let shard = usize::try_from(hash >> 32).unwrap_or(0) & (self.places.len() - 1);
        match self.places.get(shard) {
            Some(place) => (hash | FULL, place),
            None => unreachable!("there are as many shards as a power of two"),
        }
    }

    /// The table of a shard.
    #[inline]
    fn table<'p>(&self, place: &'p Place) -> Table<'p> {
        Table::new(place.words().get(1..).unwrap_or(&[]), slot_words(self.widths))
    }

    #[inline]
    fn entry<'w>(&self, words: Words<'w>) -> Entry<'w> {
        Entry { words, n_key: self.widths.0.n_words() }
    }

    /// A turn at a shard whose count is right.
    #[inline]
    fn settled_turn<'p>(
        &self,
        place: &'p Place,
        deadline: Deadline,
    ) -> Result<Turn<'p>, AccessError> {
        let (turn, taken) = place.turn_after(deadline)?;
        if taken == Taken::OwnerDied && RECOUNTS {
            self.recount(place);
        }
        Ok(turn)
    }

    #[cold]
    fn recount(&self, place: &Place) {
        if let Some(count) = counter(place) {
            count.store(self.table(place).count(), Relaxed);
        }
    }
}

impl<'w> Entry<'w> {
    #[inline]
    pub(super) fn key(self) -> impl Iterator<Item = u64> + use<'w> {
        self.words.iter().skip(1).take(self.n_key)
    }

    #[inline]
    pub(super) fn value(self) -> impl Iterator<Item = u64> + use<'w> {
        self.words.iter().skip(1 + self.n_key)
    }
}

impl Spot<'_> {
    /// What is there of the key.
    #[inline]
    pub(super) fn entry(&self) -> Option<Entry<'_>> {
        let words = self.table.words_of(self.found.at?)?;
        Some(Entry { words, n_key: self.n_key })
    }

    /// Puts the key there with this value.
    #[inline]
    pub(super) fn put(
        self,
        key: impl Iterator<Item = u64>,
        value: impl Iterator<Item = u64>,
    ) -> Result<(), ChangeError> {
        let Self { place, table, tag, found, .. } = &self;
        let slot = found.at.or(found.free).ok_or(ChangeError::Full)?;
        table.put(slot, [*tag].into_iter().chain(key).chain(value));
        if found.at.is_none() {
            count_by(place, 1);
        }
        Ok(())
    }

    /// Takes the key out, if it is there.
    #[inline]
    pub(super) fn remove(self) {
        let Self { place, table, found, .. } = &self;
        let Some(slot) = found.at else { return };
        table.remove(slot);
        count_by(place, u64::MAX);
        if counter(place).is_some_and(|count| count.load(Relaxed) == 0) {
            table.tidy(slot);
        }
    }
}

/// The word with the count of a shard.
fn counter(place: &Place) -> Option<&AtomicU64> {
    place.words().first()
}

/// Adds to the count of a shard; the caller has the turn.
fn count_by(place: &Place, addend: u64) {
    if let Some(count) = counter(place) {
        count.store(count.load(Relaxed).wrapping_add(addend), Relaxed);
    }
}

/// Whether a slot has this key.
#[inline]
fn is_same(words: Words<'_>, key: impl Iterator<Item = u64>) -> bool {
    key.enumerate().all(|(idx, word)| words.word(1 + idx) == word)
}
