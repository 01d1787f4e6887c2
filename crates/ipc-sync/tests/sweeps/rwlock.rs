//! The scenarios on a lock for readers and writers.

use ipc_sync::{LockError, Readers, RwLock, RwLockReadGuard, RwLockWriteGuard};
use testkit::kill::{KillPoint, Partner, Sweep};
use testkit::{Counter, Outcome, SharedArena, child};

use super::{expect, run};

/// What a round shares.
struct Shared {
    /// Two numbers that are always equal when nobody writes, and one slot for readers.
    pair: RwLock<[u64; 2]>,
    notes: SharedArena<Counter>,
}

// Places in the notes.
const INSIDE: usize = 0;
const LEAVE: usize = 1;

fn shared() -> Shared {
    ipc_sync::raw::set_spin(0);
    let one = Readers::new(1).unwrap();
    Shared { pair: RwLock::with_readers([0, 0], one).unwrap(), notes: SharedArena::new(2) }
}

fn sweep<'a>(name: &str) -> Sweep<'a, Shared> {
    Sweep::new(name, shared)
}

/// Goes through the code once, so that the sweep sees the operation alone.
fn warm_up() {
    let other = RwLock::new([0, 0]).unwrap();
    drop(other.read().unwrap());
    drop(RwLockWriteGuard::downgrade(other.write().unwrap()));
    other.update(|pair| pair).unwrap();
}

/// Lets a process die while it does `what`, before this one goes on.
fn after(what: impl Fn(&Shared)) -> Shared {
    let shared = shared();
    assert!(
        child::fork(|| {
            what(&shared);
            0
        })
        .wait()
        .is_success()
    );
    shared
}

/// How the first to write after a death found the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Whole([u64; 2]),
    OwnerDied([u64; 2]),
    Poisoned([u64; 2]),
}

/// Writes, recovers the value if need be, and sees that the lock works from then on.
fn recovered(lock: &RwLock<[u64; 2]>) -> Result<Found, String> {
    let found = match lock.write() {
        Ok(pair) => Found::Whole(*pair),
        Err(LockError::OwnerDied(recovery)) => {
            let found = Found::OwnerDied(recovery.get());
            drop(recovery.recover(|pair| *pair = [5, 5]));
            found
        }
        Err(LockError::Poisoned(recovery)) => {
            let found = Found::Poisoned(recovery.get());
            drop(recovery.recover(|pair| *pair = [5, 5]));
            found
        }
        Err(error) => return Err(error.without_lock().to_string()),
    };
    for _ in 0..2 {
        lock.update(|[first, second]| [first + 1, second + 1])
            .map_err(|error| error.without_lock().to_string())?;
        let pair = lock.read().map_err(|error| error.without_lock().to_string())?;
        expect(pair[0] == pair[1], || format!("half a change: {:?}", *pair))?;
    }
    let stats = lock.stats();
    expect(stats.writer.is_none() && stats.readers.is_empty(), || format!("held: {stats:?}"))?;
    expect(!stats.is_poisoned, || format!("told again: {stats:?}"))?;
    Ok(found)
}

/// That nobody died writing.
fn is_whole(shared: &Shared, expected: &[[u64; 2]]) -> Result<(), String> {
    match recovered(&shared.pair)? {
        Found::Whole(pair) if expected.contains(&pair) => Ok(()),
        found => Err(format!("{found:?}")),
    }
}

/// That a victim which was to write has done nothing, all of it, or is told of.
fn is_told(shared: &Shared, point: &KillPoint) -> Result<(), String> {
    match recovered(&shared.pair)? {
        Found::Whole([1, 1]) => Ok(()),
        Found::Whole([0, 0]) | Found::OwnerDied(_) if *point != KillPoint::Survived => Ok(()),
        found => Err(format!("{found:?}")),
    }
}

/// One that comes in to read, whatever it is told, and leaves.
fn reader(shared: &Shared) -> i32 {
    match shared.pair.read() {
        Ok(pair) => i32::from(pair[0] != pair[1]),
        Err(LockError::OwnerDied(_) | LockError::Poisoned(_)) => 0,
        Err(_) => 1,
    }
}

/// One that comes in to write, whatever it is told, and leaves.
fn writer(shared: &Shared) -> i32 {
    match shared.pair.write() {
        Ok(pair) => i32::from(pair[0] != pair[1]),
        // The check shall be told in its place.
        Err(LockError::OwnerDied(recovery) | LockError::Poisoned(recovery)) => {
            i32::from(RwLockWriteGuard::is_consistent(&recovery.into_guard()))
        }
        Err(_) => 1,
    }
}

