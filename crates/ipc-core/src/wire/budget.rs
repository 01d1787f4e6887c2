//! Limits for values inside values, so that a few bytes cannot cost much stack or time.
//!
//! A type that contains itself can be nested without end, at a byte or two a level, and decoding it
//! recurses. An overflow of the stack ends the process, which no peer may be able to do. And a list
//! of items that take no bytes can be said to have any number of them. So the codec's deserializer
//! is wrapped in one that counts.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::error::DecodeError;
use super::pieces::{Giver, Owned};
use super::scope;

/// How many values may lie one in the other.
///
/// Structs, options, sequences, maps and variants with something in them each count as one. A level
/// takes some hundred bytes of stack, in builds without optimisation some thousand, of the two
/// million that a thread has at least.
pub(super) const MAX_DEPTH: u32 = 200;

/// How many items a list may have that are not even a byte long each.
const MAX_EMPTY_ITEMS: usize = 1 << 16;

/// Something of serde's, with what it may cost.
pub(super) struct Limited<I, G> {
    inner: I,
    budget: Budget<G>,
}

#[derive(Clone, Copy)]
struct Budget<G> {
    /// How many more levels may be entered from here.
    levels: u32,
    /// How many items a list may have.
    items: usize,
    /// Who has vectors for what becomes a part of the value.
    giver: G,
}

impl<I, G> Limited<I, G> {
    /// Limits a deserializer of `len` bytes.
    pub(super) const fn new(inner: I, len: usize, giver: G) -> Self {
        let items = if len > MAX_EMPTY_ITEMS { len } else { MAX_EMPTY_ITEMS };
        Self { inner, budget: Budget { levels: MAX_DEPTH, items, giver } }
    }
}

impl<G: Giver> Budget<G> {
    /// Goes one level down with what belongs there.
    fn enter<I, E: Error>(self, inner: I) -> Result<Limited<I, G>, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Limited { inner, budget: Self { levels, ..self } }),
            None => {
                scope::refuse(DecodeError::TooDeep { limit: MAX_DEPTH });
                Err(E::custom("values are nested too deeply"))
            }
        }
    }

    /// Begins a list.
    fn list<A>(self, inner: A) -> Items<A, G> {
        // One more than there may be: whoever takes them asks once more to see the end.
        Items { inner, budget: self, n_left: self.items.saturating_add(1) }
    }
}

/// The items of a list, of which so many more may come.
struct Items<A, G> {
    inner: A,
    budget: Budget<G>,
    n_left: usize,
}

impl<A, G: Giver> Items<A, G> {
    /// Wraps what the next item is for.
    fn next<S, E: Error>(&mut self, inner: S) -> Result<Limited<S, G>, E> {
        match self.n_left.checked_sub(1) {
            Some(n_left) => {
                self.n_left = n_left;
                Ok(Limited { inner, budget: self.budget })
            }
            None => {
                scope::refuse(DecodeError::TooManyItems { limit: self.budget.items });
                Err(E::custom("a list has too many items"))
            }
        }
    }
}

/// Passes on what has nothing in it.
macro_rules! pass_on {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>, G: Giver> Deserializer<'de> for Limited<D, G> {
    type Error = D::Error;

    pass_on! {
        deserialize_bool deserialize_char
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_f32 deserialize_f64
        deserialize_str deserialize_bytes
        deserialize_unit deserialize_identifier
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if !G::GIVES {
            return self.inner.deserialize_string(visitor);
        }
        self.inner.deserialize_string(Owned { inner: visitor, giver: self.budget.giver })
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if !G::GIVES {
            return self.inner.deserialize_byte_buf(visitor);
        }
        self.inner.deserialize_byte_buf(Owned { inner: visitor, giver: self.budget.giver })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(self.budget.enter(visitor)?)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(self.budget.enter(visitor)?)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_option(self.budget.enter(visitor)?)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_newtype_struct(name, self.budget.enter(visitor)?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_seq(self.budget.enter(visitor)?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple(len, self.budget.enter(visitor)?)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple_struct(name, len, self.budget.enter(visitor)?)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(self.budget.enter(visitor)?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_struct(name, fields, self.budget.enter(visitor)?)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, self.budget.enter(visitor)?)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Passes on a value that has nothing in it.
macro_rules! pass_on_values {
    ($($method:ident: $value:ty,)*) => {$(
        fn $method<E: Error>(self, value: $value) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>, G: Giver> Visitor<'de> for Limited<V, G> {
    type Value = V::Value;

    pass_on_values! {
        visit_bool: bool, visit_char: char,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128,
        visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_f32: f32, visit_f64: f64,
        visit_str: &str, visit_borrowed_str: &'de str, visit_string: String,
        visit_bytes: &[u8], visit_borrowed_bytes: &'de [u8], visit_byte_buf: Vec<u8>,
    }

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Limited { inner, budget: self.budget })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Limited { inner, budget: self.budget })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(self.budget.list(inner))
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(self.budget.list(inner))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Limited { inner, budget: self.budget })
    }
}

impl<'de, S: DeserializeSeed<'de>, G: Giver> DeserializeSeed<'de> for Limited<S, G> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Limited { inner, budget: self.budget })
    }
}

impl<'de, A: SeqAccess<'de>, G: Giver> SeqAccess<'de> for Items<A, G> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        inner: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let item = self.next(inner)?;
        self.inner.next_element_seed(item)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>, G: Giver> MapAccess<'de> for Items<A, G> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        inner: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let item = self.next(inner)?;
        self.inner.next_key_seed(item)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, inner: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Limited { inner, budget: self.budget })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>, G: Giver> EnumAccess<'de> for Limited<A, G> {
    type Error = A::Error;
    type Variant = Limited<A::Variant, G>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        inner: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, inner) = self.inner.variant_seed(Limited { inner, budget: self.budget })?;
        Ok((value, Limited { inner, budget: self.budget }))
    }
}

impl<'de, A: VariantAccess<'de>, G: Giver> VariantAccess<'de> for Limited<A, G> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, inner: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Limited { inner, budget: self.budget })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, inner: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, Limited { inner, budget: self.budget })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        inner: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, Limited { inner, budget: self.budget })
    }
}
