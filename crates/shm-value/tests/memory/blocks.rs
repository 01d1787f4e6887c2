//! Bytes that are written, read, and become more.

use ipc_core::SegmentError;
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::wire;
use shm_value::{MemoryError, SharedMemory};
use testkit::Outcome;

use crate::together::{finish, in_child, passed, start};

pub(crate) fn what_one_writes_another_reads() -> Outcome {
    let memory = SharedMemory::new(100)?;
    assert_eq!((memory.size(), memory.to_vec()?), (100, vec![0; 100]));
    in_child(|| memory.write(7, b"hello").is_ok() && memory.set(50, -1.5_f64).is_ok());
    let mut bytes = [0; 7];
    memory.read(6, &mut bytes)?;
    assert_eq!(&bytes, b"\0hello\0");
    assert_eq!(memory.get::<f64>(50)?.to_bits(), (-1.5_f64).to_bits());
    passed()
}

pub(crate) fn neighbors_keep_their_bytes() -> Outcome {
    const EACH: usize = 20_000;
    let memory = SharedMemory::new(9)?;
    // Both write into the same word.
    let writers: Vec<_> = [0, 3]
        .map(|offset| {
            let memory = memory.clone();
            start(move || {
                (0..EACH).all(|round| {
                    let byte = round.to_le_bytes()[0];
                    let mut found = [0; 3];
                    memory.write(offset, &[byte; 3]).is_ok()
                        && memory.read(offset, &mut found).is_ok()
                        && found == [byte; 3]
                })
            })
        })
        .into();
    writers.into_iter().for_each(finish);
    passed()
}

pub(crate) fn what_is_outside_is_refused() -> Outcome {
    let memory = SharedMemory::new(10)?;
    let mut two = [0; 2];
    for offset in [9, 10, 11, usize::MAX] {
        assert!(matches!(memory.read(offset, &mut two), Err(MemoryError::OutOfBounds { .. })));
        assert!(matches!(memory.write(offset, &two), Err(MemoryError::OutOfBounds { .. })));
        assert!(matches!(memory.get::<u64>(offset), Err(MemoryError::OutOfBounds { .. })));
    }
    memory.write(8, &[1, 2])?;
    memory.read(10, &mut [])?;
    assert!(matches!(SharedMemory::new(0), Err(MemoryError::BadSize)));
    passed()
}

pub(crate) fn a_block_grows_for_all() -> Outcome {
    let memory = SharedMemory::new(10)?;
    memory.write(0, b"0123456789")?;
    let other = memory.clone();
    in_child(|| memory.grow(100_000).is_ok() && memory.write(99_990, b"9876543210").is_ok());
    assert_eq!((other.size(), other.generation()), (100_000, 1));
    let mut bytes = [0; 10];
    other.read(99_990, &mut bytes)?;
    assert_eq!(&bytes, b"9876543210");
    other.read(0, &mut bytes)?;
    assert_eq!(&bytes, b"0123456789");
    // Neither less nor the same is a change.
    other.grow(10)?;
    assert_eq!((memory.size(), memory.generation()), (100_000, 1));
    for size in [100_001, 1 << 20, 5 << 20] {
        memory.grow(size)?;
        other.set(size - 8, size)?;
        assert_eq!(memory.get::<usize>(size - 8)?, size);
    }
    other.read(0, &mut bytes)?;
    assert_eq!(&bytes, b"0123456789");
    passed()
}

pub(crate) fn a_block_cannot_grow_for_ever() -> Outcome {
    let memory = SharedMemory::new(10)?;
    for size in [memory.max_size() + 1, usize::MAX] {
        let refused = memory.grow(size);
        assert!(matches!(refused, Err(MemoryError::Segment(SegmentError::NoSpace { .. }))));
    }
    assert_eq!((memory.size(), memory.generation()), (10, 0));
    passed()
}

pub(crate) fn values_are_checked() -> Outcome {
    let memory = SharedMemory::new(10)?;
    memory.write(9, &[2])?;
    assert!(matches!(memory.get::<bool>(9), Err(MemoryError::Corrupt)));
    assert!(!memory.get::<bool>(8)?);
    memory.set(3, 'ä')?;
    assert_eq!(memory.get::<char>(3)?, 'ä');
    passed()
}

pub(crate) fn a_block_that_travels_is_the_same() -> Outcome {
    let memory = SharedMemory::new(10)?;
    let received: SharedMemory = wire::decode(wire::encode(&memory)?)?;
    received.write(0, b"hello")?;
    assert_eq!(memory.to_vec()?, b"hello\0\0\0\0\0");
    // What is no block does not become one.
    let value = shm_value::Value::new(1_u64)?;
    assert!(
        wire::decode::<SharedMemory>(wire::encode(&(value.segment(), None::<String>))?).is_err()
    );
    passed()
}

pub(crate) fn a_size_that_lies_is_not_believed() -> Outcome {
    let memory = SharedMemory::new(10)?;
    let size: &AtomicU64 = memory.segment().at(64)?;
    size.store(u64::MAX, Relaxed);
    assert_eq!(memory.size(), memory.max_size());
    let beyond = memory.read(memory.max_size(), &mut [0]);
    assert!(matches!(beyond, Err(MemoryError::OutOfBounds { .. })));
    // There is no memory there yet, but there are addresses.
    assert_eq!(memory.get::<u64>(1 << 30)?, 0);
    size.store(0, Relaxed);
    assert!(memory.read(0, &mut [0]).is_err());
    passed()
}