fn holding<'a>(name: &str, body: impl Fn(&Shared) + 'a) -> Partner<'a, Shared> {
    let body = move |shared: &Shared| {
        body(shared);
        0
    };
    Partner::holder(name, body, |shared| shared.notes[INSIDE].get() == 1)
}

fn stay(shared: &Shared) {
    shared.notes[INSIDE].set(1);
    shared.notes[LEAVE].wait_until(|leave| leave == 1);
}

fn reading<'a>() -> Partner<'a, Shared> {
    holding("reading", |shared| {
        let _guard = shared.pair.read().unwrap();
        stay(shared);
    })
}

fn writing<'a>() -> Partner<'a, Shared> {
    holding("writing", |shared| {
        let _guard = shared.pair.write().unwrap();
        stay(shared);
    })
}

/// Lets the partner leave that is inside.
fn leave(shared: &Shared) {
    shared.notes[LEAVE].set(1);
}

/// Comes in to write between the victim's last instruction and its death, if that is possible, and
/// leaves after the death.
fn barge(shared: &Shared) -> Box<dyn FnOnce() + '_> {
    let guard = shared.pair.try_write().ok();
    Box::new(move || drop(guard))
}

fn add(pair: [u64; 2]) -> [u64; 2] {
    [pair[0] + 1, pair[1] + 1]
}

pub(super) fn read_a_free_one() -> Outcome {
    run(sweep("read")
        .victim(|shared, marks| {
            warm_up();
            drop(marks.around(|| shared.pair.read()));
        })
        .check(|shared, _| is_whole(shared, &[[0, 0]])))
}

pub(super) fn read_and_leave_while_a_writer_comes() -> Outcome {
    run(sweep("read and leave, barge")
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| drop(shared.pair.read()));
        })
        .partner(Partner::latecomer("writer", writer))
        .barge(barge)
        .check(|shared, _| is_whole(shared, &[[0, 0]])))
}

pub(super) fn write_to_a_free_one() -> Outcome {
    let committed = SharedArena::<Counter>::new(1);
    run(sweep("write")
        .victim(|shared, marks| {
            warm_up();
            drop(marks.around(|| shared.pair.write()));
        })
        .check(|shared, point| {
            // There is one commit point: who dies behind it leaves a lock that tells of it.
            let told = match recovered(&shared.pair)? {
                Found::Whole([0, 0]) => false,
                Found::OwnerDied([0, 0]) if *point != KillPoint::Survived => true,
                found => return Err(format!("{found:?}")),
            };
            expect(told || committed[0].get() == 0 || *point == KillPoint::Survived, || {
                "a death behind the commit point was not told".to_owned()
            })?;
            committed[0].set(u64::from(told));
            Ok(())
        }))
}

pub(super) fn update() -> Outcome {
    run(sweep("update")
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.pair.update(add)).unwrap();
        })
        .check(is_told))
}

pub(super) fn leave_reading_while_a_writer_sleeps() -> Outcome {
    run(sweep("leave reading")
        .partner(Partner::sleeper("writer", writer))
        .partner(Partner::sleeper("reader", reader))
        .victim(|shared, marks| {
            warm_up();
            let guard = shared.pair.read();
            marks.around(|| drop(guard));
        })
        .barge(barge)
        .check(|shared, _| is_whole(shared, &[[0, 0]])))
}

pub(super) fn leave_writing_while_two_sleep() -> Outcome {
    run(sweep("leave writing")
        .partner(Partner::sleeper("writer", writer))
        .partner(Partner::sleeper("reader", reader))
        .victim(|shared, marks| {
            warm_up();
            let mut guard = shared.pair.write().unwrap();
            *guard = [1, 1];
            marks.around(|| drop(guard));
        })
        .barge(barge)
        .check(|shared, point| match recovered(&shared.pair)? {
            Found::Whole([1, 1]) => Ok(()),
            // One of the two was told already.
            Found::Poisoned([1, 1]) if *point != KillPoint::Survived => Ok(()),
            found => Err(format!("{found:?}")),
        }))
}

