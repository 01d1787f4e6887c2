//! A script of operations on every primitive, and of words that a stranger writes into their memory.
//!
//! The script is made of bytes, so that a fuzzer can write it. Whatever it says, every operation
//! must return within its timeout, with whatever result: that is all that is asked here.
#![expect(unsafe_code, reason = "writes over values that nobody has a reference to")]

use std::hint::black_box;
use std::time::Duration;

use ipc_core::Segment;
use ipc_core::primitive::{AtomicU32, Ordering::Relaxed};
use ipc_core::robust::Thread;
use ipc_sync::{
    Barrier, BoundedSemaphore, Condition, Event, Lock, Mutex, Once, RLock, RwLock, Semaphore,
};
use testkit::Script;

/// As long as any operation may take.
const SOON: Duration = Duration::from_micros(30);

/// One of each.
struct All {
    lock: Lock,
    rlock: RLock,
    mutex: Mutex<u64>,
    rwlock: RwLock<u64>,
    semaphore: Semaphore,
    bounded: BoundedSemaphore,
    event: Event,
    condition: Condition,
    barrier: Barrier,
    once: Once,
}

/// How many there are.
const N: u8 = 10;

impl All {
    /// `None` if the machine has no room for them.
    fn new() -> Option<Self> {
        Some(Self {
            lock: Lock::new().ok()?,
            rlock: RLock::new().ok()?,
            mutex: Mutex::new(1).ok()?,
            rwlock: RwLock::new(1).ok()?,
            semaphore: Semaphore::with_seats(2, 3).ok()?,
            bounded: BoundedSemaphore::with_seats(2, 3).ok()?,
            event: Event::new().ok()?,
            condition: Condition::new().ok()?,
            barrier: Barrier::new(2).ok()?,
            once: Once::new().ok()?,
        })
    }

    fn segment(&self, which: u8) -> &Segment {
        match which % N {
            0 => self.lock.segment(),
            1 => self.rlock.segment(),
            2 => self.mutex.segment(),
            3 => self.rwlock.segment(),
            4 => self.semaphore.segment(),
            5 => self.bounded.segment(),
            6 => self.event.segment(),
            7 => self.condition.segment(),
            8 => self.barrier.segment(),
            _ => self.once.segment(),
        }
    }

    /// Uses a primitive in one of the ways there are.
    fn operate(&self, which: u8, form: u8) {
        match which % N {
            0 => self.use_lock(form),
            1 => self.use_rlock(form),
            2 => self.use_mutex(form),
            3 => self.use_rwlock(form),
            4 => use_semaphore(&self.semaphore, form),
            5 => use_semaphore(&self.bounded, form),
            6 => self.use_event(form),
            7 => self.use_condition(form),
            8 => self.use_barrier(form),
            _ => self.use_once(form),
        }
    }

    fn use_lock(&self, form: u8) {
        match form % 6 {
            0 => drop(self.lock.try_lock()),
            1 => drop(self.lock.lock_timeout(SOON)),
            2 => drop(self.lock.acquire_timeout(SOON)),
            3 => drop(self.lock.release()),
            4 => drop(black_box((self.lock.stats(), self.lock.is_locked()))),
            _ => drop(black_box(format!("{:?}", self.lock))),
        }
    }

    fn use_rlock(&self, form: u8) {
        match form % 6 {
            0 => drop((self.rlock.try_lock(), self.rlock.try_lock())),
            1 => drop(self.rlock.lock_timeout(SOON)),
            2 => drop(self.rlock.acquire_timeout(SOON)),
            3 => drop(self.rlock.release()),
            4 => drop(black_box((self.rlock.stats(), self.rlock.depth(), self.rlock.is_mine()))),
            _ => drop(black_box(format!("{:?}", self.rlock))),
        }
    }

    fn use_mutex(&self, form: u8) {
        match form % 3 {
            0 => drop(self.mutex.try_lock()),
            1 => drop(self.mutex.lock_timeout(SOON).map(|mut value| *value ^= 1)),
            _ => drop(black_box(format!("{:?} {:?}", self.mutex, self.mutex.stats()))),
        }
    }

    fn use_rwlock(&self, form: u8) {
        match form % 6 {
            0 => drop(self.rwlock.try_read()),
            1 => drop(self.rwlock.read_timeout(SOON)),
            2 => drop(self.rwlock.try_write()),
            3 => drop(self.rwlock.write_timeout(SOON).map(|mut value| *value ^= 1)),
            4 => drop(self.rwlock.try_read().map(|_one| drop(self.rwlock.try_read()))),
            _ => drop(black_box(format!("{:?} {:?}", self.rwlock, self.rwlock.stats()))),
        }
    }

