//! What can be said of the primitives in other processes' segments, from outside.
//!
//! The words are copied ([`ipc_core::inspect`]), and looked at by the code that looks at them in place.
//! Only how many sleep is not said: to count them, the kernel has to be asked about the words themselves.
//!
//! # Safety
//!
//! A barrier's words must stay where they are as long as the kernel may know their addresses. It is told
//! of none in a copy.

#![expect(unsafe_code, reason = "a barrier made of copied words, to be looked at")]

use ipc_core::SegmentError;
use ipc_core::inspect::{Description, Snapshot, View};
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::RobustWord;

use crate::raw::{
    BarrierWords, ConditionWords, EventWords, Holder, MOST_PARTIES, MOST_SEATS, RawBarrier,
    RawCondition, RawEvent, RawLock, RawOnce, RawRLock, RawRwLock, RawSemaphore, SemaphoreWords,
    n_seats,
};
use crate::{barrier, condition, event, lock, mutex, once, rlock, rwlock, semaphore};

/// Describes a primitive that lies alone in its segment; `None` if something else does.
///
/// A primitive that is a part of somebody's own layout cannot be found.
///
/// # Errors
///
/// [`SegmentError::OutOfBounds`] if the segment is too short for it, and as [`View::copy`].
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use ipc_core::inspect::View;
/// use ipc_sync::{Lock, inspect};
///
/// let lock = Lock::new()?;
/// let guard = lock.lock().unwrap();
/// let view = View::open(lock.segment().as_fd().try_clone_to_owned()?)?;
/// let seen = inspect::describe(&view)?.unwrap();
/// assert_eq!((seen.what, seen.depth, seen.holders.len()), ("Lock", Some(1), 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn describe(view: &View) -> Result<Option<Description>, SegmentError> {
    let kind = view.kind();
    let description = if kind == lock::KIND {
        line("Lock", &start(view, size_of::<RobustWord>())?)?
    } else if kind == mutex::KIND {
        line("Mutex", &start(view, size_of::<RobustWord>())?)?
    } else if kind == rlock::KIND {
        rlock(&start(view, size_of::<RobustWord>())?)?
    } else if kind == once::KIND {
        once(&start(view, size_of::<RobustWord>())?)?
    } else if kind == rwlock::KIND {
        rwlock(view)?
    } else if kind == semaphore::KIND {
        semaphore("Semaphore", view)?
    } else if kind == semaphore::BOUNDED_KIND {
        semaphore("BoundedSemaphore", view)?
    } else if kind == event::KIND {
        event(&start(view, size_of::<EventWords>())?)?
    } else if kind == condition::KIND {
        condition(&start(view, size_of::<ConditionWords>())?)?
    } else if kind == barrier::KIND {
        barrier(view)?
    } else {
        return Ok(None);
    };
    Ok(Some(description))
}

/// Describes a lock whose line begins at `offset`: for what is changed under one.
///
/// # Errors
///
/// [`SegmentError::OutOfBounds`] if the line was not copied.
pub fn describe_lock(
    what: &'static str,
    snapshot: &Snapshot,
    offset: usize,
) -> Result<Description, SegmentError> {
    let line: &RobustWord = snapshot.at(offset)?;
    let lock = RawLock::new(line);
    let holders: Vec<u32> = thread(lock.holder()).into_iter().collect();
    let seen = Description::of(what).remark(lock.holder() == Holder::Died, "owner died");
    Ok(Description {
        depth: Some(holders.len() as u64),
        capacity: Some(1),
        holders,
        has_waiters: Some(lock.has_waiters()),
        ..seen
    })
}

fn start(view: &View, len: usize) -> Result<Snapshot, SegmentError> {
    view.copy(0, len)
}

fn thread(holder: Holder) -> Option<u32> {
    if let Holder::Thread(tid) = holder { Some(tid) } else { None }
}

fn line(what: &'static str, words: &Snapshot) -> Result<Description, SegmentError> {
    let line: &RobustWord = words.at(0)?;
    let deaths = Some(line.notes[2].load(Relaxed).into());
    let seen = Description { deaths, ..describe_lock(what, words, 0)? };
    Ok(seen.remark(line.notes[0].load(Relaxed) != 0, "poisoned"))
}

fn rlock(words: &Snapshot) -> Result<Description, SegmentError> {
    let line: &RobustWord = words.at(0)?;
    let seen = describe_lock("RLock", words, 0)?;
    let depth = if seen.holders.is_empty() { 0 } else { RawRLock::new(line).depth() };
    let deaths = Some(line.notes[2].load(Relaxed).into());
    Ok(Description { depth: Some(depth.into()), capacity: None, deaths, ..seen })
}

