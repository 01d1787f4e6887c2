//! A script of operations on a queue, and of words that a stranger writes into its memory.
//!
//! The script is made of bytes, so that a fuzzer can write it. Whatever it says, every operation
//! must return, with whatever result: that is all that is asked here.

#![expect(unsafe_code, reason = "a stranger needs no leave")]

pub(crate) mod joinable;

use std::hint::black_box;
use std::time::Duration;

use ipc_core::primitive::{AtomicU64, Ordering::Relaxed};
use ipc_core::{Deadline, Segment};
use ipc_queue::{Builder, ByteQueue, PutError};
use testkit::Script;

/// Where the words of a queue lie, as the drawings in `src/mapped/places.rs` and
/// `src/heap/geometry.rs` have it: in the body, or from [`ROOM`] on in the room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) n_slots: usize,
    pub(crate) n_seats: usize,
    pub(crate) slot_bytes: usize,
    /// Where the slots begin, if they are not in the body because the ring grows.
    pub(crate) slots: Option<usize>,
}

impl Places {
    pub(crate) const TAIL: usize = 128;
    pub(crate) const HEAD: usize = 256;
    /// The bells of both sides, one in each half.
    pub(crate) const BELLS: usize = 384;
    pub(crate) const ALARM: usize = 392;
    pub(crate) const RETIRED: usize = 512;
    /// How many slots have memory, in a ring that grows.
    pub(crate) const BEGUN: usize = 520;
    const LIVES: usize = 640;

    pub(crate) fn life(self, seat: usize) -> usize {
        Self::LIVES + seat % self.n_seats * 64
    }

    /// A slot's word; the record of its message is eight bytes further on.
    pub(crate) fn slot(self, index: usize) -> usize {
        self.slots.unwrap_or(self.behind_lives()) + index % self.n_slots * self.slot_bytes
    }

    /// Behind the life words, and a line of notes for each.
    fn behind_lives(self) -> usize {
        (Self::LIVES + self.n_seats * (64 + 64)).next_multiple_of(128)
    }

    /// The lock of the heap; its sums and its classes are behind it.
    pub(crate) fn heap(self) -> usize {
        let slots_len = if self.slots.is_none() { self.n_slots * self.slot_bytes } else { 0 };
        (self.behind_lives() + slots_len).next_multiple_of(128)
    }

    /// The words of the heap but for its lock, and those of the first blocks.
    fn of_heap(self) -> impl Iterator<Item = usize> {
        let sums = [64, 72, 80].map(|sum| self.heap() + sum);
        let classes = (0..3).map(move |class| self.heap() + 128 + class * 64);
        let blocks = (0..3).flat_map(|block| [ROOM + block * 64, ROOM + block * 64 + 8]);
        sums.into_iter().chain(classes).chain(blocks)
    }

    /// What is counted of the items of a joinable queue.
    fn leases(self) -> usize {
        (self.heap() + 128 + 25 * 64).next_multiple_of(128)
    }

    /// Where the body ends.
    pub(crate) fn end(self) -> usize {
        self.leases() + 128
    }

    /// What a joinable queue has besides: the length of the item in a block and its bell, and what is
    /// counted of all items.
    pub(crate) fn of_items(self) -> impl Iterator<Item = usize> {
        let blocks = (0..3).flat_map(|block| [ROOM + block * 64 + 16, ROOM + block * 64 + 24]);
        blocks.chain([0, 8, 16].map(|word| self.leases() + word))
    }

    /// All words that the protocol reads, but for the heap's lock.
    pub(crate) fn all(self) -> Vec<usize> {
        let mut all = vec![Self::TAIL, Self::HEAD, Self::BELLS, Self::ALARM, Self::RETIRED];
        all.extend(self.slots.map(|_| Self::BEGUN));
        all.extend((0..self.n_seats).map(|seat| self.life(seat)));
        // Of many slots those at the ends of chunks.
        let slots = (0..self.n_slots).filter(|index| *index < 9 || (index + 2) % 32 < 3);
        all.extend(slots.flat_map(|index| [self.slot(index), self.slot(index) + 8]));
        all.extend(self.of_heap());
        all
    }
}

