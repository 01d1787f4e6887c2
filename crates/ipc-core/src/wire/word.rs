//! Numbers as words: a value whose form is one number, without the codec.
//!
//! Where many numbers travel together, a row of words takes less time than as many encoded values: a
//! word is written and read at once, and a codec's bytes one after the other. The words of a row have one
//! [`Sort`] together, which says what they were, so that nothing is read as something else.
//!
//! | sort | the word |
//! |------|----------|
//! | unsigned | the number; a `bool` is 0 or 1 |
//! | signed | the number, with its sign in all bits above |
//! | single, double | the bits of the `f32`, of the `f64` |
//! | char | its number |
//!
//! Whoever reads asks for a type. A number is one of every type of number that it fits, as it is where
//! forms have no types; all else that does not fit is an error, as with the codec.

use postcard::Error;
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::{Impossible, Serializer};
use serde::{Deserialize, Serialize};

use super::budget::Limited;
use super::codec::CodecError;
use super::error::DecodeError;
use super::scope::Guard;

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sort {
    /// A number that is not negative, or a `bool`.
    Unsigned,
    /// A number of a type with a sign.
    Signed,
    /// An `f32`.
    Single,
    /// An `f64`.
    Double,
    /// A `char`.
    Char,
}

/// A value as a word, if its form is one number, `bool` or `char`; `None` if it is anything else, has a
/// handle in it, or cannot be encoded.
#[inline]
pub fn encode_word<T: Serialize + ?Sized>(value: &T) -> Option<(Sort, u64)> {
    let mut scope = Guard::forbid();
    let word = value.serialize(Writer);
    // What has asked for a handle is no number, whatever it says.
    if scope.close_unopened() { word.ok() } else { None }
}

/// A value from a word.
///
/// # Errors
///
/// [`DecodeError::Value`] if the word is no such value, and others as [`decode_plain`](super::decode_plain).
#[inline]
pub fn decode_word<T: DeserializeOwned>(sort: Sort, word: u64) -> Result<T, DecodeError> {
    let mut scope = Guard::hand_nothing();
    let reader = Limited::new(Reader { sort, word }, size_of::<u64>(), ());
    let result = T::deserialize(reader).map_err(|error| DecodeError::Value(CodecError(error)));
    if !scope.close_unopened() {
        scope.left_over()?;
    }
    result
}

/// Takes one number and nothing else.
struct Writer;

type Refused = Impossible<(Sort, u64), Error>;

/// Numbers that are words.
macro_rules! write_words {
    ($($method:ident($value:ident: $type:ty) = $sort:ident $word:expr;)*) => {$(
        #[inline]
        fn $method(self, $value: $type) -> Result<(Sort, u64), Error> {
            Ok((Sort::$sort, $word))
        }
    )*};
}

/// What is no number; that it is none is all that is said.
macro_rules! refuse {
    ($($method:ident($($type:ty),*) -> $ok:ty;)*) => {$(
        #[inline]
        fn $method(self, $(_: $type),*) -> Result<$ok, Error> {
            Err(Error::WontImplement)
        }
    )*};
}

impl Serializer for Writer {
    type Ok = (Sort, u64);
    type Error = Error;
    type SerializeSeq = Refused;
    type SerializeTuple = Refused;
    type SerializeTupleStruct = Refused;
    type SerializeTupleVariant = Refused;
    type SerializeMap = Refused;
    type SerializeStruct = Refused;
    type SerializeStructVariant = Refused;

    write_words! {
        serialize_bool(value: bool) = Unsigned u64::from(value);
        serialize_u8(value: u8) = Unsigned u64::from(value);
        serialize_u16(value: u16) = Unsigned u64::from(value);
        serialize_u32(value: u32) = Unsigned u64::from(value);
        serialize_u64(value: u64) = Unsigned value;
        serialize_i8(value: i8) = Signed i64::from(value).cast_unsigned();
        serialize_i16(value: i16) = Signed i64::from(value).cast_unsigned();
        serialize_i32(value: i32) = Signed i64::from(value).cast_unsigned();
        serialize_i64(value: i64) = Signed value.cast_unsigned();
        serialize_f32(value: f32) = Single u64::from(value.to_bits());
        serialize_f64(value: f64) = Double value.to_bits();
        serialize_char(value: char) = Char u64::from(value);
    }

