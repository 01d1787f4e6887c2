//! A plain ring for many producers and consumers, after Dmitry Vyukov, in memory that forked
//! processes share: what such a queue can reach if nobody ever dies.
//!
//! It has places like ours and copies like ours, sleepers like ours (who brings news does a store and
//! looks at a word; who goes to sleep has the kernel fence the others), gives way like ours to who is
//! faster, and can be closed like ours. It has no liveness protocol: a place says whose turn it is and not
//! who is at it, so whoever is killed between its two steps stops all others for ever.

#![expect(unsafe_code, reason = "messages lie in a mapping; raw system calls")]

use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64, compiler_fence, fence};
use std::time::{Duration, Instant};
use std::{hint, thread};

use nix::errno::Errno;
use nix::sys::mman::MapFlags;

use crate::Result;
use crate::board::{Padded, map, share};
use crate::crew::Kind;
use crate::subjects::queue::{Line, Rx, Tx, capacity};

/// How often one whose turn it is not looks again before it gives its processor away.
const LOOKS: u32 = 100;

/// How often it gives its processor away before it goes to sleep.
const YIELDS: u32 = 20;

/// How long one stays away whose turn another has taken: the longest that ours does.
const STAY: Duration = Duration::from_nanos(12_400);

/// A ring, and either end of it.
pub(crate) struct Ring {
    shared: Shared,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Shared {
    tail: &'static Padded<AtomicU64>,
    head: &'static Padded<AtomicU64>,
    /// Not zero if it is closed.
    closed: &'static Padded<AtomicU32>,
    /// Consumers sleep here, and producers there.
    items: &'static Padded<AtomicU32>,
    space: &'static Padded<AtomicU32>,
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
        membarrier(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)?;
        let n_places = capacity(size).next_power_of_two();
        let stride = (size_of::<Place>() + size).next_multiple_of(align_of::<Place>() * 2);
        let len = NonZeroUsize::new(n_places * stride).ok_or("no places")?;
        let places = map(len, MapFlags::MAP_SHARED)?.cast();
        let shared = Self {
            tail: share()?,
            head: share()?,
            closed: share()?,
            items: share()?,
            space: share()?,
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
    fn claim(
        &self,
        counter: &AtomicU64,
        ahead: u64,
        bell: &AtomicU32,
    ) -> Result<(u64, NonNull<Place>)> {
        let mut n_looks = 0;
        loop {
            let number = counter.load(Relaxed);
            let place = self.place(number);
            if self.turn(place).load(Acquire) == number + ahead {
                let next = number + 1;
                if counter.compare_exchange_weak(number, next, Relaxed, Relaxed).is_ok() {
                    return Ok((number, place));
                }
                give_way();
            } else {
                n_looks += 1;
                self.wait(n_looks, bell, || self.turn(place).load(Acquire) == number + ahead)?;
            }
        }
    }

    /// Waits for a while, the longer the more often it has looked.
    #[cold]
    fn wait(&self, n_looks: u32, bell: &AtomicU32, is_turn: impl Fn() -> bool) -> Result {
        if self.closed.0.load(Relaxed) != 0 {
            return Err("the ring is closed".into());
        }
        if n_looks < LOOKS {
            hint::spin_loop();
        } else if n_looks < LOOKS + YIELDS {
            thread::yield_now();
        } else {
            bell.store(1, Relaxed);
            fence(SeqCst);
            membarrier(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)?;
            if !is_turn() {
                futex(bell, libc::FUTEX_WAIT, 1)?;
            }
        }
        Ok(())
    }
}

/// Stays away from who was faster, as ours does in a crowd.
#[cold]
fn give_way() {
    let begin = Instant::now();
    while begin.elapsed() < STAY {
        (0..8).for_each(|_| hint::spin_loop());
    }
}

/// Wakes those who sleep, if there are any: behind the store that brings news.
#[inline]
fn ring(bell: &AtomicU32) -> Result {
    compiler_fence(SeqCst);
    if bell.load(Relaxed) == 0 { Ok(()) } else { wake(bell) }
}

#[cold]
fn wake(bell: &AtomicU32) -> Result {
    bell.store(0, SeqCst);
    futex(bell, libc::FUTEX_WAKE, u32::MAX >> 1)
}

fn futex(word: &AtomicU32, operation: i32, value: u32) -> Result {
    let timeout: *const libc::timespec = ptr::null();
    // SAFETY: the address of a word; without a timeout.
    let returned =
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, timeout) };
    match Errno::result(returned) {
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn membarrier(command: i32) -> Result {
    // SAFETY: a command without addresses.
    Errno::result(unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) })?;
    Ok(())
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
        let (number, place) = shared.claim(&shared.tail.0, 0, &shared.space.0)?;
        // One that is overtaken by the close has put nothing.
        if shared.closed.0.load(Relaxed) != 0 {
            return Err("the ring is closed".into());
        }
        // SAFETY: it is our turn at this place.
        unsafe { (*place.as_ptr()).len = message.len() as u64 };
        let bytes = Shared::bytes(place);
        // SAFETY: as above, and it is long enough (checked).
        unsafe { ptr::copy_nonoverlapping(message.as_ptr(), bytes, message.len()) };
        shared.turn(place).store(number + 1, Release);
        ring(&shared.items.0)
    }
}

impl Rx for Ring {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let shared = self.shared;
        let (number, place) = shared.claim(&shared.head.0, 1, &shared.items.0)?;
        // SAFETY: it is our turn at this place.
        let len = unsafe { (*place.as_ptr()).len };
        let len = usize::try_from(len)?.min(shared.size);
        self.buffer.clear();
        // SAFETY: as above; so many bytes were written there, and nobody writes them now.
        self.buffer
            .extend_from_slice(unsafe { std::slice::from_raw_parts(Shared::bytes(place), len) });
        shared.turn(place).store(number + shared.n_places, Release);
        ring(&shared.space.0)?;
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

    #[test]
    fn who_sleeps_is_woken() {
        let mut ring = Ring::new(8).unwrap();
        let mut other = ring.tx().unwrap();
        let shared = ring.shared;
        let thread = thread::spawn(move || {
            for number in 0..3000_u64 {
                other.receive(|received| assert_eq!(received, number.to_le_bytes())).unwrap();
            }
        });
        for number in 0..3000_u64 {
            if number % 500 == 0 {
                while shared.items.0.load(Relaxed) == 0 {
                    thread::yield_now();
                }
            }
            ring.send(&number.to_le_bytes()).unwrap();
        }
        thread.join().unwrap();
    }

    #[test]
    fn who_waits_at_a_closed_ring_is_told() {
        let mut ring = Ring::new(8).unwrap();
        ring.shared.closed.0.store(1, Relaxed);
        assert!(ring.receive(|_| ()).is_err());
        assert!(ring.send(b"late").is_err());
    }
}