pub(super) fn wait_to_read_behind_a_writer() -> Outcome {
    run(sweep("wait to read")
        .partner(writing())
        .partner(Partner::sleeper("reader", reader))
        .victim(|shared, marks| {
            warm_up();
            drop(marks.around(|| shared.pair.read()));
        })
        .while_asleep(leave)
        .barge(barge)
        .after_death(leave)
        .check(|shared, _| is_whole(shared, &[[0, 0]])))
}

pub(super) fn wait_to_write_behind_a_reader() -> Outcome {
    run(sweep("wait to write")
        .partner(reading())
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.pair.update(add)).unwrap();
        })
        .partner(Partner::latecomer("writer", writer))
        .partner(Partner::latecomer("reader", reader))
        .while_asleep(leave)
        .barge(barge)
        .after_death(leave)
        .check(|shared, point| match recovered(&shared.pair)? {
            // One of the two was told already.
            Found::Poisoned(_) if *point != KillPoint::Survived => Ok(()),
            Found::Whole([1, 1]) => Ok(()),
            Found::Whole([0, 0]) if *point != KillPoint::Survived => Ok(()),
            found => Err(format!("{found:?}")),
        }))
}

pub(super) fn wait_for_a_slot() -> Outcome {
    run(sweep("wait for a slot")
        .partner(reading())
        .victim(|shared, marks| {
            warm_up();
            drop(marks.around(|| shared.pair.read()));
        })
        .partner(Partner::latecomer("reader", reader))
        .partner(Partner::latecomer("writer", writer))
        .while_asleep(leave)
        .barge(barge)
        .after_death(leave)
        .check(|shared, _| is_whole(shared, &[[0, 0]])))
}

pub(super) fn write_after_a_dead_reader() -> Outcome {
    let died_reading = || after(|shared| std::mem::forget(shared.pair.read().unwrap()));
    run(Sweep::new("write after a dead reader", died_reading)
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.pair.update(add)).unwrap();
        })
        .check(is_told))
}

pub(super) fn read_after_a_dead_reader() -> Outcome {
    let died_reading = || after(|shared| std::mem::forget(shared.pair.read().unwrap()));
    run(Sweep::new("read after a dead reader", died_reading)
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| drop(shared.pair.read().unwrap()));
        })
        .check(|shared, _| is_whole(shared, &[[0, 0]])))
}

/// Leaves half a change and a dead writer.
fn half_changed() -> Shared {
    after(|shared| {
        let mut pair = shared.pair.write().unwrap();
        pair[0] = 7;
        std::mem::forget(pair);
    })
}

pub(super) fn read_after_a_dead_writer() -> Outcome {
    run(Sweep::new("read after a dead writer", half_changed)
        .victim(|shared, marks| {
            warm_up();
            let told = marks.around(|| shared.pair.read());
            assert!(told.is_err_and(|error| error.is_owner_died()));
        })
        .check(|shared, point| match recovered(&shared.pair)? {
            Found::Poisoned([7, 0]) => Ok(()),
            Found::OwnerDied([7, 0]) if *point != KillPoint::Survived => Ok(()),
            found => Err(format!("{found:?}")),
        }))
}

pub(super) fn recover_after_a_dead_writer() -> Outcome {
    run(Sweep::new("recover after a dead writer", half_changed)
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| {
                let recovery = shared.pair.write().unwrap_err().into_inner();
                drop(recovery.map(|recovery| recovery.recover(|pair| *pair = [2, 2])));
            });
        })
        .check(|shared, point| match recovered(&shared.pair)? {
            Found::Whole([2, 2]) => Ok(()),
            Found::OwnerDied(_) if *point != KillPoint::Survived => Ok(()),
            found => Err(format!("{found:?}")),
        }))
}

pub(super) fn become_a_reader_while_a_writer_sleeps() -> Outcome {
    run(sweep("downgrade")
        .partner(Partner::sleeper("writer", writer))
        .victim(|shared, marks| {
            warm_up();
            let mut guard = shared.pair.write().unwrap();
            *guard = [1, 1];
            let guard: Result<RwLockReadGuard<'_, _>, _> =
                marks.around(|| RwLockWriteGuard::downgrade(guard));
            drop(guard);
        })
        .check(|shared, point| match recovered(&shared.pair)? {
            Found::Whole([1, 1]) => Ok(()),
            // The one who slept was told already.
            Found::Poisoned([1, 1]) if *point != KillPoint::Survived => Ok(()),
            found => Err(format!("{found:?}")),
        }))
}
