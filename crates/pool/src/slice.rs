//! Slices of plain data as arguments: their bytes go as they are, and the worker reads them where they arrive.
//!
//! The bytes of a large argument arrive in memory that begins with a page, so before the items of a slice stand as
//! many bytes that mean nothing as they need to lie where such items may lie. The worker checks all of that, and
//! copies what does not lie as it should: what came with others, or through the ring.
//!
//! # Safety
//!
//! A [`Lent`] slice is a part of a task's argument, of a type that is only decoded for the call of
//! [`call_with_slice`]. The bytes of an argument are borrowed until that call has returned, so they stay where
//! they are, and nobody writes there: see [`shelf`](crate::shelf) and `sys::map_whole`.
#![expect(
    unsafe_code,
    reason = "lends a function what its task's argument has, for as long as it runs"
)]

use std::fmt;
use std::marker::PhantomData;

use bytemuck::checked::{CheckedCastError, try_cast_slice, try_pod_read_unaligned};
use bytemuck::{CheckedBitPattern, NoUninit, PodCastError, cast_slice};
use ipc_core::wire::{self, Scratch};
use serde::de::{self, Visitor};
use serde::ser::SerializeTuple as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::find::Named;
use crate::parcel::MOST_INLINE;

/// Where items lie that need no more.
const ALIGNED: usize = 64;

/// What stands before items at most.
const PADDING: [u8; ALIGNED] = [0; ALIGNED];

/// A function of a slice, and how long its name is.
#[derive(Debug)]
pub(crate) struct OfSlices<T, R> {
    function: Named<fn(&[T]) -> R>,
    len: usize,
}

/// A call of such a function, as it is sent.
pub(crate) struct WithSlice<S, T, R> {
    of: OfSlices<T, R>,
    items: S,
}

/// The same, as it arrives.
pub(crate) type Arrived<T, R> = (Named<fn(&[T]) -> R>, Skipped, Lent<T>);

/// What stands before items.
#[derive(Debug)]
pub(crate) struct Skipped;

/// A slice that is a part of the argument of the task that runs.
#[derive(Debug)]
pub(crate) enum Lent<T> {
    /// So many items that lie there.
    There(*const T, usize),
    Copied(Vec<T>),
}

/// What a worker calls for a task whose function is one of a slice.
pub(crate) fn call_with_slice<T, R>((function, _, items): Arrived<T, R>) -> R {
    let items = match &items {
        // SAFETY: it was made of a slice of the argument of this task, which lies there until we return
        // (see above).
        Lent::There(first, len) => unsafe { std::slice::from_raw_parts(*first, *len) },
        Lent::Copied(items) => items,
    };
    function.function()(items)
}

impl<T, R> OfSlices<T, R> {
    pub(crate) fn new(function: fn(&[T]) -> R) -> Self {
        let function = Named::of_slice(function);
        let mut name = Scratch::new();
        // One that cannot be sent is told so when it is.
        let _encoded = wire::encode_plain(&function, &mut name);
        Self { function, len: name.bytes().len() }
    }

    /// What tells the function from every other one of the program.
    pub(crate) fn number(&self) -> u64 {
        self.function.number()
    }

    /// A call with some items.
    pub(crate) const fn with<S: AsRef<[T]>>(&self, items: S) -> WithSlice<S, T, R> {
        WithSlice { of: *self, items }
    }

    /// What stands before items with so many bytes; few bytes are copied anyway.
    fn padding(&self, n_bytes: usize) -> &'static [u8] {
        let len_of_len = usize::try_from(n_bytes.checked_ilog2().unwrap_or(0) / 7 + 1).unwrap_or(0);
        let before = self.len + 1 + len_of_len;
        let missing = before.next_multiple_of(ALIGNED) - before;
        PADDING.get(..missing).filter(|_| n_bytes > MOST_INLINE).unwrap_or_default()
    }
}

impl<T, R> Clone for OfSlices<T, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, R> Copy for OfSlices<T, R> {}

impl<S: AsRef<[T]>, T: NoUninit, R> Serialize for WithSlice<S, T, R> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let bytes = cast_slice(self.items.as_ref());
        let mut parts = serializer.serialize_tuple(3)?;
        parts.serialize_element(&self.of.function)?;
        parts.serialize_element(&Whole(self.of.padding(bytes.len())))?;
        parts.serialize_element(&Whole(bytes))?;
        parts.end()
    }
}

/// Bytes that go as a whole.
struct Whole<'b>(&'b [u8]);

impl Serialize for Whole<'_> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl Visitor<'_> for Any {
            type Value = Skipped;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<Skipped, E> {
                Ok(Skipped)
            }
        }

        deserializer.deserialize_bytes(Any)
    }
}

