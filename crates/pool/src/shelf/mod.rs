//! Shelves: where values lie that are too large for a ring, in memory that is used again and again.
//!
//! Fresh memory costs several times what it costs to copy a value there: for each page the kernel finds
//! one, charges it, notes it in the file and in the tables of two processes, and takes all that back. So the
//! pool has a shelf for arguments, and each worker one for results. A shelf is a file in memory that lasts as
//! long as who writes there, mapped once by each who uses it. A value is copied to a *slot* of it, and
//! the [record](crate::record) says which.
//!
//! | shelf | written by | read by | where | a slot is free again when |
//! |-------|------------|---------|-------|---------------------------|
//! | of arguments | the parent, and nobody else can: it is sealed | all workers | in place | the parent has forgotten the task: it was answered, or its worker is dead |
//! | of results | its worker | the parent, which copies it out and trusts nothing of it | – | the parent has said on the [board](crate::board) that it has copied the result, or one after it |
//!
//! Which slots are taken stands in the private memory of who writes, so no death can leave it half-written,
//! and nothing has to be repaired: a slot of arguments belongs to a task, whoever runs it, and the shelf of
//! a worker's results goes with the worker.
//!
//! Of a result a worker also tells where long runs of bytes are. Each is copied to memory of its own, which can become
//! a part of the value (see `ipc_core::wire::Pieces`).
//!
//! A value that finds no room, or has handles, goes in a file of its own (see [`parcel`](crate::parcel)).

pub(crate) mod growing;
mod room;
pub(crate) mod there;

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipc_core::wire::{Pieces, Sink as _};

use self::growing::Growing;
use self::room::Room;
use crate::sys::{self, Sheet};

/// So many bytes of arguments lie on a pool's shelf at most. Memory is behind those that were needed.
pub(crate) const ARGUMENT_BYTES: usize = 32 << 20;

/// So many bytes of results lie on a worker's shelf.
pub(crate) const RESULT_BYTES: usize = 16 << 20;

/// One value takes at most this part of a shelf.
const LARGEST_PART: usize = 4;

/// So many long runs of a value are told of; what is in others is copied once more as it is decoded.
const MOST_RUNS: usize = 32;

/// A shelf, as the process has it that puts values there.
#[derive(Debug)]
pub(crate) struct Shelf {
    sheet: Sheet,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    room: Room,
    /// So many bytes, the first ones, have memory behind them.
    n_reserved: usize,
}

/// A value on a shelf; when it is dropped, another one may lie there.
#[derive(Debug)]
pub(crate) struct Slot {
    shelf: Arc<Shelf>,
    part: Range<usize>,
    mark: Mark,
    /// Where in the value long runs of bytes are.
    runs: Vec<Range<usize>>,
}

/// Where on a shelf a value lies, as it is told to others.
pub(crate) type Mark = [u8; 16];

impl Shelf {
    /// A shelf on which nobody else can write.
    pub(crate) fn for_arguments() -> Option<Arc<Self>> {
        let shelf = Self::on(sys::blank_sheet(ARGUMENT_BYTES).ok()?)?;
        shelf.sheet.keep_others_from_writing().ok()?;
        Some(shelf)
    }

    /// A shelf on a sheet on which nothing lies; none if it cannot be mapped.
    pub(crate) fn on(sheet: OwnedFd) -> Option<Arc<Self>> {
        let sheet = Sheet::map(sheet).ok()?;
        let state = Mutex::new(State { room: Room::new(sheet.len()), n_reserved: 0 });
        Some(Arc::new(Self { sheet, state }))
    }

    /// What those who read are given.
    pub(crate) fn sheet(&self) -> &OwnedFd {
        self.sheet.file()
    }

    /// Puts a value there; `None` if there is no room, or no memory.
    pub(crate) fn put(self: &Arc<Self>, bytes: &[u8]) -> Option<Slot> {
        let mut growing = Growing::on(self);
        growing.put(bytes, &[]).then(|| growing.finish())?
    }

    /// Takes a part with at least so many bytes; `None` if there is no room, or no memory.
    fn take(self: &Arc<Self>, len: usize) -> Option<Slot> {
        if len > self.sheet.len() / LARGEST_PART {
            return None;
        }
        let mut state = self.lock();
        let part = state.room.take(len)?;
        if !self.reserve(&mut state, part.end) {
            state.room.give_back(part);
            return None;
        }
        drop(state);
        Some(Slot { shelf: Arc::clone(self), part, mark: Mark::default(), runs: Vec::new() })
    }