    fn use_event(&self, form: u8) {
        match form % 4 {
            0 => self.event.set(),
            1 => self.event.clear(),
            2 => drop(black_box(self.event.wait_timeout(SOON))),
            _ => drop(black_box(format!("{:?} {:?}", self.event, self.event.stats()))),
        }
    }

    fn use_condition(&self, form: u8) {
        match form % 6 {
            0 => self.condition.notify_one(),
            1 => self.condition.notify_n(3),
            2 => self.condition.notify_all(),
            3 => {
                if let Ok(guard) = self.lock.try_lock() {
                    drop(self.condition.wait_timeout(guard, SOON));
                }
            }
            4 => {
                if let Ok(guard) = self.rlock.try_lock() {
                    drop(self.condition.wait_timeout(guard, SOON));
                }
            }
            _ => drop(black_box(format!("{:?} {:?}", self.condition, self.condition.stats()))),
        }
    }

    fn use_barrier(&self, form: u8) {
        match form % 5 {
            0 | 1 => drop(self.barrier.wait_timeout(SOON)),
            2 => self.barrier.reset(),
            7 => drop(self.barrier.member()),
            3 => self.barrier.abort(),
            _ => drop(black_box((
                self.barrier.waiting(),
                self.barrier.is_broken(),
                format!("{:?} {:?}", self.barrier, self.barrier.stats()),
            ))),
        }
    }

    fn use_once(&self, form: u8) {
        match form % 4 {
            0 => drop(self.once.call_once_timeout(SOON, |_| ())),
            1 => drop(self.once.begin_timeout(SOON)),
            2 => drop(self.once.try_call_once(|_| ())),
            _ => drop(black_box(format!("{:?} {:?}", self.once, self.once.stats()))),
        }
    }

    /// A stranger writes one word: what a fuzzer would find only after years, or anything.
    fn scribble(&self, subject: u8, script: &mut Script<'_>) {
        let segment = self.segment(script.mostly(subject));
        // The first lines have most of the words.
        let words = segment.len() / 4;
        let near = usize::from(script.byte());
        let place = if near < 0xc0 { near % words.min(64) } else { script.wide() % words.max(1) };
        // SAFETY: no reference to a value is alive here.
        let Ok(word) = (unsafe { segment.place_exclusive::<AtomicU32>(place * 4) }) else { return };
        let was = word.load(Relaxed);
        let value = match script.byte() % 11 {
            0 => 0,
            1 => u32::MAX,
            2 => was ^ 1 << (script.byte() % 32),
            3 => was.wrapping_add(1),
            4 => was.wrapping_sub(1),
            // Somebody's who lives: ours, and that of a process that is always there.
            5 => Thread::current().tid(),
            6 => 1,
            7 => was | 1 << 31,
            8 => was | 1 << 30,
            9 => u32::from(script.byte()),
            _ => u32::from_le_bytes([script.byte(), script.byte(), script.byte(), script.byte()]),
        };
        word.store(value, Relaxed);
    }
}

fn use_semaphore(semaphore: &Semaphore, form: u8) {
    match form % 9 {
        0 => drop(semaphore.try_take()),
        1 => drop(semaphore.take_timeout(SOON)),
        2 => drop(semaphore.release()),
        3 => drop(semaphore.release_n(3)),
        4 => drop(semaphore.try_acquire()),
        5 => drop(semaphore.acquire_timeout(SOON)),
        6 => drop(semaphore.try_acquire().map(|permit| permit.forget())),
        7 => drop(black_box((semaphore.value(), semaphore.holders()))),
        _ => drop(black_box(format!("{semaphore:?} {:?}", semaphore.stats()))),
    }
}

/// Plays a script: which primitive it is mostly about, then steps, until the bytes are at an end.
pub(crate) fn play(script: &[u8]) {
    let Some((&subject, script)) = script.split_first() else { return };
    let mut script = Script::new(script);
    let Some(all) = All::new() else { return };
    while !script.is_over() {
        match script.byte() % 4 {
            0 | 1 => all.scribble(subject, &mut script),
            2 => all.operate(script.mostly(subject), script.byte()),
            // Under a lock that is held meanwhile.
            _ => {
                let held = all.lock.try_lock();
                all.scribble(subject, &mut script);
                all.operate(script.mostly(subject), script.byte());
                drop(held);
            }
        }
    }
    // Whatever the words say now.
    for which in 0..N {
        for form in 0..9 {
            all.operate(which, form);
        }
    }
}
