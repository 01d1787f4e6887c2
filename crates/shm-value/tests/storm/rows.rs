//! A list, an array in parts and a block that grows, and a name that is made and taken away.

use ipc_core::{ProcessId, SegmentError};
use ipc_sync::LockError;
use shm_value::{Array, ArrayError, ArrayGuard, Item, MemoryError, ShareableList, SharedMemory};
use testkit::kill::{Storm, Worker};
use testkit::{Counter, Outcome, SharedArena};

use super::{LONGEST_STALL, ended};

const N_CHANGERS: usize = 3;
const N_ITEMS: usize = 4;
const N_PARTS: usize = 3;
const PART: usize = 50;
/// How long an item can be.
const LONGEST: usize = 40;

struct Stormed {
    /// Texts of one letter each, as often as the letter says.
    list: ShareableList,
    /// In each part, all values are equal.
    array: Array<u64>,
    /// In its last eight bytes is its size, or they are new.
    memory: SharedMemory,
    name: String,
    /// How often the array was found half changed.
    repairs: SharedArena<Counter>,
    /// How often the name was made.
    names: SharedArena<Counter>,
}

pub(crate) fn storm(name: &str, kills: u64) -> Outcome {
    let stormed = Stormed {
        list: ShareableList::new((0..N_ITEMS).map(|_| Item::from("x".repeat(LONGEST))))?,
        array: Array::zeroed_in_parts(N_PARTS * PART, N_PARTS)?,
        memory: SharedMemory::new(8)?,
        name: format!("shm-value-storm-{}", ProcessId::current()?.pid()),
        repairs: SharedArena::new(1),
        names: SharedArena::new(1),
    };
    (0..N_ITEMS).try_for_each(|idx| stormed.list.set(idx, text(0)))?;
    let end = Storm::new(name, &stormed)
        .role("changer", N_CHANGERS, |stormed, me| ended(stormed.change(me)))
        .role("reader", 2, |stormed, me| ended(stormed.read(me)))
        .kills(if testkit::full() { kills * 50 } else { kills })
        .longest_stall(LONGEST_STALL)
        .run()?;
    let mut sum = 0;
    for part in 0..N_PARTS {
        sum += match stormed.array.read_part(part) {
            Ok(values) => equal(&values)?,
            // Nobody came after the last who died in it.
            Err(ArrayError::Lock(LockError::OwnerDied(()) | LockError::Poisoned(()))) => 1,
            Err(error) => return Err(error.into()),
        };
    }
    let n_names = stormed.names[0].get();
    if sum == 0 || n_names == 0 || stormed.repairs[0].get() > end.kills {
        return Err(format!("a sum of {sum}, {n_names} names").into());
    }
    // Whoever made the name last is dead or has taken it away.
    if let Ok(memory) = SharedMemory::open(&stormed.name) {
        return Err(format!("{memory:?} is left").into());
    }
    if std::fs::exists(format!("/dev/shm/{}", stormed.name))? {
        return Err("a name is left".into());
    }
    Ok(end.report(sum, 0, 0).into())
}

impl Stormed {
    fn change(&self, me: &Worker<'_>) -> Result<(), String> {
        let mut rng = me.rng("changes");
        while !me.should_stop() {
            let item = text(rng.index(LONGEST));
            self.list.set(rng.index(N_ITEMS), item).map_err(|error| error.to_string())?;
            self.write_part(rng.index(N_PARTS))?;
            if rng.chance(100) {
                self.grow()?;
            }
            if rng.chance(20) {
                self.make_name()?;
            }
            me.got_on();
        }
        Ok(())
    }

    fn write_part(&self, part: usize) -> Result<(), String> {
        let mut guard = match self.array.write_part(part) {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(mut guard) | LockError::Poisoned(mut guard)) => {
                self.repairs[0].add(1);
                let most = guard.iter().copied().max().unwrap_or(0);
                guard.fill(most);
                ArrayGuard::mark_consistent(&mut guard);
                guard
            }
            Err(error) => return Err(error.to_string()),
        };
        equal(&guard)?;
        guard.iter_mut().for_each(|value| *value += 1);
        Ok(())
    }

    fn grow(&self) -> Result<(), String> {
        let size = (self.memory.size() + 1000).next_multiple_of(8);
        self.memory.grow(size).map_err(|error| error.to_string())?;
        // Another may have made it longer still.
        self.memory.set(size - 8, size as u64).map_err(|error| error.to_string())
    }

    fn make_name(&self) -> Result<(), String> {
        match SharedMemory::create(&self.name, 100) {
            Ok(memory) => {
                self.names[0].add(1);
                memory.set(0, 7_u64).map_err(|error| error.to_string())
            }
            Err(MemoryError::Segment(SegmentError::AlreadyExists | SegmentError::NotFound)) => {
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn read(&self, me: &Worker<'_>) -> Result<(), String> {
        let mut rng = me.rng("looks");
        let mut last_size = 0;
        while !me.should_stop() {
            let item = self.list.get(rng.index(N_ITEMS)).map_err(|error| error.to_string())?;
            if !(0..LONGEST).any(|len| text(len) == item) {
                return Err(format!("{item:?} was never set"));
            }
            match self.array.read_part(rng.index(N_PARTS)) {
                Ok(values) => equal(&values).map(drop)?,
                Err(ArrayError::Lock(LockError::OwnerDied(()) | LockError::Poisoned(()))) => {}
                Err(error) => return Err(error.to_string()),
            }
            let size = self.memory.size();
            let end = self.memory.get::<u64>(size - 8).map_err(|error| error.to_string())?;
            if size < last_size || ![0, size as u64].contains(&end) {
                return Err(format!("{size} bytes after {last_size}, and at their end {end}"));
            }
            last_size = size;
            match SharedMemory::open(&self.name).map(|memory| memory.get::<u64>(0)) {
                Ok(Ok(0 | 7)) => {}
                Err(MemoryError::Segment(SegmentError::NotFound)) => {}
                opened => return Err(format!("{opened:?}")),
            }
            me.got_on();
        }
        Ok(())
    }
}

/// A text that shows whether it is whole.
fn text(len: usize) -> Item {
    let letter = char::from(b'A' + u8::try_from(len).unwrap_or(0));
    Item::from(letter.to_string().repeat(len))
}

/// The number that all values are.
fn equal(values: &[u64]) -> Result<u64, String> {
    let first = values.first().copied().unwrap_or(0);
    let is_whole = values.iter().all(|value| *value == first);
    is_whole.then_some(first).ok_or_else(|| format!("torn: {values:?}"))
}
