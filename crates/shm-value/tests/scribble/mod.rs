//! A script of operations on everything there is, and of words that a stranger writes into its memory.
//!
//! The script is made of bytes, so that a fuzzer can write it. Whatever it says, every operation must
//! return, with whatever result: that is all that is asked here. Locks are left alone: what becomes of
//! those is asked elsewhere, and waiting for a stranger who has one is right.

use std::hint::black_box;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::Segment;
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::wire;
use shm_value::{
    ByteMap, ByteVec, Item, RawArray, RawValue, ShareableList, SharedMemory, ShmMap, ShmVec, Value,
};
use testkit::Script;

/// Not every pattern of bytes is one.
#[derive(Clone, Copy, Debug, NoUninit, CheckedBitPattern)]
#[repr(C)]
struct Picky {
    letter: char,
    flag: bool,
    rest: [u8; 7],
}

const PICKY: Picky = Picky { letter: 'x', flag: true, rest: [0; 7] };

/// One of each.
struct All {
    value: Value<Picky>,
    small: Value<char>,
    raw: RawValue<bool>,
    row: RawArray<bool>,
    list: ShareableList,
    vec: ShmVec<Picky>,
    /// The same, for who does not know the type.
    vec_bytes: ByteVec,
    map: ShmMap<char, Picky>,
    map_bytes: ByteMap,
    memory: SharedMemory,
}

/// How many there are.
const N: u8 = 8;

impl All {
    /// `None` if the machine has no room for them.
    fn new() -> Option<Self> {
        let items = [Item::from("text"), true.into(), 1.into(), Item::None];
        let [key_len, len] = [size_of::<char>(), size_of::<Picky>()];
        let vec_bytes = ByteVec::with_capacity(3, len, ShmVec::<Picky>::type_hash()).ok()?;
        let type_hash = ShmMap::<char, Picky>::type_hash();
        let map_bytes = ByteMap::with_capacity(3, key_len, len, type_hash).ok()?;
        Some(Self {
            value: Value::new(PICKY).ok()?,
            small: Value::new('x').ok()?,
            raw: RawValue::new(true).ok()?,
            row: RawArray::zeroed(9).ok()?,
            list: ShareableList::new(items).ok()?,
            vec: ShmVec::open(vec_bytes.segment()).ok()?,
            vec_bytes,
            map: ShmMap::open(map_bytes.segment()).ok()?,
            map_bytes,
            memory: SharedMemory::new(100).ok()?,
        })
    }

    /// A thing's segment, and the places in it where a lock lies, as multiples of eight.
    fn segment(&self, which: u8) -> (&Segment, std::ops::Range<usize>) {
        match which % N {
            0 => (self.value.segment(), 0..8),
            1 => (self.small.segment(), 0..8),
            2 => (self.raw.segment(), 0..0),
            3 => (self.row.segment(), 0..0),
            4 => (self.list.segment(), 0..8),
            5 => (self.vec.segment(), 0..8),
            6 => (self.map.segment(), 8..16),
            _ => (self.memory.segment(), 0..8),
        }
    }

    /// Uses a thing in one of the ways there are.
    fn operate(&self, which: u8, form: u8) {
        match which % N {
            0 => use_value(&self.value, form, PICKY),
            1 => use_value(&self.small, form, 'y'),
            2 => match form % 2 {
                0 => drop(black_box(self.raw.get())),
                _ => self.raw.set(form % 4 == 1),
            },
            3 => match form % 3 {
                0 => drop(black_box(self.row.get(form.into()))),
                1 => drop(self.row.set(form.into(), true)),
                _ => drop(black_box(self.row.iter().collect::<Vec<_>>())),
            },
            4 => self.use_list(form),
            5 => self.use_vec(form),
            6 => self.use_map(form),
            _ => match form % 4 {
                0 => drop(black_box(self.memory.get::<char>(form.into()))),
                1 => drop(self.memory.write(form.into(), &[form; 9])),
                2 => drop(self.memory.grow(usize::from(form) << 6)),
                _ => drop(black_box(format!("{:?}", self.memory))),
            },
        }
    }

    fn use_list(&self, form: u8) {
        match form % 6 {
            0 => drop(black_box(self.list.get(form.into()))),
            1 => drop(self.list.set(usize::from(form) % 4, "y")),
            2 => drop(black_box(self.list.format())),
            3 => drop(black_box(self.list.index(&Item::None))),
            4 => drop(black_box(format!("{:?}", self.list))),
            _ => drop(again::<ShareableList>(self.list.segment())),
        }
    }