    refuse! {
        serialize_u128(u128) -> Self::Ok;
        serialize_i128(i128) -> Self::Ok;
        serialize_str(&str) -> Self::Ok;
        serialize_bytes(&[u8]) -> Self::Ok;
        serialize_none() -> Self::Ok;
        serialize_unit() -> Self::Ok;
        serialize_unit_struct(&'static str) -> Self::Ok;
        serialize_unit_variant(&'static str, u32, &'static str) -> Self::Ok;
        serialize_seq(Option<usize>) -> Refused;
        serialize_tuple(usize) -> Refused;
        serialize_tuple_struct(&'static str, usize) -> Refused;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Refused;
        serialize_map(Option<usize>) -> Refused;
        serialize_struct(&'static str, usize) -> Refused;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Refused;
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Self::Ok, Error> {
        Err(Error::WontImplement)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Self::Ok, Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Self::Ok, Error> {
        Err(Error::WontImplement)
    }

    #[inline]
    fn collect_str<T: std::fmt::Display + ?Sized>(self, _: &T) -> Result<Self::Ok, Error> {
        Err(Error::WontImplement)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Reads a word as the number that is asked for.
struct Reader {
    sort: Sort,
    word: u64,
}

impl Reader {
    /// The word as a number of any width.
    #[inline]
    fn number<N: TryFrom<u64> + TryFrom<i64>>(&self) -> Result<N, Error> {
        let number = match self.sort {
            Sort::Unsigned => N::try_from(self.word).ok(),
            Sort::Signed => N::try_from(self.word.cast_signed()).ok(),
            Sort::Single | Sort::Double | Sort::Char => return Err(Error::DeserializeBadEncoding),
        };
        number.ok_or(Error::DeserializeBadVarint)
    }

    /// The bits of a word that has this sort.
    #[inline]
    fn bits<B: TryFrom<u64>>(&self, sort: Sort) -> Result<B, Error> {
        if self.sort != sort {
            return Err(Error::DeserializeBadEncoding);
        }
        B::try_from(self.word).map_err(|_| Error::DeserializeBadVarint)
    }

    #[inline]
    fn char(&self) -> Result<char, Error> {
        char::from_u32(self.bits(Sort::Char)?).ok_or(Error::DeserializeBadChar)
    }
}

/// Numbers of all widths.
macro_rules! read_numbers {
    ($($method:ident: $visit:ident,)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.number()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Error;

    read_numbers! {
        deserialize_u8: visit_u8, deserialize_u16: visit_u16, deserialize_u32: visit_u32,
        deserialize_u64: visit_u64,
        deserialize_i8: visit_i8, deserialize_i16: visit_i16, deserialize_i32: visit_i32,
        deserialize_i64: visit_i64,
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.number::<u64>()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(Error::DeserializeBadBool),
        }
    }

    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f32(f32::from_bits(self.bits(Sort::Single)?))
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(f64::from_bits(self.bits(Sort::Double)?))
    }

    #[inline]
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_char(self.char()?)
    }

    // The codec writes a `char` as text, so that it is read as text too.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.char()?.encode_utf8(&mut [0; 4]))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::DeserializeBadEncoding)
    }

    forward_to_deserialize_any! {
        u128 i128 bytes byte_buf option unit unit_struct seq tuple tuple_struct map struct enum
        identifier ignored_any
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::any;
    use proptest::{prop_assert, prop_assert_eq, proptest};
    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Serialize};

    use super::{Sort, decode_word, encode_word};
    use crate::wire::{DecodeError, Handle, decode_plain, encode_plain};

    const SORTS: [Sort; 5] = [Sort::Unsigned, Sort::Signed, Sort::Single, Sort::Double, Sort::Char];

    /// What a value is when it has travelled as a word, and with the codec: the same bytes again.
    fn is_same<T: Serialize + DeserializeOwned>(value: &T) -> bool {
        let bytes = |value: &T| {
            let mut bytes = Vec::new();
            encode_plain(value, &mut bytes).unwrap();
            bytes
        };
        let (sort, word) = encode_word(value).unwrap();
        let there: T = decode_word(sort, word).unwrap();
        let plain: T = decode_plain(&bytes(value)).unwrap();
        bytes(&there) == bytes(&plain)
    }

    /// If there is a value, it is that word again.
    fn fits<T: Serialize + DeserializeOwned + Debug>(sort: Sort, word: u64) -> bool {
        match decode_word::<T>(sort, word) {
            Ok(value) => encode_word(&value).unwrap().1 == word,
            Err(error) => matches!(error, DecodeError::Value(_)),
        }
    }

    #[derive(Serialize, Deserialize)]
    struct New<T>(T);

    proptest! {
        #[test]
        fn number_comes_back_as_with_the_codec(word in any::<u64>(), shift in 0..64_u32) {
            let word = word >> shift;
            let [a, b, c, d, ..] = word.to_le_bytes();
            let half = u32::from_le_bytes([a, b, c, d]);
            prop_assert!(is_same(&word) && is_same(&half) && is_same(&a));
            prop_assert!(is_same(&u16::from_le_bytes([a, b])) && is_same(&(a % 2 == 0)));
            prop_assert!(is_same(&word.cast_signed()) && is_same(&half.cast_signed()));
            prop_assert!(is_same(&i16::from_le_bytes([a, b])) && is_same(&a.cast_signed()));
            // Of what is no number all bits are kept as well.
            prop_assert!(is_same(&f32::from_bits(half)) && is_same(&f64::from_bits(word)));
            prop_assert!(is_same(&New(New(word))));
            prop_assert!(char::from_u32(half % 0x11_0000).is_none_or(|char| is_same(&char)));
        }

        #[test]
        fn word_of_any_sort_is_a_value_that_fits_or_an_error(word in any::<u64>(), shift in 0..64_u32, sort in 0..5_usize) {
            let (word, sort) = (word >> shift, SORTS[sort]);
            prop_assert!(fits::<u8>(sort, word) && fits::<u16>(sort, word) && fits::<u32>(sort, word));
            prop_assert!(fits::<i8>(sort, word) && fits::<i16>(sort, word) && fits::<i32>(sort, word));
            prop_assert!(fits::<u64>(sort, word) && fits::<i64>(sort, word) && fits::<usize>(sort, word));
            prop_assert!(fits::<bool>(sort, word) && fits::<char>(sort, word));
            prop_assert!(fits::<f32>(sort, word) && fits::<f64>(sort, word));
            prop_assert_eq!(decode_word::<f64>(sort, word).is_ok(), sort == Sort::Double);
        }
    }

    #[test]
    fn edges_of_all_types_come_back() {
        assert!(
            [0, 1, u64::MAX].iter().all(is_same) && [i64::MIN, -1, i64::MAX].iter().all(is_same)
        );
        assert!(
            [u8::MIN, u8::MAX].iter().all(is_same) && [i8::MIN, -1, i8::MAX].iter().all(is_same)
        );
        assert!(['\0', '\u{d7ff}', '\u{e000}', char::MAX].iter().all(is_same));
        let nan = f64::from_bits(0x7ff0_0000_0000_0001);
        assert!([nan, -0.0, f64::INFINITY].iter().all(is_same));
        assert!([f32::from_bits(0x7f80_0001), -0.0].iter().all(is_same));
    }

    #[test]
    fn word_that_is_too_much_for_its_type_is_an_error() {
        assert!(decode_word::<u8>(Sort::Unsigned, 300).is_err());
        assert!(decode_word::<i8>(Sort::Signed, 128).is_err());
        assert!(decode_word::<u64>(Sort::Signed, u64::MAX).is_err(), "it is -1");
        assert!(decode_word::<i64>(Sort::Unsigned, u64::MAX).is_err());
        assert!(decode_word::<bool>(Sort::Unsigned, 2).is_err());
        assert!(decode_word::<char>(Sort::Char, 0xd800).is_err(), "a surrogate");
        assert!(decode_word::<char>(Sort::Char, 1 << 32 | 0x61).is_err());
        assert!(decode_word::<f32>(Sort::Single, 1 << 32).is_err());
    }

    #[test]
    fn number_is_read_as_any_type_that_it_fits_and_a_char_as_text() {
        assert_eq!(decode_word::<i64>(Sort::Unsigned, 5).unwrap(), 5);
        assert_eq!(decode_word::<u8>(Sort::Signed, 5).unwrap(), 5);
        let (sort, word) = encode_word(&'ä').unwrap();
        assert_eq!(decode_word::<String>(sort, word).unwrap(), "ä");
        assert!(decode_word::<f64>(Sort::Single, 0).is_err(), "it would be another number");
    }

    #[test]
    fn what_is_no_number_is_no_word() {
        #[derive(Serialize)]
        enum Choice {
            Unit,
            One(u32),
        }
        assert!(encode_word(&()).is_none() && encode_word(&Some(1)).is_none());
        assert!(encode_word(&None::<u8>).is_none() && encode_word("text").is_none());
        assert!(encode_word(&1_u128).is_none() && encode_word(&1_i128).is_none());
        assert!(encode_word(&(1, 2)).is_none() && encode_word(&[1]).is_none());
        assert!(encode_word(&Choice::Unit).is_none() && encode_word(&Choice::One(1)).is_none());
        assert!(encode_word(&std::net::Ipv4Addr::LOCALHOST).is_none());
    }

    #[test]
    fn handle_is_no_word_whatever_becomes_of_its_refusal() {
        /// Passes for a number, and has tried a handle.
        struct Swallows(Handle);

        impl Serialize for Swallows {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let refused = encode_plain(&1_u8, &mut Vec::new()).is_err();
                assert!(!refused && self.0.serialize(super::Writer).is_err());
                serializer.serialize_u8(1)
            }
        }
        let handle = Handle::from(std::fs::File::open("/dev/null").unwrap());
        assert!(encode_word(&handle).is_none());
        assert!(encode_word(&Swallows(handle)).is_none());
        assert!(matches!(
            decode_word::<Handle>(Sort::Unsigned, 0),
            Err(DecodeError::NoSuchHandle { index: 0, count: 0 })
        ));
    }

    /// A type that has no values, of which each would be in another one.
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "there is none")]
    struct Endless(Box<Endless>);

    #[test]
    fn values_in_values_without_end_are_an_error() {
        let error = decode_word::<Endless>(Sort::Unsigned, 0).unwrap_err();
        assert!(matches!(error, DecodeError::TooDeep { .. }), "{error:?}");
    }
}
