//! A plain ring for many producers and consumers, after Dmitry Vyukov, in memory that forked
//! processes share: what such a queue can reach if nobody ever dies.
//!
//! It has places like ours and copies like ours, and no liveness protocol: a place says whose turn it
//! is and not who is at it, so whoever is killed between its two steps stops all others for ever.
//! Nobody sleeps on it: who waits gives its processor to others.

#![expect(unsafe_code, reason = "messages lie in a mapping")]

use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::{hint, thread};

use nix::sys::mman::MapFlags;

use crate::Result;
use crate::board::{Padded, map, share};
use crate::crew::Kind;
use crate::subjects::queue::{Line, Rx, Tx, capacity};

/// How often one whose turn it is not looks again before it gives its processor away.
const LOOKS: u32 = 100;

/// A ring, and either end of it.
pub(crate) struct Ring {
    shared: Shared,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Shared {
    tail: &'static Padded<AtomicU64>,
    head: &'static Padded<AtomicU64>,
    places: NonNull<u8>,
    n_places: u64,
    /// From one place to the next.
    stride: usize,
    /// The most bytes of a message.
    size: usize,
}

// SAFETY: the places are shared memory that is never unmapped; a place is used by whose turn it is.
unsafe impl Send for Shared {}

/// The beginning of a place; the bytes follow.
#[repr(C)]
struct Place {
    turn: AtomicU64,
    len: u64,
}

impl Shared {
    fn new(size: usize) -> Result<Self> {
        let n_places = capacity(size).next_power_of_two();
        let stride = (size_of::<Place>() + size).next_multiple_of(align_of::<Place>() * 2);
        let len = NonZeroUsize::new(n_places * stride).ok_or("no places")?;
        let places = map(len, MapFlags::MAP_SHARED)?.cast();
        let shared = Self {
            tail: share()?,
            head: share()?,
            places,
            n_places: n_places as u64,
            stride,
            size,
        };
        for number in 0..shared.n_places {
            shared.turn(shared.place(number)).store(number, Relaxed);
        }
        Ok(shared)
    }

    #[inline]
    fn place(&self, number: u64) -> NonNull<Place> {
        #[expect(clippy::cast_possible_truncation, reason = "less than the number of places")]
        let index = (number & (self.n_places - 1)) as usize;
        // SAFETY: inside the mapping, for there are so many places.
        unsafe { self.places.byte_add(index * self.stride).cast() }
    }

    #[inline]
    fn turn(&self, place: NonNull<Place>) -> &AtomicU64 {
        // SAFETY: a place of the mapping, which is never unmapped, and aligned like one.
        let turn = unsafe { &raw const (*place.as_ptr()).turn };
        // SAFETY: as above; the word is only used as an atomic.
        unsafe { &*turn }
    }

    #[inline]
    fn bytes(place: NonNull<Place>) -> *mut u8 {
        // SAFETY: the bytes of a place follow its beginning.
        unsafe { place.as_ptr().add(1).cast() }
    }

    /// Waits until it is this side's turn at the place that its counter leads to, and takes it.
    #[inline]
    fn claim(&self, counter: &AtomicU64, ahead: u64) -> (u64, NonNull<Place>) {
        let mut n_looks = 0;
        loop {
            let number = counter.load(Relaxed);
            let place = self.place(number);
            if self.turn(place).load(Acquire) == number + ahead {
                let next = number + 1;
                if counter.compare_exchange_weak(number, next, Relaxed, Relaxed).is_ok() {
                    return (number, place);
                }
            } else if n_looks < LOOKS {
                n_looks += 1;
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }
}

impl Line for Ring {
    const KIND: Kind = Kind::Processes;
    type Tx = Self;
    type Rx = Self;

    fn new(size: usize) -> Result<Self> {
        Ok(Self { shared: Shared::new(size)?, buffer: vec![] })
    }

    fn tx(&self) -> Result<Self> {
        Ok(Self { shared: self.shared, buffer: vec![] })
    }

    fn rx(&mut self) -> Result<Self> {
        self.tx()
    }
}

impl Tx for Ring {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        let shared = self.shared;
        if message.len() > shared.size {
            return Err("the message is too long".into());
        }
        let (number, place) = shared.claim(&shared.tail.0, 0);
        // SAFETY: it is our turn at this place.
        unsafe { (*place.as_ptr()).len = message.len() as u64 };
        let bytes = Shared::bytes(place);
        // SAFETY: as above, and it is long enough (checked).
        unsafe { ptr::copy_nonoverlapping(message.as_ptr(), bytes, message.len()) };
        shared.turn(place).store(number + 1, Release);
        Ok(())
    }
}

impl Rx for Ring {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let shared = self.shared;
        let (number, place) = shared.claim(&shared.head.0, 1);
        // SAFETY: it is our turn at this place.
        let len = unsafe { (*place.as_ptr()).len };
        let len = usize::try_from(len)?.min(shared.size);
        self.buffer.clear();
        // SAFETY: as above; so many bytes were written there, and nobody writes them now.
        self.buffer
            .extend_from_slice(unsafe { std::slice::from_raw_parts(Shared::bytes(place), len) });
        shared.turn(place).store(number + shared.n_places, Release);
        Ok(look(&self.buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_as_they_were_sent_lap_after_lap() {
        let mut ring = Ring::new(20).unwrap();
        let mut other = ring.tx().unwrap();
        for number in 0..5000_u32 {
            let len = usize::try_from(number % 17).unwrap() + 4;
            let mut message = number.to_le_bytes().to_vec();
            message.resize(len, 9);
            other.send(&message).unwrap();
            assert!(ring.receive(|received| received == message).unwrap());
        }
        assert!(other.send(&[0; 21]).is_err());
    }
}
