//! Any memory that pretends to be a segment.
#![no_main]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::OnceLock;

use ipc_core::{Kind, Segment};
use libfuzzer_sys::{Corpus, fuzz_target};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

const KIND: Kind = Kind::new(*b"fuzzed\0\0", 1);
const HASH: u64 = 0x5eed;
const LEN: usize = 64;

fuzz_target!(|data: &[u8]| -> Corpus {
    // Bytes are what differs from a good segment, so that zeros are one, and a fuzzer that knows
    // nothing of the header gets past its first field.
    let Some(good) = good() else { return Corpus::Reject };
    let len = data.len().max(1);
    let changed: Vec<u8> =
        (0..len).map(|at| data.get(at).unwrap_or(&0) ^ good.get(at).unwrap_or(&0)).collect();
    let Some(fd) = memory(&changed) else { return Corpus::Reject };
    if let Ok(segment) = Segment::from_fd(fd, KIND, HASH) {
        assert!(segment.len() + 128 == changed.len());
        // All of it can be touched.
        let last = segment.bytes_at(segment.len(), 0).expect("the end is inside");
        assert!(segment.bytes_at(segment.len(), 1).is_err());
        assert!(last.len() == 0);
    }
    Corpus::Keep
});

/// A segment as a stranger makes it: sealed memory with these bytes.
fn memory(bytes: &[u8]) -> Option<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("fuzzed", flags).ok()?);
    file.write_all(bytes).ok()?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).ok()?;
    Some(file.into())
}

/// The bytes of a good segment.
fn good() -> Option<&'static [u8]> {
    static GOOD: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let good = GOOD.get_or_init(|| {
        let segment = Segment::create(KIND, HASH, LEN).ok()?;
        let mut file = File::from(segment.as_fd().try_clone_to_owned().ok()?);
        // The position is shared and was never moved.
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    });
    good.as_deref()
}
