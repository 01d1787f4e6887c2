//! What was taken of the input and is not sent yet.
//!
//! The input, and the encoding of an item, are code of the caller, which may panic and be called again. What was
//! taken before stays here then, and is sent when the caller comes for the next result; the item whose encoding
//! panicked has an error.

use std::mem;
use std::sync::Arc;

use ipc_core::wire::EncodeError;
use serde::Serialize;

use crate::chunk::list::Packing;
use crate::parcel::Parcel;
use crate::shelf::Shelf;

/// Items that are taken together.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    /// Those that travel together.
    packed: Option<Packed>,
    /// Those that go alone, with their places.
    parcels: Vec<(usize, Parcel)>,
    /// The place of the one that is being encoded to go alone.
    in_hand: Option<usize>,
}

#[derive(Debug)]
struct Packed {
    /// The place of the first.
    first: usize,
    n_items: usize,
    packing: Packing,
}

/// Items that travel together, while they are taken of the input.
///
/// It is a value of whoever takes them, so that it need not be in memory between two items; and goes back to
/// where it belongs when it is dropped.
pub(super) struct Gathering<'b, I> {
    input: Option<I>,
    n_taken: usize,
    packed: Packed,
    home: Home<'b, I>,
}

struct Home<'b, I> {
    input: &'b mut Option<I>,
    n_taken: &'b mut usize,
    packed: &'b mut Option<Packed>,
}

impl<I: Iterator> Gathering<'_, I> {
    /// Takes an item of the input, with its place.
    #[inline]
    pub(super) fn take_item(&mut self) -> Option<(usize, I::Item)> {
        let Some(item) = self.input.as_mut().and_then(Iterator::next) else {
            self.input = None;
            return None;
        };
        let index = self.n_taken;
        self.n_taken += 1;
        Some((index, item))
    }

    /// Puts an item behind those that travel together; says how many bytes it takes.
    #[inline]
    pub(super) fn put(&mut self, item: &I::Item) -> Result<usize, EncodeError>
    where
        I::Item: Serialize,
    {
        let n_bytes = self.packed.packing.put(item)?;
        self.packed.n_items += 1;
        Ok(n_bytes)
    }

    /// Takes off the last one again, which takes so many bytes.
    pub(super) fn take_back(&mut self, n_bytes: usize) {
        self.packed.packing.take_back(n_bytes);
        self.packed.n_items = self.packed.n_items.saturating_sub(1);
    }

    #[inline]
    pub(super) fn n_items(&self) -> usize {
        self.packed.n_items
    }

    #[inline]
    pub(super) fn n_bytes(&self) -> usize {
        self.packed.packing.n_bytes()
    }
}

impl<I> Drop for Gathering<'_, I> {
    #[inline]
    fn drop(&mut self) {
        let Packed { first, n_items, packing } = &mut self.packed;
        let packing = mem::take(packing);
        *self.home.packed = Some(Packed { first: *first, n_items: *n_items, packing });
        *self.home.input = self.input.take();
        *self.home.n_taken = self.n_taken;
    }
}

impl Unsent {
    /// Begins to gather a chunk, with room for so many items, of which so many were taken before.
    pub(super) fn gather<'b, I>(
        &'b mut self,
        input: &'b mut Option<I>,
        n_taken: &'b mut usize,
        n_items: usize,
    ) -> Gathering<'b, I> {
        let packing = Packing::with_capacity(n_items);
        Gathering {
            input: input.take(),
            n_taken: *n_taken,
            packed: Packed { first: *n_taken, n_items: 0, packing },
            home: Home { input, n_taken, packed: &mut self.packed },
        }
    }

    /// Takes out those that travel together: the place of the first, how many, and all of them. `None` if there
    /// are none.
    pub(super) fn take_packed(&mut self) -> Option<(usize, usize, Packing)> {
        let Packed { first, n_items, packing } = self.packed.take()?;
        (n_items > 0).then_some((first, n_items, packing))
    }

    /// Encodes an item that goes alone; says whether so will the next one.
    pub(super) fn encode<T: Serialize>(
        &mut self,
        index: usize,
        item: &T,
        shelf: Option<&Arc<Shelf>>,
    ) -> Result<bool, EncodeError> {
        self.in_hand = Some(index);
        let packed = Parcel::pack(item, shelf);
        self.in_hand = None;
        let parcel = packed?;
        let goes_alone = parcel.goes_alone();
        self.parcels.push((index, parcel));
        Ok(goes_alone)
    }

    pub(super) fn n_parcels(&self) -> usize {
        self.parcels.len()
    }

    /// Takes out those that go alone.
    pub(super) fn take_parcels(&mut self) -> Vec<(usize, Parcel)> {
        mem::take(&mut self.parcels)
    }

    /// Gives back the room that they had.
    pub(super) fn give_room(&mut self, parcels: Vec<(usize, Parcel)>) {
        self.parcels = parcels;
    }

    /// Whether something was left, as it is only after a panic.
    pub(super) fn is_any(&self) -> bool {
        self.packed.is_some() || !self.parcels.is_empty() || self.in_hand.is_some()
    }

    /// The place of an item whose encoding panicked, of which so many were taken; what was written of it is taken
    /// off again.
    pub(super) fn take_in_hand(&mut self, n_taken: usize) -> Option<usize> {
        let packed = self.packed.as_mut().and_then(|Packed { first, n_items, packing }| {
            packing.cut_behind(*n_items);
            (n_taken > *first + *n_items).then(|| n_taken - 1)
        });
        self.in_hand.take().or(packed)
    }
}
