//! World two: loom's atomics, a kernel that is a table under a mutex, and threads that die.
//!
//! A model's threads run their bodies through [`run`], which gives each a thread id and, for a
//! victim, the number of accesses it may make before it dies. Death is an unwinding that starts in
//! the door and that no code above it notices; when it arrives in `run`, the model does what the
//! kernel does for a dying thread: it marks the words on the thread's robust list, then looks at
//! the pending word (`robust::model`). Every interleaving of this with the survivors is explored.
//!
//! What the table keeps of the kernel's futexes: a comparison and the queuing that follows it are
//! one step against every wake-up of that word; a wait on several words queues on one after the
//! other; a wake-up takes sleepers in the order of their arrival; one that arrives by several
//! words reports the last of them. No wait times out.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc as StdArc;

use loom::cell::Cell;
use loom::sync::{Condvar, Mutex};

use super::{AtomicU32, Ordering, Target, Wait, Woken};
use crate::Deadline;

pub(super) use loom::sync::atomic::{AtomicU32 as RawU32, AtomicU64 as RawU64};

pub use loom::hint::spin_loop as pause;
pub use loom::sync::atomic::fence;
pub use loom::thread::yield_now;

/// Keeps the compiler from moving accesses; the model has no such compiler.
pub fn compiler_fence(_: Ordering) {}

/// Completes an exchange to a full fence: loom knows sequential consistency as fences only.
pub fn fence_after_exchange() {
    fence(Ordering::SeqCst);
}

/// How a modelled thread ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended<T> {
    /// It came to its end and returned this.
    Finished(T),
    /// It died before an access.
    Died,
}

impl<T> Ended<T> {
    /// Whether the thread came to its end.
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Finished(_))
    }
}

/// What unwinds through a thread that dies.
struct Death;

/// What the model keeps of one thread.
struct ThreadState {
    tid: Cell<u32>,
    /// Accesses left to live, plus one; zero for those who live on.
    left: Cell<u64>,
}

loom::thread_local! {
    static THREAD: ThreadState = ThreadState { tid: Cell::new(0), left: Cell::new(0) };
}

loom::lazy_static! {
    static ref KERNEL: Kernel = Kernel { table: Mutex::new(Table::default()) };
}

struct Kernel {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    last_tid: u32,
    last_sleeper: u64,
    /// Who sleeps where, in the order of arrival: address of the word, sleeper, index.
    queue: Vec<(usize, u64, usize)>,
    /// By which word each sleeper was woken, for those who were.
    woken: BTreeMap<u64, usize>,
    bells: BTreeMap<u64, StdArc<Condvar>>,
}

impl Table {
    fn leave(&mut self, sleeper: u64) -> Option<usize> {
        self.queue.retain(|&(_, queued, _)| queued != sleeper);
        self.bells.remove(&sleeper);
        self.woken.remove(&sleeper)
    }
}

/// Runs `body` as a modelled thread that dies before its access number `dies_at`, if that is given
/// and it makes so many.
pub fn run<T>(dies_at: Option<u64>, body: impl FnOnce() -> T) -> Ended<T> {
    THREAD.with(|thread| thread.left.set(dies_at.map_or(0, |accesses| accesses + 1)));
    // A thread that dies leaves whatever it was doing half done: that is what is being modelled.
    let ended = catch_unwind(AssertUnwindSafe(body));
    THREAD.with(|thread| thread.left.set(0));
    match ended {
        Ok(value) => Ended::Finished(value),
        Err(payload) if is_death(&*payload) => {
            crate::robust::model_exit();
            Ended::Died
        }
        Err(payload) => resume_unwind(payload),
    }
}

fn is_death(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Death>()
}

/// The id of the calling thread, given at first use.
pub(crate) fn tid() -> u32 {
    THREAD.with(|thread| {
        if thread.tid.get() == 0 {
            let mut table = lock_table();
            table.last_tid += 1;
            thread.tid.set(table.last_tid);
        }
        thread.tid.get()
    })
}

/// Counts one access of the calling thread, and lets it die when its time has come.
pub(crate) fn step() {
    let dies = THREAD.with(|thread| match thread.left.get() {
        0 => false,
        1 => {
            thread.left.set(0);
            true
        }
        left => {
            thread.left.set(left - 1);
            false
        }
    });
    if dies {
        resume_unwind(Box::new(Death));
    }
}

