//! Packets from a stranger: each is an error, or the message that it is, and the next is received.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::File;
use std::io::{IoSlice, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipc_core::Deadline;
use ipc_core::wire::PacketSocket;
use ipc_pipe::{Connection, Limits, RecvError};
use proptest::prelude::*;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// A stranger's end, and ours.
fn ends() -> (PacketSocket, Connection<Vec<u8>, Vec<u8>>) {
    let (stranger, ours) = PacketSocket::pair().unwrap();
    let ours = Connection::try_from(OwnedFd::from(ours)).unwrap();
    let limits = Limits { max_bytes: 1 << 20, max_handles: 300 };
    (stranger, ours.with_limits(limits))
}

fn send(socket: &PacketSocket, packet: &[u8], handles: &[BorrowedFd<'_>]) {
    socket.send(&[IoSlice::new(packet)], handles, Deadline::NEVER).unwrap();
}

fn header(kind: u8, n_handles: u32, len: u64) -> Vec<u8> {
    [&[kind, 0, 0, 0][..], &n_handles.to_le_bytes(), &len.to_le_bytes()].concat()
}

const HERE: u8 = 1;
const IN_MEMORY: u8 = 2;
const CARRIED: u8 = 0x10;

/// That a packet is refused, and that the next one, a good one, is received.
fn refused(packet: &[u8], handles: &[BorrowedFd<'_>]) -> RecvError {
    let (stranger, ours) = ends();
    send(&stranger, packet, handles);
    let good = [header(HERE, 0, 2), vec![7, 8]].concat();
    send(&stranger, &good, &[]);
    let error = ours.recv_bytes(usize::MAX).unwrap_err();
    assert_eq!(ours.recv_bytes(usize::MAX).unwrap(), [7, 8], "after {error}");
    error
}

fn null() -> OwnedFd {
    File::open("/dev/null").unwrap().into()
}

fn memory(len: u64, bytes: &[u8]) -> OwnedFd {
    let mut file = File::from(memfd_create("stranger", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(bytes).unwrap();
    file.set_len(len).unwrap();
    file.into()
}

#[test]
fn a_packet_that_is_no_message_is_refused() {
    let packets = [
        vec![1],
        vec![0; 15],
        vec![0; 16],
        header(0, 0, 0),
        header(3, 0, 0),
        header(HERE | 0x80, 0, 0),
        header(HERE, 0, 1),
        header(HERE, 0, u64::MAX),
        [header(HERE, 0, 1), vec![1, 2]].concat(),
        [vec![1, 0, 0, 1], vec![0; 12]].concat(),
        vec![HERE; 60_000],
        [header(HERE, 0, 40_000), vec![0; 40_000]].concat(),
        header(IN_MEMORY, 0, 0),
        [header(IN_MEMORY, 0, 2), vec![1, 2]].concat(),
        [header(IN_MEMORY, 0, 1), vec![1, 2]].concat(),
        header(IN_MEMORY, 0, 10),
        header(HERE | CARRIED, 0, 0),
        header(IN_MEMORY | CARRIED, 0, 9),
    ];
    for packet in packets {
        let error = refused(&packet, &[]);
        assert!(matches!(error, RecvError::Malformed(_)), "{error:?}");
    }
}

#[test]
fn a_number_of_handles_that_is_not_true_is_refused() {
    let null = null();
    for (claimed, came) in [(1, 0), (0, 1), (2, 1), (1, 2), (300, 253)] {
        let error = refused(&header(HERE, claimed, 0), &vec![null.as_fd(); came]);
        assert!(matches!(error, RecvError::Malformed(_)), "{claimed} and {came}: {error:?}");
    }
    let error = refused(&header(HERE, u32::MAX, 0), &[null.as_fd()]);
    assert!(matches!(error, RecvError::TooManyHandles { count: u32::MAX, limit: 300 }));
}

#[test]
fn memory_that_is_not_what_it_should_be_is_refused() {
    let claims = |len: u64, file: OwnedFd| refused(&header(IN_MEMORY, 0, len), &[file.as_fd()]);
    let is_malformed =
        |error: RecvError| assert!(matches!(error, RecvError::Malformed(_)), "{error:?}");
    is_malformed(claims(10, null()));
    is_malformed(claims(10, File::open("/dev/zero").unwrap().into()));
    is_malformed(claims(10, std::io::pipe().unwrap().0.into()));
    is_malformed(claims(10, File::open("/proc/self/exe").unwrap().into()));
    is_malformed(claims(10, memory(9, &[1; 9])));
    // A file with a hole claims to have more than its sender has in memory.
    is_malformed(claims(1 << 20, memory(1 << 20, &[1; 9])));
    let error = claims((1 << 20) + 1, memory(0, &[]));
    assert!(matches!(error, RecvError::TooLong { .. }), "{error:?}");
    let error = claims(u64::MAX, memory(0, &[]));
    assert!(matches!(error, RecvError::TooLong { .. }), "{error:?}");
}

#[test]
fn memory_that_shrinks_before_it_is_read_is_an_error() {
    let (stranger, ours) = ends();
    let file = memory(100, &[1; 100]);
    send(&stranger, &header(IN_MEMORY, 0, 100), &[file.as_fd()]);
    assert_eq!(ours.recv_bytes(100).unwrap(), [1; 100]);
    File::from(file.try_clone().unwrap()).set_len(0).unwrap();
    send(&stranger, &header(IN_MEMORY, 0, 100), &[file.as_fd()]);
    assert!(ours.recv_bytes(100).is_err());
}

/// A file in memory whose pages stay, as a sender fixes it that uses it again.
fn fixed(len: u64, bytes: &[u8]) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("stranger", flags).unwrap());
    file.write_all(bytes).unwrap();
    file.set_len(len).unwrap();
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::FUTURE_WRITE).unwrap();
    file.into()
}

#[test]
fn memory_that_is_fixed_is_read_as_any_other() {
    let (stranger, ours) = ends();
    let (first, second) = (fixed(5000, &[1; 5000]), fixed(100, &[2; 100]));
    for _ in 0..3 {
        send(&stranger, &header(IN_MEMORY, 0, 5000), &[first.as_fd()]);
        send(&stranger, &[header(IN_MEMORY, 0, 110), vec![3; 10]].concat(), &[second.as_fd()]);
        assert_eq!(ours.recv_bytes(5000).unwrap(), [1; 5000]);
        assert_eq!(ours.recv_bytes(5000).unwrap(), [&[3; 10][..], &[2; 100]].concat());
    }
}

#[test]
fn memory_that_is_fixed_and_not_what_it_says_is_refused() {
    let is_malformed =
        |error: RecvError| assert!(matches!(error, RecvError::Malformed(_)), "{error:?}");
    is_malformed(refused(&header(IN_MEMORY, 0, 101), &[fixed(100, &[1; 100]).as_fd()]));
    is_malformed(refused(&header(IN_MEMORY, 0, 1 << 20), &[fixed(1 << 20, &[1; 9]).as_fd()]));
}

#[test]
fn memory_that_gets_longer_after_it_was_mapped_is_read_to_its_end() {
    let (stranger, ours) = ends();
    let file = fixed(100, &[1; 100]);
    send(&stranger, &header(IN_MEMORY, 0, 100), &[file.as_fd()]);
    assert_eq!(ours.recv_bytes(100).unwrap(), [1; 100]);
    File::from(file.try_clone().unwrap()).set_len(4000).unwrap();
    send(&stranger, &header(IN_MEMORY, 0, 4000), &[file.as_fd()]);
    let bytes = ours.recv_bytes(4000).unwrap();
    assert_eq!(bytes, [&[1; 100][..], &[0; 3900]].concat());
}

#[test]
fn a_carrier_that_is_not_what_it_should_be_is_refused() {
    let is_malformed =
        |error: RecvError| assert!(matches!(error, RecvError::Malformed(_)), "{error:?}");
    let null = null();
    is_malformed(refused(&header(HERE | CARRIED, 1, 0), &[null.as_fd()]));
    let stream = std::os::unix::net::UnixStream::pair().unwrap().0;
    is_malformed(refused(&header(HERE | CARRIED, 1, 0), &[stream.as_fd()]));
    // An empty one whose other end is open must not be waited for.
    let (carrier, loader) = PacketSocket::pair().unwrap();
    is_malformed(refused(&header(HERE | CARRIED, 1, 0), &[carrier.as_fd()]));
    send(&loader, &[0], &[null.as_fd()]);
    is_malformed(refused(&header(HERE | CARRIED, 2, 0), &[carrier.as_fd()]));
    // Packets without handles are not a way to keep the reader busy.
    send(&loader, &[0], &[]);
    send(&loader, &[0], &[null.as_fd()]);
    is_malformed(refused(&header(HERE | CARRIED, 1, 0), &[carrier.as_fd()]));
    // A carrier with others beside it.
    is_malformed(refused(&header(HERE | CARRIED, 1, 0), &[carrier.as_fd(), null.as_fd()]));
    // One more than was said.
    let (carrier, loader) = PacketSocket::pair().unwrap();
    send(&loader, &[0], &[null.as_fd(), null.as_fd()]);
    is_malformed(refused(&header(HERE | CARRIED, 1, 0), &[carrier.as_fd()]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_packet_is_a_message_or_an_error(
        kind in prop_oneof![0_u8..4, 0x10_u8..0x14, any::<u8>()],
        n_handles in prop_oneof![0_u32..3, any::<u32>()],
        len in prop_oneof![0_u64..40, any::<u64>()],
        behind in prop::collection::vec(any::<u8>(), 0..40),
        files in prop::collection::vec(0..4, 0..3),
        cut in 1_usize..80,
    ) {
        let (stranger, ours) = ends();
        let files: Vec<OwnedFd> = files.into_iter().map(|file| match file {
            0 => null(),
            1 => memory(40, &[1; 40]),
            2 => fixed(40, &[1; 40]),
            _ => PacketSocket::pair().unwrap().0.into(),
        }).collect();
        let handles: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let mut packet = [header(kind, n_handles, len), behind].concat();
        packet.truncate(cut);
        send(&stranger, &packet, &handles);
        drop(stranger);
        if let Ok(bytes) = ours.recv_bytes(usize::MAX) {
            prop_assert_eq!(bytes.len() as u64, len);
        }
        prop_assert!(ours.recv().unwrap_err().is_disconnected());
    }
}