/// A queue for which the drawing is known.
pub(crate) fn queue(
    n_slots: usize,
    n_seats: usize,
    message_bytes: usize,
) -> Option<(ByteQueue, Places)> {
    let queue = Builder::new(n_slots)
        .seats(n_seats)
        .message_bytes(message_bytes)
        .max_bytes(MAX_BYTES)
        .retain_bytes(MAX_BYTES / 4)
        .bytes()
        .ok()?;
    let slot_bytes = (message_bytes + 16).next_multiple_of(16);
    Some((queue, Places { n_slots, n_seats, slot_bytes, slots: None }))
}

/// A queue that grows, from 64 slots to 128 in chunks of 32.
pub(crate) fn growing(n_seats: usize) -> Option<(ByteQueue, Places)> {
    let (n_slots, slot_bytes) = (128, 64);
    let queue = Builder::unbounded()
        .seats(n_seats)
        .message_bytes(48)
        .max_bytes((n_slots * slot_bytes) as u64)
        .retain_bytes(4096)
        .bytes()
        .ok()?;
    // They are the last thing in the room.
    let slots = ROOM + usize::try_from(queue.segment().room_len()).ok()? - n_slots * slot_bytes;
    Some((queue, Places { n_slots, n_seats, slot_bytes, slots: Some(slots) }))
}

/// Reads a word of the queue's memory; zero if there is none at that place.
pub(crate) fn look(queue: &ByteQueue, place: usize) -> u64 {
    look_in(queue.segment(), place)
}

/// The same for any memory.
pub(crate) fn look_in(memory: &Segment, place: usize) -> u64 {
    with_word(memory, place, |word| word.load(Relaxed)).unwrap_or(0)
}

/// Writes a word of the queue's memory, if there is one at that place, and says what it held.
pub(crate) fn write(queue: &ByteQueue, place: usize, value: u64) -> u64 {
    write_in(queue.segment(), place, value)
}

/// The same for any memory.
pub(crate) fn write_in(memory: &Segment, place: usize, value: u64) -> u64 {
    with_word(memory, place, |word| word.swap(value, Relaxed)).unwrap_or(0)
}

fn with_word<R>(memory: &Segment, place: usize, run: impl FnOnce(&AtomicU64) -> R) -> Option<R> {
    let place = place & !7;
    let Some(in_room) = place.checked_sub(ROOM) else {
        return memory.at(place).ok().map(run);
    };
    let window = memory.window(in_room as u64, 8).ok()?;
    let word = window.bytes().cast::<AtomicU64>();
    // SAFETY: eight bytes that are mapped, aligned like the place; a word that others use as such.
    Some(run(unsafe { word.as_ref() }))
}

/// The bits of a slot's word; `link` is 0, or one more than the chunk that it leads to.
pub(crate) fn slot_bits(cycle: u64, owner: u64, link: u64) -> u64 {
    (link & 0xfff) << 52 | (cycle & 0xff_ffff_ffff) << 12 | owner & 0xfff
}

/// The bits of a position.
pub(crate) fn position_bits(number: u64, index: u64) -> u64 {
    number << 23 | index & 0x7f_ffff
}

/// Every operation that there is, none of which may wait for long.
pub(crate) fn use_all(queue: &ByteQueue, bytes: &mut Vec<u8>) {
    let long = vec![7; queue.max_message() + 1];
    for len in [0, 1, 113, 5000, 40_000, long.len() - 1, long.len()] {
        operate(queue, 0, long.get(..len).unwrap_or(&long), bytes);
    }
    for form in 0..N_FORMS {
        operate(queue, form, b"short", bytes);
    }
}

/// How many bytes large messages may take.
const MAX_BYTES: u64 = 64 << 10;

/// Where the room begins, for these tests.
pub(crate) const ROOM: usize = 1 << 40;

/// How many ways there are to use a queue.
pub(crate) const N_FORMS: u8 = 16;

