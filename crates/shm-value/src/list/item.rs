//! `Item`: what may be in a list, and its words.

use bytemuck::bytes_of;

use crate::plain::{Draft, WORD};
use crate::raw::Words;

/// What may be in a [`ShareableList`](crate::ShareableList).
///
/// Items of different types are different: `Int(1)` is not `Float(1.0)` nor `Bool(true)`.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Nothing.
    None,
    /// A truth.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Str(String),
    /// Some bytes.
    Bytes(Vec<u8>),
}

// Kinds, in the lowest byte of the header; the length is above.
const NONE: u64 = 0;
const BOOL: u64 = 1;
const INT: u64 = 2;
const FLOAT: u64 = 3;
const STR: u64 = 4;
const BYTES: u64 = 5;

impl Item {
    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Float(_) => WORD,
            Self::Str(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// How many bytes it is given room for, as in Python.
    pub(super) fn capacity(&self) -> usize {
        match self {
            Self::Str(_) | Self::Bytes(_) => room(self.len()),
            _ => WORD,
        }
    }

    /// Its type, and room for so many bytes, as Python's `struct` writes them.
    pub(super) fn format(&self, capacity: usize) -> String {
        match self {
            Self::None => "xxxxxx?x".to_owned(),
            Self::Bool(_) => "xxxxxxx?".to_owned(),
            Self::Int(_) => "q".to_owned(),
            Self::Float(_) => "d".to_owned(),
            Self::Str(_) | Self::Bytes(_) => format!("{capacity}s"),
        }
    }
}

/// The multiple of eight above a length.
fn room(len: usize) -> usize {
    (len / WORD).saturating_add(1).saturating_mul(WORD)
}

/// Gives the header and the bytes of an item to `write`.
pub(super) fn encode(item: &Item, write: impl FnOnce(u64, &[u8])) {
    let header = |kind: u64| kind | (item.len() as u64) << 8;
    match item {
        Item::None => write(header(NONE), &[]),
        Item::Bool(truth) => write(header(BOOL), bytes_of(truth)),
        Item::Int(number) => write(header(INT), bytes_of(number)),
        Item::Float(number) => write(header(FLOAT), bytes_of(number)),
        Item::Str(text) => write(header(STR), text.as_bytes()),
        Item::Bytes(bytes) => write(header(BYTES), bytes),
    }
}

/// The item in the words of a cell with room for so many bytes, if they are one.
pub(super) fn decode(words: Words<'_>, capacity: usize) -> Option<Item> {
    let header = words.word(0);
    let len = usize::try_from(header >> 8).ok().filter(|len| *len <= capacity)?;
    let value = words.iter().skip(1);
    let item = match header & 0xff {
        NONE => Item::None,
        BOOL => Item::Bool(Draft::of(value).check()?),
        INT => Item::Int(Draft::of(value).check()?),
        FLOAT => Item::Float(Draft::of(value).check()?),
        STR => Item::Str(String::from_utf8(bytes(value, len)).ok()?),
        BYTES => Item::Bytes(bytes(value, len)),
        _ => return None,
    };
    (item.len() == len).then_some(item)
}

fn bytes(words: impl Iterator<Item = u64>, len: usize) -> Vec<u8> {
    words.flat_map(u64::to_le_bytes).take(len).collect()
}

macro_rules! from {
    ($($type:ty => $kind:ident),*) => {$(
        impl From<$type> for Item {
            fn from(value: $type) -> Self {
                Self::$kind(value.into())
            }
        }
    )*};
}

from!(bool => Bool, i32 => Int, i64 => Int, u32 => Int, f64 => Float, &str => Str, String => Str);
from!(&[u8] => Bytes, Vec<u8> => Bytes);
