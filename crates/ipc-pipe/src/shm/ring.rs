//! One way of a shared-memory pipe: a ring of units that one writer fills and one reader empties.
//!
//! It borrows its words and bytes, and knows neither where they lie nor how its user sleeps.
//!
//! # A record
//!
//! A record is a header word and its bytes, and takes whole units of 64 bytes. It may run over the end
//! of the ring. Positions count units and never go back; both are private to their side, for a side has
//! one process in all its life.
//!
//! | header | meaning |
//! |--------|---------|
//! | `0` | nothing there yet |
//! | `HERE` \| length << 8 | a record of so many bytes: **committed** |
//! | `ELSEWHERE` | a record whose message came by another way, and is there |
//!
//! The reader looks at one header only, that behind the last record it read. The writer clears the
//! header behind a record before it commits the record, so what the reader looks at is nothing or a
//! record, and never what was there a lap ago. For that there is always one unit more free than a record
//! takes. When it has committed one, the writer clears some headers more, while the other side is at
//! work anyway: so the lines of a short record are in its cache when the next is to be written.
//!
//! # Sleeping
//!
//! Each side has a word that says that it sleeps, or is about to. It writes the word, then looks once
//! more; the other side commits, then looks at the word, with a fence between the two on both sides, for
//! which the sleeper pays. So one of them sees the other: the sleeper what it waits for, or the other the
//! sleeper, and then it calls it. The call is a packet on a socket, which stays until it is read. If the
//! other dies between its commit and the call, its death wakes the sleeper, which looks again. If the
//! system refuses the heavy fence, the sleeper is told, and looks now and then.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `Writer::commit` | `Reader::next` | the record's bytes, and the cleared header behind it |
//! | E2 | `Reader::advance` | `Writer::has_room` | that the bytes are read, and may be written over |
//! | E3 | `announce`, by the heavy fence behind it | `wake`, by the light fence before it | the mark of the sleeper, or else the sleeper sees the commit |
//!
//! # Invariants
//!
//! - I1: units from the reader's position to the writer's are records; the headers from there to
//!   `cleared` are cleared, and there is at least one.
//! - I2: only the writer writes units, and none that the reader has not given back by `head`.

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::primitive::{AtomicU32, AtomicU64, Spin, fence_heavy, fence_light};

/// The bytes of a unit.
pub(crate) const UNIT: usize = 64;
/// The bytes of a header.
pub(crate) const HEADER: usize = size_of::<u64>();

/// So many headers are cleared beyond the next.
const AHEAD: u64 = 2;

/// The record's bytes are behind its header.
const HERE: u64 = 1;
/// The record's message came by another way.
const ELSEWHERE: u64 = 2;

/// The words and bytes of one way, wherever they lie.
pub(crate) trait Way {
    /// How many units there are; a power of two.
    fn n_units(&self) -> u64;

    /// The header of a unit, of which there are so many.
    fn header(&self, unit: u64) -> &AtomicU64;

    /// How far the reader has come.
    fn head(&self) -> &AtomicU64;

    /// Whether the reader sleeps.
    fn reader(&self) -> &Side;

    /// Whether the writer sleeps.
    fn writer(&self) -> &Side;

    /// Writes a record's bytes, from behind the header of a unit on. They have room.
    fn write(&self, unit: u64, bytes: &[u8]);

    /// Appends so many bytes of a record, from behind the header of a unit on.
    fn read(&self, unit: u64, len: usize, bytes: &mut Vec<u8>);

    /// Copies so many bytes of a record, from behind the header of a unit on.
    fn read_into(&self, unit: u64, bytes: &mut [u8]);
}

/// What one side says of itself to the other.
#[cfg_attr(not(ipc_loom), repr(C, align(128)))]
#[derive(Debug, Default)]
pub(crate) struct Side {
    is_asleep: AtomicU32,
    /// How long it pays to look before sleeping.
    spin: AtomicU32,
}

/// Whoever is on the other side.
pub trait Partner {
    /// Calls it, if it sleeps or is about to.
    fn call(&self);

    /// Sleeps until it calls, dies, or leaves; `false` if the deadline comes first.
    fn sleep(&mut self, deadline: Deadline) -> bool;

    /// Whether it has died or left.
    fn is_gone(&mut self) -> bool;

    /// It may miss that this side is about to sleep, for the system refuses what makes that sure: whoever
    /// sleeps from now on must not do so for long.
    fn may_miss_sleepers(&mut self);
}

/// Why an operation came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The deadline came.
    #[error("the time is up")]
    TimedOut,
    /// Nobody is on the other side any more.
    #[error("nobody is on the other side any more")]
    Gone,
    /// The words contradict one another: somebody scribbled over them.
    #[error("the memory does not say what it can say")]
    Corrupt,
}