    fn use_vec(&self, form: u8) {
        match form % 11 {
            0 => drop(black_box(self.vec.get(form.into()))),
            1 => drop(self.vec.push(PICKY)),
            2 => drop(black_box(self.vec.pop())),
            3 => drop(self.vec.set(usize::from(form) % 4, PICKY)),
            4 => drop(self.vec.update(usize::from(form) % 4, |item| item)),
            5 => drop(self.vec.truncate(usize::from(form) % 5)),
            6 => drop(black_box((self.vec.to_vec(), self.vec.iter().count()))),
            7 => drop(black_box((self.vec_bytes.get(form.into()), self.vec_bytes.pop()))),
            8 => drop(self.vec_bytes.push(&[bytemuck::bytes_of(&PICKY)])),
            9 => drop(self.vec_bytes.alter(usize::from(form) % 4, |_| Some([form; 12]))),
            _ => drop(again::<ShmVec<Picky>>(self.vec.segment())),
        }
    }

    fn use_map(&self, form: u8) {
        let key = char::from(form / 8);
        match form % 11 {
            0 => drop(black_box(self.map.get(key))),
            1 => drop(self.map.insert(key, PICKY)),
            2 => drop(self.map.remove(key)),
            3 => drop(self.map.alter(key, |value| value)),
            4 => drop(black_box((self.map.len(), self.map.iter().count()))),
            5 => drop(self.map.clear()),
            6 => drop(black_box(format!("{:?}", self.map))),
            7 => drop(black_box((self.map_bytes.get(&[form; 4]), self.map_bytes.clear()))),
            8 => drop(self.map_bytes.insert(&[form; 4], &[form; 12])),
            9 => (0..self.map_bytes.n_slots()).for_each(|slot| {
                drop(black_box((self.map_bytes.slot(slot), self.map_bytes.len())));
            }),
            _ => drop(again::<ShmMap<char, Picky>>(self.map.segment())),
        }
    }

    /// A stranger writes one word: what a fuzzer would find only after years, or anything.
    fn scribble(&self, subject: u8, script: &mut Script<'_>) {
        let (segment, lock) = self.segment(script.mostly(subject));
        let n_words = segment.len() / 8;
        let place = script.wide();
        // The first words say most.
        let place = place % if place.is_multiple_of(2) { n_words } else { n_words.min(24) };
        if lock.contains(&place) {
            return;
        }
        let Ok(word) = segment.at::<AtomicU64>(place * 8) else { return };
        let was = word.load(Relaxed);
        let value = match script.byte() % 9 {
            0 => 0,
            1 => u64::MAX,
            2 => was ^ 1 << (script.byte() % 64),
            3 => was.wrapping_add(1),
            4 => was.wrapping_sub(1),
            5 => was << 8,
            6 => 1 << 63,
            7 => u64::from(script.byte()),
            _ => u64::from_le_bytes([script.byte(); 8]),
        };
        word.store(value, Relaxed);
    }
}

fn use_value<T: NoUninit + CheckedBitPattern>(value: &Value<T>, form: u8, new: T) {
    match form % 5 {
        0 => drop(black_box(value.get().is_ok())),
        1 => drop(value.set(new)),
        2 => drop(value.update(|value| value).is_ok()),
        3 => {
            if let Ok(mut guard) = value.try_lock() {
                *guard = new;
            }
        }
        _ => drop(black_box(value.is_locked())),
    }
}

/// Opens a thing again, as one does who is sent it.
fn again<T: serde::de::DeserializeOwned>(segment: &Segment) -> Option<T> {
    wire::decode(wire::encode(segment).ok()?).ok()
}

/// Plays a script: which thing it is mostly about, then steps, until the bytes are at an end.
pub(crate) fn play(script: &[u8]) {
    let Some((&subject, script)) = script.split_first() else { return };
    let mut script = Script::new(script);
    let Some(all) = All::new() else { return };
    while !script.is_over() {
        match script.byte() % 2 {
            0 => all.scribble(subject, &mut script),
            _ => all.operate(script.mostly(subject), script.byte()),
        }
    }
    // Whatever the words say now.
    for which in 0..N {
        for form in 0..9 {
            all.operate(which, form);
        }
    }
}