    /// Makes a part at least so many bytes long; `false` if there is no room behind it, or no memory.
    fn extend(&self, part: &mut Range<usize>, len: usize) -> bool {
        if len > self.sheet.len() / LARGEST_PART {
            return false;
        }
        let end = part.end;
        let mut state = self.lock();
        if !state.room.extend(part, len) {
            return false;
        }
        if !self.reserve(&mut state, part.end) {
            state.room.give_back(end..part.end);
            part.end = end;
            return false;
        }
        true
    }

    /// Sees to it that there is memory behind the bytes up to here.
    fn reserve(&self, state: &mut State, end: usize) -> bool {
        if end > state.n_reserved {
            // The first part that is free is given, so behind those that were ever given there is nothing.
            if self.sheet.reserve(&(state.n_reserved..end)).is_err() {
                return false;
            }
            state.n_reserved = end;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// How many bytes the value has.
    pub(crate) fn len(&self) -> usize {
        part_of(&self.mark).map_or(0, |part| part.len())
    }
}

/// A value on a worker's shelf, as the parent is told of it: where it lies, and where in it long runs are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lying {
    pub(crate) part: Range<usize>,
    pub(crate) runs: Vec<Range<usize>>,
}

impl Lying {
    /// Appends what is told of a value.
    pub(crate) fn tell(slot: &Slot, told: &mut Vec<u8>) {
        told.extend(slot.mark);
        told.extend(slot.runs.iter().flat_map(|run| mark(run.start, run.len())));
    }

    /// What was told; `None` if it cannot be: a shelf of results is not so long, or the runs are not in their
    /// order, or not in the value.
    pub(crate) fn read(told: &[u8]) -> Option<Self> {
        let (marks, rest) = told.as_chunks::<{ size_of::<Mark>() }>();
        let (first, marks) = marks.split_first()?;
        let part = part_of(first)?;
        if !rest.is_empty() || marks.len() > MOST_RUNS || part.end > RESULT_BYTES {
            return None;
        }
        let mut end = 0;
        let runs = marks.iter().map(|mark| {
            let run = part_of(mark)?;
            let is_behind = run.start >= end;
            end = run.end;
            is_behind.then_some(run)
        });
        let runs = runs.collect::<Option<Vec<_>>>()?;
        (end <= part.len()).then_some(Self { part, runs })
    }

