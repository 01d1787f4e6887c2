//! Bytes that nobody can change.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;

use ipc_core::wire;
use shm_value::{FrozenMemory, MemoryError, SharedMemory};
use testkit::Outcome;

use crate::together::{in_child, passed};

pub(crate) fn frozen_bytes_are_borrowed_by_all() -> Outcome {
    let frozen = FrozenMemory::build(16, |bytes| {
        bytes[..8].copy_from_slice(&1_u64.to_le_bytes());
        bytes[8..].copy_from_slice(&2_u64.to_le_bytes());
    })?;
    assert_eq!(frozen.as_slice_of::<u64>()?, [1, 2]);
    let received: FrozenMemory = wire::decode(wire::encode(&frozen)?)?;
    assert_eq!(*received, *frozen);
    in_child(|| received.as_slice_of::<u32>().is_ok_and(|words| words == [1, 0, 2, 0]));
    assert!(matches!(FrozenMemory::build(0, |_| ()), Err(MemoryError::BadSize)));
    let odd = FrozenMemory::build(3, |bytes| bytes.fill(7))?;
    assert!(matches!(odd.as_slice_of::<u16>(), Err(MemoryError::Corrupt)));
    assert_eq!(*odd, [7; 3]);
    passed()
}

pub(crate) fn nobody_writes_frozen_memory() -> Outcome {
    let frozen = FrozenMemory::build(16, |bytes| bytes.fill(1))?;
    let mut file = File::from(frozen.as_fd().try_clone_to_owned()?);
    assert!(file.write_all(b"x").is_err());
    assert!(file.set_len(1).is_err());
    assert!(file.set_len(100).is_err());
    assert_eq!(*frozen, [1; 16]);
    passed()
}

pub(crate) fn what_is_not_frozen_is_refused() -> Outcome {
    let memory = SharedMemory::new(16)?;
    let fd = memory.segment().as_fd().try_clone_to_owned()?;
    assert!(matches!(FrozenMemory::from_fd(fd), Err(MemoryError::NotFrozen)));
    let (pipe, _) = std::io::pipe()?;
    assert!(matches!(FrozenMemory::from_fd(pipe.into()), Err(MemoryError::NotFrozen)));
    assert!(wire::decode::<FrozenMemory>(wire::encode(memory.segment())?).is_err());
    passed()
}

pub(crate) fn a_block_can_be_frozen() -> Outcome {
    let memory = SharedMemory::new(5)?;
    memory.write(0, b"hello")?;
    let frozen = memory.freeze()?;
    memory.write(0, b"later")?;
    assert_eq!(&*frozen, b"hello");
    passed()
}