pub(super) fn futex_wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Woken {
    futex_wait_any(&[Wait::on(word, expected)], deadline)
}

pub(super) fn futex_wake(word: &AtomicU32, count: u32) -> u32 {
    wake(address(word), count)
}

pub(super) fn futex_n_asleep(word: &AtomicU32) -> u32 {
    let table = lock_table();
    let asleep = table.queue.iter().filter(|&&(queued_at, ..)| queued_at == address(word));
    u32::try_from(asleep.count()).unwrap_or(u32::MAX)
}

pub(super) fn futex_or_and_wake_all(word: &AtomicU32, bit: u16, call: &AtomicU32) {
    word.inner().fetch_or(bit.into(), Ordering::SeqCst);
    wake(address(call), u32::MAX);
}

pub(super) fn futex_wait_any(waits: &[Wait<'_>], _: Deadline) -> Woken {
    let mut table = lock_table();
    table.last_sleeper += 1;
    let sleeper = table.last_sleeper;
    let bell = StdArc::new(Condvar::new());
    table.bells.insert(sleeper, StdArc::clone(&bell));
    for (index, wait) in waits.iter().enumerate() {
        if index > 0 {
            // Others may run between the queuing on one word and the comparison of the next.
            drop(table);
            table = lock_table();
        }
        let (address, holds) = look(wait);
        if !holds {
            return table.leave(sleeper).map_or(Woken::Changed, Woken::By);
        }
        table.queue.push((address, sleeper, index));
    }
    while !table.woken.contains_key(&sleeper) {
        let Ok(again) = bell.wait(table) else { unreachable!("loom poisons no mutex") };
        table = again;
    }
    table.leave(sleeper).map_or(Woken::Changed, Woken::By)
}

/// Wakes up to `count` of those who sleep on the word at `address`.
pub(crate) fn wake(address: usize, count: u32) -> u32 {
    let mut table = lock_table();
    let mut woken = 0;
    while woken < count {
        let Some(place) = table.queue.iter().position(|&(queued_at, ..)| queued_at == address)
        else {
            break;
        };
        let (_, sleeper, index) = table.queue.remove(place);
        let reported = table.woken.entry(sleeper).or_insert(index);
        *reported = index.max(*reported);
        if let Some(bell) = table.bells.get(&sleeper) {
            bell.notify_one();
        }
        woken += 1;
    }
    woken
}

fn lock_table() -> loom::sync::MutexGuard<'static, Table> {
    let Ok(table) = KERNEL.table.lock() else { unreachable!("loom poisons no mutex") };
    table
}

/// Where a word lies, and whether it still holds what is expected.
fn look(wait: &Wait<'_>) -> (usize, bool) {
    match wait.target {
        Target::Whole(word) => {
            (address(word), word.inner().load(Ordering::Relaxed) == wait.expected)
        }
        Target::LowHalf(word) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the low half is what is asked for"
            )]
            let low = word.inner().load(Ordering::Relaxed) as u32;
            (core::ptr::from_ref(word).addr(), low == wait.expected)
        }
        Target::HighHalf(word) => {
            let high = (word.inner().load(Ordering::Relaxed) >> 32) as u32;
            (core::ptr::from_ref(word).addr() + size_of::<u32>(), high == wait.expected)
        }
    }
}

fn address(word: &AtomicU32) -> usize {
    core::ptr::from_ref(word).addr()
}

/// The kernel's part in a death, for one word: see `handle_futex_death` in Linux.
pub(crate) fn bury(word: &AtomicU32, dead: u32, is_pending: bool) {
    const WAITERS: u32 = 0x8000_0000;
    const OWNER_DIED: u32 = 0x4000_0000;
    const OWNER: u32 = 0x3fff_ffff;
    let mut found = word.inner().load(Ordering::SeqCst);
    loop {
        if found & OWNER == 0 && is_pending {
            wake(address(word), 1);
            return;
        }
        if found & OWNER != dead {
            return;
        }
        let marked = (found & WAITERS) | OWNER_DIED;
        match word.inner().compare_exchange(found, marked, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) if found & WAITERS != 0 => {
                wake(address(word), 1);
                return;
            }
            Ok(_) => return,
            Err(now) => found = now,
        }
    }
}