fn operate(queue: &ByteQueue, form: u8, message: &[u8], bytes: &mut Vec<u8>) {
    const SOON: Duration = Duration::from_micros(30);
    match form % N_FORMS {
        0 => drop(queue.try_put(message)),
        1 => drop(queue.put_deadline(message, Deadline::now())),
        2 => drop(queue.put_timeout(message, SOON)),
        3 => drop(queue.try_get_into(bytes)),
        4 => drop(queue.get_into(bytes, Deadline::now())),
        5 => drop(queue.get_timeout(SOON)),
        6 => drop(black_box((queue.len(), queue.is_full(), queue.is_closed()))),
        7 => drop(black_box(queue.stats())),
        8 => drop(black_box(format!("{queue:?}"))),
        // Sits down anew, in a seat of the dead if need be, and leaves it.
        9 => drop(ByteQueue::from_segment(queue.segment().clone()).map(|other| {
            other.try_put(message).ok();
            other.try_get_into(bytes).ok();
        })),
        10 => drop(queue.clone()),
        11 => drop(queue.try_get()),
        // Written, and read, where it lies.
        12 => drop(queue.try_loan(message.len()).map(|mut loan| {
            loan.copy_from_slice(message);
            loan.try_commit().map_err(PutError::without_value)
        })),
        13 => drop(queue.try_get_in_place().map(|sample| black_box(sample.to_vec()))),
        // Lent over other operations, and given back, or put.
        14 => {
            let (lent, other) = (queue.try_loan(message.len()), queue.try_loan(1));
            queue.try_put(message).ok();
            let sample = queue.try_get_in_place();
            drop(other);
            drop(lent.map(|loan| loan.commit_timeout(SOON).map_err(PutError::without_value)));
            drop(black_box(sample.map(|sample| sample.len())));
        }
        _ => drop(queue.loan_timeout(message.len(), SOON)),
    }
}

/// Plays a script: a shape, then steps, until the bytes are at an end.
pub(crate) fn play(script: &[u8]) {
    let mut script = Script::new(script);
    let n_slots = 1 + usize::from(script.byte() % 9);
    let n_seats = 1 + usize::from(script.byte() % 4);
    let message_bytes = if script.byte().is_multiple_of(2) { 1 } else { 112 };
    let made = if n_slots == 9 { growing(n_seats) } else { queue(n_slots, n_seats, message_bytes) };
    let Some((queue, places)) = made else { return };
    let message = vec![5; queue.max_message()];
    let mut bytes = Vec::new();
    while !script.is_over() {
        match script.byte() % 4 {
            0 | 1 => scribble(queue.segment(), places, &mut script),
            2 => {
                let short = usize::from(script.byte());
                let len = short * short.pow(u32::from(script.byte() % 2));
                operate(&queue, script.byte(), message.get(..len).unwrap_or(&message), &mut bytes);
            }
            _ => match script.byte() {
                0 => queue.close(),
                form => operate(&queue, form, b"short", &mut bytes),
            },
        }
    }
    // Whatever the words say now.
    use_all(&queue, &mut bytes);
}

/// A stranger writes one word: what a fuzzer would find only after years, or anything.
fn scribble(memory: &Segment, places: Places, script: &mut Script<'_>) {
    let place = word(script, places);
    let was = look_in(memory, place);
    let value = match script.byte() % 10 {
        0 => 0,
        1 => u64::MAX,
        2 => was ^ 1 << (script.byte() % 64),
        3 => was.wrapping_add(1),
        4 => was.wrapping_sub(1),
        5 => slot_bits(number(script), number(script), number(script)),
        // Another message, of another owner, with another link.
        6 => was ^ slot_bits(number(script), number(script), number(script)),
        7 => position_bits(number(script), number(script)),
        8 => write_in(memory, word(script, places), was),
        _ => number(script) | number(script) << 32,
    };
    write_in(memory, place, value);
}

/// Small numbers mostly, sometimes with all high bits set.
fn number(script: &mut Script<'_>) -> u64 {
    let low = script.byte();
    match low {
        0xf0.. => !u64::from(low & 0xf),
        0xe0.. => u64::from(low & 0xf) << 24 | u64::from(script.byte()) << 8,
        _ => u64::from(low),
    }
}

/// One of the words of the protocol, or any.
fn word(script: &mut Script<'_>, places: Places) -> usize {
    let which = usize::from(script.byte());
    let all: Vec<usize> = places.all().into_iter().chain(places.of_items()).collect();
    match all.get(which % (all.len() + 1)) {
        Some(place) => *place,
        None => usize::from(script.byte()) << 4 | usize::from(script.byte()),
    }
}
