//! The scenarios on blocks of bytes and arrays.

use ipc_core::ProcessId;
use rustix::fs::fstat;
use shm_value::{Array, ArrayGuard, SharedMemory};
use testkit::Outcome;
use testkit::kill::{KillPoint, Sweep};

use super::{expect, run};

pub(super) fn grow() -> Outcome {
    run(Sweep::new("grow", || SharedMemory::new(100).unwrap())
        .victim(|memory, marks| {
            let other = SharedMemory::new(100).unwrap();
            other.grow(10_000).unwrap();
            marks.around(|| memory.grow(10_000)).unwrap();
        })
        .check(|memory, point| {
            let size = memory.size();
            let is_right = size == 10_000 || size == 100 && *point != KillPoint::Survived;
            expect(is_right, || format!("{size} bytes"))?;
            let stat = fstat(memory.segment()).map_err(|error| error.to_string())?;
            let is_there = stat.st_blocks * 512 >= i64::try_from(size).unwrap();
            expect(is_there, || format!("{size} bytes, for which there is no memory"))?;
            memory.grow(20_000).map_err(|error| error.to_string())?;
            memory.set(19_992, 7_u64).map_err(|error| error.to_string())?;
            let found = memory.get::<u64>(19_992).map_err(|error| error.to_string())?;
            expect(found == 7 && memory.size() == 20_000, || "not grown".to_owned())
        }))
}

/// Whoever meets values that are half changed is told.
pub(super) fn write_an_array() -> Outcome {
    run(Sweep::new("write an array", || Array::from_slice(&[7_u64; 6]).unwrap())
        .victim(|array, marks| {
            let other = Array::from_slice(&[7_u64; 6]).unwrap();
            other.copy_in(0, &[8; 6]).unwrap();
            marks.around(|| array.copy_in(0, &[8; 6])).unwrap();
        })
        .check(|array, point| {
            let guard = match array.write() {
                Ok(guard) => {
                    let is_whole = *guard == [7; 6] || *guard == [8; 6];
                    expect(is_whole, || format!("{guard:?}, and nobody was told"))?;
                    guard
                }
                Err(error) => {
                    expect(*point != KillPoint::Survived, || "nobody died".to_owned())?;
                    let mut guard = error.into_inner().ok_or("it cannot be locked")?;
                    guard.fill(9);
                    ArrayGuard::mark_consistent(&mut guard);
                    guard
                }
            };
            drop(guard);
            array.copy_in(0, &[1, 2, 3]).map_err(|error| error.to_string())?;
            let found = array.get(2).map_err(|error| error.to_string())?;
            expect(found == 3, || format!("{found}"))
        }))
}

/// Whoever dies making a name, or owning it, leaves a name that the next can have, and nothing else.
pub(super) fn create_a_name() -> Outcome {
    let pid = ProcessId::current()?.pid();
    let name = format!("shm-value-sweep-{pid}");
    let left = || std::fs::exists(format!("/dev/shm/{name}"));
    run(Sweep::new("create a name", || ())
        .victim(|(), marks| {
            drop(SharedMemory::create(&format!("{name}-other"), 100).unwrap());
            let memory = marks.around(|| SharedMemory::create(&name, 100)).unwrap();
            memory.write(0, b"x").unwrap();
        })
        .check(|(), _| {
            let memory = SharedMemory::create(&name, 200).map_err(|error| error.to_string())?;
            let found = memory.get::<u8>(0).map_err(|error| error.to_string())?;
            expect(found == 0 && memory.size() == 200, || "it is not new".to_owned())?;
            drop(memory);
            expect(matches!(left(), Ok(false)), || "the name is left".to_owned())
        }))
}