/// What the next record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// So many bytes.
    Here(usize),
    /// A message that came by another way.
    Elsewhere,
}

/// The writing side's private part.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    tail: u64,
    /// How far the reader had come when it was last looked at.
    head: u64,
    /// The headers behind the writer's position are cleared, up to this one.
    cleared: u64,
}

/// The reading side's private part.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    head: u64,
}

/// How many units a record of so many bytes takes.
fn units(len: usize) -> u64 {
    (HEADER + len).div_ceil(UNIT) as u64
}

/// The most bytes that a record may have in a ring of so many units.
pub(crate) fn longest(n_units: u64) -> usize {
    usize::try_from(n_units / 2).unwrap_or(0).saturating_mul(UNIT) - HEADER
}

impl Writer {
    /// Waits until there is room for a record of so many bytes.
    pub(crate) fn await_room(
        &mut self,
        way: &impl Way,
        partner: &mut impl Partner,
        len: usize,
        deadline: Deadline,
    ) -> Result<(), Refused> {
        if self.has_room(way, len)? {
            return Ok(());
        }
        wait(way.writer(), partner, deadline, || self.has_room(way, len))
    }

    /// Writes a record; there is room for it.
    pub(crate) fn put(&mut self, way: &impl Way, partner: &impl Partner, bytes: &[u8]) {
        way.write(self.tail % way.n_units(), bytes);
        self.commit(way, partner, bytes.len(), HERE | (bytes.len() as u64) << 8);
    }

    /// Writes a record for a message that went by another way; there is room for it.
    pub(crate) fn put_elsewhere(&mut self, way: &impl Way, partner: &impl Partner) {
        self.commit(way, partner, 0, ELSEWHERE);
    }

    /// Looks whether there is room for a record of so many bytes; if not, the other side calls when
    /// there is, or goes.
    pub(crate) fn look_for_room(
        &mut self,
        way: &impl Way,
        partner: &mut impl Partner,
        len: usize,
    ) -> Result<bool, Refused> {
        Ok(self.has_room(way, len)? || look(way.writer(), partner, || self.has_room(way, len))?)
    }

    /// Looks for a moment whether there is room for a record of so many bytes.
    #[cfg(feature = "tokio")]
    pub(crate) fn has_room_soon(&mut self, way: &impl Way, len: usize) -> Result<bool, Refused> {
        look_for_a_moment(way.writer(), || self.has_room(way, len))
    }

    fn commit(&mut self, way: &impl Way, partner: &impl Partner, len: usize, header: u64) {
        let next = self.tail + units(len);
        if self.cleared < next {
            way.header(next % way.n_units()).store(0, Relaxed);
            self.cleared = next;
        }
        // E1 release.
        way.header(self.tail % way.n_units()).store(header, Release);
        self.tail = next;
        wake(way.reader(), partner);
        self.clear_ahead(way);
    }

    /// Clears some headers behind the next, as far as they are free.
    fn clear_ahead(&mut self, way: &impl Way) {
        let last = (self.tail + AHEAD).min(self.head + way.n_units() - 1);
        while self.cleared < last {
            self.cleared += 1;
            way.header(self.cleared % way.n_units()).store(0, Relaxed);
        }
    }

    pub(crate) fn has_room(&mut self, way: &impl Way, len: usize) -> Result<bool, Refused> {
        let wanted = units(len) + 1;
        if self.tail - self.head + wanted <= way.n_units() {
            return Ok(true);
        }
        // E2 acquire.
        let head = way.head().load(Acquire);
        // The reader goes forward, and not farther than there are records.
        if !(self.head..=self.tail).contains(&head) {
            return Err(Refused::Corrupt);
        }
        self.head = head;
        Ok(self.tail - self.head + wanted <= way.n_units())
    }
}

impl Reader {
    /// Waits until there is a record.
    pub(crate) fn await_record(
        &self,
        way: &impl Way,
        partner: &mut impl Partner,
        deadline: Deadline,
    ) -> Result<Record, Refused> {
        if let Some(record) = self.next(way)? {
            return Ok(record);
        }
        let mut found = None;
        wait(way.reader(), partner, deadline, || {
            found = self.next(way)?;
            Ok(found.is_some())
        })?;
        found.ok_or(Refused::Corrupt)
    }

    /// Looks whether there is a record; if not, the other side calls when there is, or goes.
    pub(crate) fn look_for_record(
        &self,
        way: &impl Way,
        partner: &mut impl Partner,
    ) -> Result<bool, Refused> {
        let is_there = || Ok(self.next(way)?.is_some());
        Ok(is_there()? || look(way.reader(), partner, is_there)?)
    }

