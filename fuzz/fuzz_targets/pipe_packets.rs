//! Any packets from a stranger, with descriptors of any sort, received as values and as bytes.
#![no_main]

use std::fs::File;
use std::io::{IoSlice, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use ipc_core::Deadline;
use ipc_core::wire::{Handle, PacketSocket};
use ipc_pipe::{Connection, Limits};
use libfuzzer_sys::{Corpus, fuzz_target};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// A value with something of everything inside.
type Value = (u8, Option<Handle>, Vec<String>, Option<Connection<u8, u8>>);

const LIMITS: Limits = Limits { max_bytes: 1 << 16, max_handles: 4 };

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok((stranger, ours)) = PacketSocket::pair() else { return Corpus::Reject };
    let Ok(ours) = Connection::<(), Value>::try_from(OwnedFd::from(ours)) else {
        return Corpus::Reject;
    };
    let ours = ours.with_limits(LIMITS);
    // The same in all packets, so that it is known from the second on.
    let Some(fixed) = fixed() else { return Corpus::Reject };
    // Each packet: what comes with it, how long it is, how it is received, and its bytes.
    let mut rest = data;
    while let [files, len, form, more @ ..] = rest {
        let (packet, more) = more.split_at(usize::from(*len).min(more.len()));
        rest = more;
        let files: Vec<OwnedFd> =
            (0..4).filter_map(|at| file(files >> (2 * at) & 3, &fixed)).collect();
        let handles: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
        if stranger.send(&[IoSlice::new(packet)], &handles, Deadline::now()).is_err() {
            continue;
        }
        if form % 2 == 0 {
            ours.try_recv().ok();
        } else if let Ok(bytes) = ours.recv_bytes_deadline(1 << 10, Deadline::now()) {
            assert!(bytes.len() <= 1 << 10);
        }
    }
    drop(stranger);
    assert!(ours.try_recv().is_err_and(|error| error.is_disconnected()), "one packet, one receive");
    Corpus::Keep
});

/// A file in memory whose pages stay, as a sender fixes it that uses it again.
fn fixed() -> Option<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("fuzzed", flags).ok()?);
    file.write_all(&[1; 200]).ok()?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::FUTURE_WRITE).ok()?;
    Some(file.into())
}

fn file(kind: u8, fixed: &OwnedFd) -> Option<OwnedFd> {
    match kind {
        1 => fixed.try_clone().ok(),
        2 => {
            let mut file = File::from(memfd_create("fuzzed", MemfdFlags::CLOEXEC).ok()?);
            file.write_all(&[1; 40]).ok()?;
            Some(file.into())
        }
        3 => Some(PacketSocket::pair().ok()?.0.into()),
        _ => None,
    }
}