    /// Copies it out of the sheet of a worker, who may write there meanwhile: then it is some bytes. Each long run
    /// gets a vector of its own.
    pub(crate) fn copy_out(&self, sheet: &OwnedFd) -> io::Result<Pieces> {
        let from = |start: usize, run: &Range<usize>| start + run.start..start + run.end;
        let mut rest = Vec::new();
        let mut runs = Vec::with_capacity(self.runs.len());
        let mut end = 0;
        for run in &self.runs {
            sys::append_copy(sheet, &from(self.part.start, &(end..run.start)), &mut rest)?;
            let mut bytes = Vec::new();
            sys::append_copy(sheet, &from(self.part.start, run), &mut bytes)?;
            runs.push((rest.len(), bytes));
            end = run.end;
        }
        sys::append_copy(sheet, &from(self.part.start, &(end..self.part.len())), &mut rest)?;
        Ok(Pieces::new(rest, runs))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shelf.lock().room.give_back(self.part.clone());
    }
}

fn mark(at: usize, len: usize) -> Mark {
    let [at, len] = [at, len].map(|number| u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes());
    let mut mark = Mark::default();
    for (to, from) in mark.iter_mut().zip(at.into_iter().chain(len)) {
        *to = from;
    }
    mark
}

/// The part of a shelf that a mark tells of; `None` if it is no mark. The shelf may be shorter.
pub(crate) fn part_of(mark: &[u8]) -> Option<Range<usize>> {
    let (at, len) = mark.split_first_chunk::<8>()?;
    let [at, len] = [*at, len.try_into().ok()?].map(u64::from_le_bytes);
    let [at, len] = [usize::try_from(at).ok()?, usize::try_from(len).ok()?];
    Some(at..at.checked_add(len)?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use rustix::fs::{FallocateFlags, fallocate};

    use super::there::Arguments;
    use super::{
        ARGUMENT_BYTES, LARGEST_PART, Lying, MOST_RUNS, RESULT_BYTES, Shelf, mark, part_of,
    };
    use crate::sys::{blank_sheet, copy_out};

    #[test]
    fn values_are_read_as_they_were_put_and_their_places_used_again() {
        let shelf = Shelf::for_arguments().unwrap();
        let mut arguments = Arguments::new(shelf.sheet().try_clone().unwrap());
        let text = |n: u8, len: usize| vec![n; len];
        let first = shelf.put(&text(1, 20_000)).unwrap();
        let second = shelf.put(&text(2, 1 << 20)).unwrap();
        assert_eq!((first.len(), second.len()), (20_000, 1 << 20));
        assert!(arguments.get(first.mark()).unwrap() == text(1, 20_000));
        assert!(arguments.get(second.mark()).unwrap() == text(2, 1 << 20));
        let place = *first.mark();
        drop(first);
        let third = shelf.put(&text(3, 20_000)).unwrap();
        assert_eq!(*third.mark(), place, "the first free place is taken");
        assert!(arguments.get(third.mark()).unwrap() == text(3, 20_000));
        assert!(arguments.get(second.mark()).unwrap() == text(2, 1 << 20));
    }

    #[test]
    fn shelf_that_is_full_takes_no_more_and_no_value_that_is_too_large() {
        let shelf = Shelf::for_arguments().unwrap();
        let large = vec![0; ARGUMENT_BYTES / LARGEST_PART + 1];
        assert!(shelf.put(&large).is_none());
        let mut slots: Vec<_> =
            (0..LARGEST_PART).map(|_| shelf.put(&large[1..]).unwrap()).collect();
        assert!(shelf.put(&[1]).is_none());
        slots.pop();
        assert!(shelf.put(&[1]).is_some());
    }

    #[test]
    fn nobody_but_the_parent_writes_arguments() {
        let shelf = Shelf::for_arguments().unwrap();
        let slot = shelf.put(b"as it was").unwrap();
        let mut file = File::from(shelf.sheet().try_clone().unwrap());
        file.write_all(b"otherwise").unwrap_err();
        fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, 4096)
            .unwrap_err();
        file.set_len(0).unwrap_err();
        assert!(super::Sheet::map(file.into()).is_err());
        let mut arguments = Arguments::new(shelf.sheet().try_clone().unwrap());
        assert_eq!(arguments.get(slot.mark()).unwrap(), b"as it was");
    }

    #[test]
    fn what_is_copied_out_is_what_there_is_whatever_the_mark_says() {
        let sheet = blank_sheet(RESULT_BYTES).unwrap();
        let shelf = Shelf::on(sheet.try_clone().unwrap()).unwrap();
        let slot = shelf.put(b"result").unwrap();
        let mut bytes = b"something else".to_vec();
        copy_out(&sheet, &part_of(slot.mark()).unwrap(), &mut bytes).unwrap();
        assert_eq!(bytes, b"result");
        // Marks that somebody scribbles.
        for (at, len) in [(0, RESULT_BYTES + 1), (RESULT_BYTES, 1), (1 << 40, 8), (0, 1 << 60)] {
            let part = part_of(&mark(at, len)).unwrap();
            assert!(copy_out(&sheet, &part, &mut bytes).is_err(), "{at}, {len}");
        }
        for told in [
            [mark(0, RESULT_BYTES + 1)].concat(),
            [mark(RESULT_BYTES, 1)].concat(),
            // Runs that are not there, lie one in the other, or are not in their order.
            [mark(0, 6), mark(0, 7)].concat(),
            [mark(0, 6), mark(6, 1)].concat(),
            [mark(0, 6), mark(0, 4), mark(3, 2)].concat(),
            [mark(0, 6), mark(4, 2), mark(0, 1)].concat(),
            [mark(0, 6); MOST_RUNS + 2].concat(),
            b"short".to_vec(),
            [&mark(0, 6)[..], b"x"].concat(),
            Vec::new(),
        ] {
            assert_eq!(Lying::read(&told), None, "{told:?}");
        }
        let told = [mark(4096, 6), mark(0, 0), mark(0, 4), mark(4, 2)].concat();
        let runs = vec![0..0, 0..4, 4..6];
        assert_eq!(Lying::read(&told), Some(Lying { part: 4096..4102, runs }));
        assert_eq!(part_of(&mark(usize::MAX, 1)), None);
        assert_eq!((part_of(b"short"), part_of(&[0; 17])), (None, None));
    }

    #[test]
    fn marks_of_no_part_are_not_read_and_sheets_that_can_be_cut_not_written() {
        let shelf = Shelf::for_arguments().unwrap();
        let mut arguments = Arguments::new(shelf.sheet().try_clone().unwrap());
        assert!(arguments.get(&mark(ARGUMENT_BYTES, 1)).is_err());
        assert!(arguments.get(&mark(1 << 40, 8)).is_err());
        assert!(arguments.get(b"short").is_err());
        let open = tempfile::tempfile().unwrap();
        open.set_len(4096).unwrap();
        assert!(Shelf::on(open.into()).is_none());
    }
}
