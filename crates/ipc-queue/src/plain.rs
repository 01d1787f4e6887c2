//! `Plain`: data that can be written where it lies in shared memory.

use bytemuck::{AnyBitPattern, NoUninit};

/// What a [`Loan`](crate::Loan) can be used as: bytes, numbers, or a slice of them, or plain structs of
/// them.
///
/// It is there for all types of which any bytes are a value and all bytes of a value are its own
/// (`bytemuck`'s `AnyBitPattern` and `NoUninit`, which `Pod` types are), and for slices of them.
pub trait Plain: sealed::Plain {}

impl<T: AnyBitPattern + NoUninit> Plain for T {}

impl<T: AnyBitPattern + NoUninit> Plain for [T] {}

pub(crate) mod sealed {
    use bytemuck::{AnyBitPattern, NoUninit, Zeroable};

    #[expect(unnameable_types, reason = "that is what keeps others from having one")]
    pub trait Plain {
        /// The bytes as a value; nothing if there are not as many as it has, or wrongly aligned.
        fn of(bytes: &[u8]) -> Option<&Self>;

        /// The same, to be written.
        fn of_mut(bytes: &mut [u8]) -> Option<&mut Self>;
    }

    impl<T: AnyBitPattern + NoUninit + Zeroable> Plain for T {
        fn of(bytes: &[u8]) -> Option<&Self> {
            bytemuck::try_from_bytes(bytes).ok()
        }

        fn of_mut(bytes: &mut [u8]) -> Option<&mut Self> {
            bytemuck::try_from_bytes_mut(bytes).ok()
        }
    }

    impl<T: AnyBitPattern + NoUninit + Zeroable> Plain for [T] {
        fn of(bytes: &[u8]) -> Option<&Self> {
            bytemuck::try_cast_slice(bytes).ok()
        }

        fn of_mut(bytes: &mut [u8]) -> Option<&mut Self> {
            bytemuck::try_cast_slice_mut(bytes).ok()
        }
    }
}
