//! Blocks with a name, and whose it is.

use ipc_core::{ProcessId, Segment, SegmentError};
use shm_value::{MemoryError, SharedMemory};
use testkit::child::{self, Child};
use testkit::leaks::Snapshot;
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{in_child, passed};

/// A name that nobody else has.
fn name(purpose: &str) -> String {
    let pid = ProcessId::current().unwrap().pid();
    format!("shm-value-{purpose}-{pid}")
}

pub(crate) fn names_are_as_in_python() -> Outcome {
    let name = name("python");
    let memory = SharedMemory::create(&name, 10)?;
    assert_eq!((memory.size(), memory.name()), (10, Some(name.as_str())));
    // FileExistsError, FileNotFoundError, and ValueError for a size of none and for bad names.
    assert!(SharedMemory::create(&name, 10).unwrap_err().is_already_exists());
    assert!(SharedMemory::open("no-such-block").unwrap_err().is_not_found());
    assert!(matches!(SharedMemory::create(&name, 0), Err(MemoryError::BadSize)));
    for bad in ["", "a\0b", "a/b", ".."] {
        assert!(SharedMemory::create(bad, 10).unwrap_err().is_bad_name(), "{bad:?}");
        assert!(SharedMemory::open(bad).unwrap_err().is_bad_name(), "{bad:?}");
    }
    let opened = SharedMemory::open(&name)?;
    opened.write(0, b"x")?;
    assert_eq!((memory.get::<u8>(0)?, opened.size()), (b'x', 10));
    memory.unlink()?;
    assert!(matches!(memory.unlink(), Err(MemoryError::Segment(SegmentError::NotFound))));
    assert!(SharedMemory::open(&name).unwrap_err().is_not_found());
    // Those who have it keep it.
    assert_eq!(opened.get::<u8>(0)?, b'x');
    passed()
}

pub(crate) fn only_the_owner_takes_a_name_away() -> Outcome {
    let name = name("owner");
    let memory = SharedMemory::create(&name, 10)?;
    let opened = SharedMemory::open(&name)?;
    assert!(matches!(opened.unlink(), Err(MemoryError::NotOwner)));
    assert!(matches!(opened.keep(), Err(MemoryError::NotOwner)));
    assert!(matches!(SharedMemory::new(1)?.unlink(), Err(MemoryError::NotOwner)));
    in_child(|| matches!(memory.unlink(), Err(MemoryError::NotOwner)));
    // A clone in the same process is as good as the handle itself.
    memory.clone().unlink()?;
    passed()
}

pub(crate) fn who_opens_leaves_the_name() -> Outcome {
    let name = name("opener");
    let mut memory = Some(SharedMemory::create(&name, 10)?);
    in_child(|| {
        let opened = SharedMemory::open(&name).unwrap();
        drop(opened);
        // The handle that was inherited, too.
        drop(memory.take());
        true
    });
    assert!(SharedMemory::open(&name).is_ok());
    passed()
}

pub(crate) fn a_name_ends_with_its_owner() -> Outcome {
    let name = name("end");
    let memory = SharedMemory::create(&name, 10)?;
    let other = memory.clone();
    let opened = SharedMemory::open(&name)?;
    drop(memory);
    assert!(SharedMemory::open(&name).is_ok(), "a clone is left");
    drop(other);
    assert!(SharedMemory::open(&name).unwrap_err().is_not_found());
    opened.write(0, b"x")?;
    passed()
}

/// A process that owns a name, and waits to be killed.
fn owner(name: &str) -> Result<Child, MemoryError> {
    let ready = SharedArena::<Counter>::new(2);
    let child = child::fork(|| {
        let memory = SharedMemory::create(name, 10).unwrap();
        ready[0].set(1);
        ready[1].wait_until(|end| end == 1);
        drop(memory);
        0
    });
    ready[0].wait_until(|ready| ready == 1);
    assert!(SharedMemory::create(name, 10).unwrap_err().is_already_exists(), "it lives");
    Ok(child)
}

pub(crate) fn a_killed_owners_name_is_nobodys() -> Outcome {
    let name = name("killed");
    let before = Snapshot::with_names(&name);
    let mut first = owner(&name)?;
    let opened = SharedMemory::open(&name)?;
    opened.write(0, b"x")?;
    first.kill();
    first.wait();
    drop(first);
    assert!(SharedMemory::open(&name).unwrap_err().is_not_found());
    assert_eq!(opened.get::<u8>(0)?, b'x', "who had it keeps it");
    drop(opened);
    // The next who wants the name gets it.
    let mut second = owner(&name)?;
    second.kill();
    second.wait();
    drop(second);
    let memory = SharedMemory::create(&name, 20)?;
    assert_eq!(memory.get::<u8>(0)?, 0);
    assert!(SharedMemory::open(&name)?.size() == 20);
    drop(memory);
    before.assert_none();
    passed()
}

pub(crate) fn a_kept_name_stays() -> Outcome {
    let name = name("kept");
    in_child(|| {
        let memory = SharedMemory::create(&name, 10).unwrap();
        memory.write(0, b"x").unwrap();
        memory.keep().is_ok()
    });
    assert_eq!(SharedMemory::open(&name)?.get::<u8>(0)?, b'x');
    assert!(SharedMemory::create(&name, 10).unwrap_err().is_already_exists());
    Segment::unlink(&name)?;
    passed()
}

pub(crate) fn nothing_is_left_of_blocks() -> Outcome {
    let name = name("left");
    drop(SharedMemory::create(&name, 10)?);
    let before = Snapshot::with_names(&name);
    for _ in 0..3 {
        let memory = SharedMemory::create(&name, 10)?;
        memory.write(0, b"x")?;
        memory.grow(1 << 20)?;
        memory.write(1 << 19, b"x")?;
        drop(memory.freeze()?);
        let nameless = SharedMemory::new(10)?;
        nameless.write(0, b"x")?;
        in_child(|| memory.write(1, b"y").is_ok() && nameless.grow(10_000).is_ok());
    }
    before.assert_none();
    passed()
}