impl<'de, T: CheckedBitPattern> Deserialize<'de> for Lent<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);

        impl<'de, T: CheckedBitPattern> Visitor<'de> for Items<T> {
            type Value = Lent<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the bytes of items")
            }

            fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Lent<T>, E> {
                match try_cast_slice::<u8, T>(bytes) {
                    Ok(items) => Ok(Lent::There(items.as_ptr(), items.len())),
                    Err(_) => self.visit_bytes(bytes),
                }
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Lent<T>, E> {
                copy(bytes).map(Lent::Copied).map_err(E::custom)
            }
        }

        deserializer.deserialize_bytes(Items(PhantomData))
    }
}

/// The items that some bytes are, wherever these lie.
fn copy<T: CheckedBitPattern>(bytes: &[u8]) -> Result<Vec<T>, CheckedCastError> {
    let size = size_of::<T>().max(1);
    if !bytes.len().is_multiple_of(size) {
        return Err(CheckedCastError::PodCastError(PodCastError::OutputSliceWouldHaveSlop));
    }
    bytes.chunks(size).map(try_pod_read_unaligned).collect()
}

#[cfg(test)]
mod tests {
    use ipc_core::wire;

    use super::{ALIGNED, Arrived, Lent, OfSlices, copy};

    fn arrived<T: bytemuck::NoUninit + bytemuck::CheckedBitPattern>(
        items: &[T],
        at: usize,
    ) -> (bool, Vec<T>) {
        let of = OfSlices::new(|items: &[T]| items.len());
        let mut message = Vec::new();
        wire::encode_into(&of.with(items), &mut message).unwrap();
        let mut room = vec![0; message.len() + 2 * ALIGNED];
        let start = room.as_ptr().align_offset(ALIGNED) + at;
        let place = &mut room[start..start + message.len()];
        place.copy_from_slice(&message);
        let (function, _, lent): Arrived<T, usize> = wire::decode_plain(place).unwrap();
        let is_there =
            matches!(&lent, Lent::There(first, _) if place.as_ptr_range().contains(&first.cast()));
        let copied = match &lent {
            Lent::There(first, len) => {
                let at = first.addr() - place.as_ptr().addr();
                copy(&place[at..at + len * size_of::<T>()]).unwrap()
            }
            Lent::Copied(items) => items.clone(),
        };
        assert_eq!(super::call_with_slice((function, super::Skipped, lent)), items.len());
        (is_there, copied)
    }

    #[test]
    fn many_items_are_read_where_they_lie_and_copied_from_where_they_should_not() {
        for len in [5_000, 5_001, 16_383, 16_384, 40_000, 300_000] {
            let items: Vec<u32> = (0..len).collect();
            assert_eq!(arrived(&items, 0), (true, items.clone()));
            assert_eq!(arrived(&items, 1), (false, items));
            let items: Vec<[u64; 3]> = (0..u64::from(len)).map(|n| [n; 3]).collect();
            assert_eq!(arrived(&items, 0), (true, items));
        }
        for len in [1, 100, 16_384, 16_385, 100_000] {
            let bytes = vec![7_u8; len];
            assert_eq!(arrived(&bytes, 3), (true, bytes), "a byte lies as it should anywhere");
        }
        let items: Vec<u16> = (0..100).collect();
        assert_eq!((arrived(&items, 0).1, arrived(&items, 1).1), (items.clone(), items));
    }

    #[test]
    fn bytes_that_are_no_items_are_an_error() {
        let of = OfSlices::new(|items: &[u8]| items.len());
        let mut message = Vec::new();
        wire::encode_into(&of.with([0, 1, 2]), &mut message).unwrap();
        assert!(wire::decode_plain::<Arrived<u8, usize>>(&message).is_ok());
        assert!(wire::decode_plain::<Arrived<bool, usize>>(&message).is_err(), "2 is no bool");
        assert!(wire::decode_plain::<Arrived<u16, usize>>(&message).is_err(), "not whole");
        assert_eq!(copy::<bool>(&[0, 1, 1]).unwrap(), [false, true, true]);
    }

    #[test]
    fn items_are_the_same_wherever_their_bytes_lie() {
        let all: [u32; 5] = [1, 2, 3, u32::MAX, 5];
        for shift in 0..8 {
            let mut bytes = vec![0; shift];
            bytes.extend(all.iter().flat_map(|item| item.to_ne_bytes()));
            assert_eq!(copy::<u32>(&bytes[shift..]).unwrap(), all);
            assert!(copy::<u32>(&bytes[shift..][..19]).is_err(), "not whole, {shift}");
        }
        assert_eq!(copy::<u32>(&[]).unwrap(), []);
        for shift in 0..4 {
            let bytes: Vec<u8> = [vec![0; shift], vec![0xff; 8]].concat();
            assert!(copy::<char>(&bytes[shift..]).is_err());
        }
    }
}