    /// Looks for a moment whether there is a record.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_there_soon(&self, way: &impl Way) -> Result<bool, Refused> {
        look_for_a_moment(way.reader(), || Ok(self.next(way)?.is_some()))
    }

    /// The next record, if there is one.
    pub(crate) fn next(&self, way: &impl Way) -> Result<Option<Record>, Refused> {
        // E1 acquire.
        let header = way.header(self.head % way.n_units()).load(Acquire);
        let len = usize::try_from(header >> 8).unwrap_or(usize::MAX);
        match header & 0xff {
            0 if header == 0 => Ok(None),
            HERE if len <= longest(way.n_units()) => Ok(Some(Record::Here(len))),
            ELSEWHERE if len == 0 => Ok(Some(Record::Elsewhere)),
            _ => Err(Refused::Corrupt),
        }
    }

    /// Appends the bytes of the next record, which is that.
    pub(crate) fn read(&self, way: &impl Way, record: Record, bytes: &mut Vec<u8>) {
        if let Record::Here(len) = record {
            way.read(self.head % way.n_units(), len, bytes);
        }
    }

    /// Copies the bytes of the next record, which has as many.
    pub(crate) fn read_into(&self, way: &impl Way, bytes: &mut [u8]) {
        way.read_into(self.head % way.n_units(), bytes);
    }

    /// Goes behind the next record, which is that.
    pub(crate) fn advance(&mut self, way: &impl Way, partner: &impl Partner, record: Record) {
        let len = match record {
            Record::Here(len) => len,
            Record::Elsewhere => 0,
        };
        self.head += units(len);
        // E2 release.
        way.head().store(self.head, Release);
        wake(way.writer(), partner);
    }
}

/// Calls the other side if it sleeps or is about to.
#[inline]
fn wake(side: &Side, partner: &impl Partner) {
    // E3 acquire.
    fence_light();
    if side.is_asleep.load(Relaxed) != 0 && side.is_asleep.swap(0, Relaxed) != 0 {
        partner.call();
    }
}

/// Waits until something holds: looks for a while, then sleeps.
#[cold]
fn wait(
    side: &Side,
    partner: &mut impl Partner,
    deadline: Deadline,
    mut holds: impl FnMut() -> Result<bool, Refused>,
) -> Result<(), Refused> {
    let mut spin = Spin::eager(&side.spin);
    if !deadline.is_past() {
        while spin.again(&side.spin) {
            if holds()? {
                spin.learn(&side.spin, false);
                return Ok(());
            }
        }
    }
    loop {
        let outcome = match look(side, partner, &mut holds) {
            Ok(true) => Some(Ok(())),
            Ok(false) => (!partner.sleep(deadline)).then_some(Err(Refused::TimedOut)),
            Err(refused) => Some(Err(refused)),
        };
        if let Some(outcome) = outcome {
            side.is_asleep.store(0, Relaxed);
            spin.learn(&side.spin, true);
            // What came just as the time was up is not left.
            return if outcome == Err(Refused::TimedOut) && holds()? { Ok(()) } else { outcome };
        }
    }
}

/// Looks for some microseconds whether something holds, where the thread has other work.
#[cfg(feature = "tokio")]
fn look_for_a_moment(
    side: &Side,
    mut holds: impl FnMut() -> Result<bool, Refused>,
) -> Result<bool, Refused> {
    if holds()? {
        return Ok(true);
    }
    let mut spin = Spin::eager(&side.spin);
    for _ in 0..A_MOMENT {
        if !spin.again(&side.spin) {
            break;
        }
        if holds()? {
            spin.learn(&side.spin, false);
            return Ok(true);
        }
    }
    spin.learn(&side.spin, true);
    Ok(false)
}

/// So many looks: four microseconds or so.
#[cfg(feature = "tokio")]
const A_MOMENT: u32 = 16;

/// Says that this side is about to sleep, and looks whether something holds; if not, and the other side
/// is there, that one calls as soon as it has done something.
fn look(
    side: &Side,
    partner: &mut impl Partner,
    holds: impl FnOnce() -> Result<bool, Refused>,
) -> Result<bool, Refused> {
    if !announce(side) {
        partner.may_miss_sleepers();
    }
    let is_gone = partner.is_gone();
    // What the other side did before it went is there now.
    match holds()? {
        false if is_gone => Err(Refused::Gone),
        holds => Ok(holds),
    }
}

/// Says that this side sleeps or is about to; whether the other is sure to see it.
fn announce(side: &Side) -> bool {
    side.is_asleep.store(1, Relaxed);
    // E3 release.
    fence_heavy()
}
