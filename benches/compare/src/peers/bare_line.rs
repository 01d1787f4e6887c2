//! A message of up to 64 bytes beside a bare word: the least that a hand-over through memory can cost. It
//! survives nothing, and is looked at all the time.

use std::hint::spin_loop;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::Result;
use crate::board::{Padded, share};
use crate::crew::Kind;
use crate::subjects::queue::{Line, Rx, Tx};

/// How many words the longest message has.
const WORDS: usize = 8;

/// Whether a message is there, and the message.
pub(crate) type Slot = Padded<[AtomicU64; 1 + WORDS]>;

#[derive(Clone, Copy)]
pub(crate) struct Bare {
    slot: &'static Slot,
    size: usize,
}

impl Line for Bare {
    const KIND: Kind = Kind::Processes;
    type Tx = Self;
    type Rx = Self;

    fn new(size: usize) -> Result<Self> {
        if size <= WORDS * size_of::<u64>() && size.is_multiple_of(size_of::<u64>()) {
            Ok(Self { slot: share()?, size })
        } else {
            Err("of up to eight words".into())
        }
    }

    fn tx(&self) -> Result<Self> {
        Ok(*self)
    }

    fn rx(&mut self) -> Result<Self> {
        Ok(*self)
    }
}

impl Tx for Bare {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        let [is_there, words @ ..] = &self.slot.0;
        for (word, bytes) in words.iter().zip(message.as_chunks().0) {
            word.store(u64::from_ne_bytes(*bytes), Relaxed);
        }
        is_there.store(1, Release);
        Ok(())
    }
}

impl Rx for Bare {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let [is_there, words @ ..] = &self.slot.0;
        while is_there.load(Acquire) == 0 {
            spin_loop();
        }
        let mut message = [0; WORDS * size_of::<u64>()];
        let message = &mut message[..self.size];
        for (bytes, word) in message.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.load(Relaxed).to_ne_bytes();
        }
        is_there.store(0, Release);
        Ok(look(message))
    }
}