fn once(words: &Snapshot) -> Result<Description, SegmentError> {
    let raw = RawOnce::new(words.at(0)?);
    let seen = describe_lock("Once", words, 0)?;
    let deaths = Some(raw.deaths().into());
    let seen = Description { depth: None, capacity: None, deaths, ..seen };
    Ok(seen.remark(raw.is_completed(), "done").remark(raw.failures() > 0, "was given up"))
}

fn rwlock(view: &View) -> Result<Description, SegmentError> {
    const LINE: usize = size_of::<RobustWord>();

    let first = view.copy(0, 2 * LINE)?;
    let said = first.at::<RobustWord>(LINE)?.wide_notes[0].load(Relaxed);
    let readers = rwlock::Readers::said(said).ok_or(SegmentError::OutOfBounds {
        offset: LINE,
        size: usize::MAX,
        len: view.extent().body,
    })?;
    let words = view.copy(0, LINE * (1 + readers.get()))?;
    let raw = RawRwLock::new(words.at(0)?, words.slice_at(LINE, readers.get())?);
    let inside: Vec<u32> = raw.writer().into_iter().chain(raw.readers()).collect();
    let seen = Description {
        depth: Some(inside.len() as u64),
        capacity: Some(readers.get() as u64),
        holders: inside,
        has_waiters: Some(raw.has_waiters()),
        deaths: Some(u64::from(raw.dead_writers()) + u64::from(raw.dead_readers())),
        ..Description::of("RwLock")
    };
    Ok(seen.remark(raw.is_written(), "written").remark(raw.is_poisoned(), "poisoned"))
}

fn semaphore(what: &'static str, view: &View) -> Result<Description, SegmentError> {
    const WORDS: usize = size_of::<SemaphoreWords>();

    let first = view.copy(0, WORDS)?;
    let [seats, bound] = &first.at::<SemaphoreWords>(0)?.notes;
    let (seats, bound) = (seats.load(Relaxed) as usize, bound.load(Relaxed));
    if seats > MOST_SEATS {
        let (size, len) = (seats, view.extent().body);
        return Err(SegmentError::OutOfBounds { offset: WORDS, size, len });
    }
    let words = view.copy(0, WORDS + seats * size_of::<RobustWord>())?;
    let raw = RawSemaphore::new(words.at(0)?, words.slice_at(WORDS, seats)?, u32::MAX);
    Ok(Description {
        depth: Some(raw.count().into()),
        capacity: bound.checked_sub(1).map(u64::from),
        holders: raw.holders().collect(),
        has_waiters: Some(raw.has_waiters()),
        deaths: Some(raw.deaths().into()),
        ..Description::of(what)
    })
}

fn event(words: &Snapshot) -> Result<Description, SegmentError> {
    let raw = RawEvent::new(words.at(0)?);
    let seen = Description { has_waiters: Some(raw.has_waiters()), ..Description::of("Event") };
    Ok(seen.remark(raw.is_set(), "set"))
}

fn condition(words: &Snapshot) -> Result<Description, SegmentError> {
    let raw = RawCondition::new(words.at(0)?);
    let first = thread(raw.first_waiter());
    Ok(Description {
        has_waiters: Some(first.is_some() || raw.has_more_waiters()),
        holders: first.into_iter().collect(),
        ..Description::of("Condition")
    })
}

fn barrier(view: &View) -> Result<Description, SegmentError> {
    const WORDS: usize = size_of::<BarrierWords>();

    let first = view.copy(0, WORDS)?;
    let parties = first.at::<BarrierWords>(0)?.parties.load(Relaxed);
    if parties > MOST_PARTIES {
        let (size, len) = (parties as usize, view.extent().body);
        return Err(SegmentError::OutOfBounds { offset: WORDS, size, len });
    }
    let seats = n_seats(parties);
    let words = view.copy(0, WORDS + seats * size_of::<RobustWord>())?;
    let (at, seats) = (words.at(0)?, words.slice_at(WORDS, seats)?);
    // SAFETY: nobody takes a seat or a place in a copy, so the kernel learns no address of it.
    let raw = unsafe { RawBarrier::new(at, seats, &[]) };
    let seen = Description {
        depth: Some(raw.arrived().into()),
        capacity: Some(parties.into()),
        holders: raw.waiting().map(|(tid, _)| tid).collect(),
        has_waiters: Some(raw.arrived() > 0),
        deaths: Some(raw.deaths().into()),
        ..Description::of("Barrier")
    };
    Ok(seen.remark(raw.broken().is_some(), "broken"))
}
