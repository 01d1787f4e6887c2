//! Values as bytes plus handles, and the socket that carries them.
//!
//! Tests that count descriptors are in `wire_leaks.rs`, which runs them one at a time.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use ipc_core::primitive::{AtomicU64, Ordering::Relaxed};
use ipc_core::wire::{
    self, DecodeError, EncodeError, Handle, Limits, Message, MessageSocket, RecvError, SendError,
};
use ipc_core::{Deadline, Kind, Segment, SegmentError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const KIND: Kind = Kind::new(*b"test\0\0\0\0", 1);

#[derive(Debug, Serialize, Deserialize)]
struct Job {
    name: String,
    #[serde(with = "ipc_core::wire::file")]
    input: File,
    #[serde(with = "ipc_core::wire::owned_fd")]
    output: OwnedFd,
    memory: Vec<Segment>,
    more: BTreeMap<u8, Option<Handle>>,
}

fn null() -> File {
    File::options().read(true).write(true).open("/dev/null").unwrap()
}

fn far() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// Two segment handles to the same memory in this process share their mapping.
#[test]
fn a_value_with_handles_of_all_sorts_comes_back_whole() {
    let segment = Segment::create(KIND, 7, 64).unwrap();
    segment.at::<AtomicU64>(0).unwrap().store(42, Relaxed);
    let (mut read, write) = std::io::pipe().unwrap();
    let job = Job {
        name: "sort".into(),
        input: null(),
        output: write.into(),
        memory: vec![segment.clone(), segment.clone()],
        more: [(1, None), (2, Some(Handle::from(null())))].into(),
    };
    let message = wire::encode(&job).unwrap();
    assert_eq!(message.handles.len(), 5);
    drop(job);

    let job: Job = wire::decode(message).unwrap();
    assert_eq!(job.name, "sort");
    assert_eq!(job.memory[0].as_ptr(), segment.as_ptr());
    assert_eq!(job.memory[1].at::<AtomicU64>(0).unwrap().load(Relaxed), 42);
    assert!(job.more[&2].is_some());
    File::from(job.output).write_all(b"done").unwrap();
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    assert_eq!(text, "done");
}

#[test]
fn received_handles_are_closed_on_exec() {
    let message = wire::encode(&Handle::from(null())).unwrap();
    let (left, right) = MessageSocket::pair().unwrap();
    left.send(&message, far()).unwrap();
    let received = right.recv(&Limits::default(), far()).unwrap().unwrap();
    for handle in message.handles.iter().chain(&received.handles) {
        assert!(rustix::io::fcntl_getfd(handle).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }
}

#[test]
fn outside_a_scope_a_handle_cannot_be_serialised() {
    let error = serde_json::to_string(&Handle::from(null())).unwrap_err();
    assert!(error.to_string().contains("wire::encode"), "{error}");
    let error = serde_json::from_str::<Handle>("0").unwrap_err();
    assert!(error.to_string().contains("wire::decode"), "{error}");
}

#[test]
fn a_plain_place_takes_no_handle_and_is_left_as_it_was() {
    let mut bytes = vec![1, 2, 3];
    wire::encode_plain(&("a", 500_u32), &mut bytes).unwrap();
    let len = bytes.len();
    let error = wire::encode_plain(&("a", Handle::from(null())), &mut bytes).unwrap_err();
    assert!(matches!(error, EncodeError::HandleNotAllowed), "{error}");
    assert_eq!(bytes.len(), len);
    let value: (String, u32) = wire::decode_plain(&bytes[3..]).unwrap();
    assert_eq!(value, ("a".to_owned(), 500));
}

#[test]
fn bytes_that_are_no_such_value_are_an_error() {
    let error = wire::decode_plain::<String>(&[5, b'a']).unwrap_err();
    assert!(matches!(error, DecodeError::Value(_)), "{error}");
    let error = wire::decode_plain::<bool>(&[2]).unwrap_err();
    assert!(matches!(error, DecodeError::Value(_)), "{error}");
    let error = wire::decode_plain::<u8>(&[1, 2, 3]).unwrap_err();
    assert!(matches!(error, DecodeError::LeftOverBytes { count: 2 }), "{error}");
    let error = wire::decode_plain::<Handle>(&[0]).unwrap_err();
    assert!(matches!(error, DecodeError::NoSuchHandle { index: 0, count: 0 }), "{error}");
}

/// A list as the textbooks have it: each element holds the rest.
#[derive(Debug, Serialize, Deserialize)]
enum List {
    End,
    Element(u8, Box<List>),
}

#[test]
fn values_that_contain_themselves_may_be_nested_but_not_without_end() {
    let list = |len: u8| (0..len).fold(List::End, |rest, n| List::Element(n, Box::new(rest)));
    let message = wire::encode(&list(190)).unwrap();
    assert!(matches!(wire::decode(message).unwrap(), List::Element(189, _)));
    let error = wire::decode::<List>(wire::encode(&list(210)).unwrap()).unwrap_err();
    assert!(matches!(error, DecodeError::TooDeep { limit: 200 }), "{error}");
    // As many levels as a stranger likes, in the smallest stack that a thread has by default.
    let endless = vec![1; 64 << 20];
    let error = wire::decode_plain::<List>(&endless).unwrap_err();
    assert!(matches!(error, DecodeError::TooDeep { .. }), "{error}");
}

#[test]
fn a_list_of_nothing_may_be_long_but_not_without_end() {
    let mut bytes = Vec::new();
    wire::encode_plain(&vec![(); 60_000], &mut bytes).unwrap();
    assert_eq!(wire::decode_plain::<Vec<()>>(&bytes).unwrap().len(), 60_000);
    bytes.clear();
    wire::encode_plain(&(u64::MAX / 2), &mut bytes).unwrap();
    let error = wire::decode_plain::<Vec<()>>(&bytes).unwrap_err();
    assert!(matches!(error, DecodeError::TooManyItems { .. }), "{error}");
    let error = wire::decode_plain::<BTreeMap<(), ()>>(&bytes).unwrap_err();
    assert!(matches!(error, DecodeError::TooManyItems { .. }), "{error}");
}

#[test]
fn a_forged_index_is_an_error() {
    let mut message = wire::encode(&Handle::from(null())).unwrap();
    message.bytes = vec![1];
    let error = wire::decode::<Handle>(message).unwrap_err();
    assert!(matches!(error, DecodeError::NoSuchHandle { index: 1, count: 1 }), "{error}");
}

#[test]
fn a_handle_named_twice_is_an_error() {
    let mut message = wire::encode(&[Handle::from(null()), Handle::from(null())]).unwrap();
    message.bytes = vec![0, 0];
    let error = wire::decode::<[Handle; 2]>(message).unwrap_err();
    assert!(matches!(error, DecodeError::HandleUsedTwice { index: 0 }), "{error}");
}

#[test]
fn a_missing_descriptor_is_an_error() {
    let mut message = wire::encode(&[Handle::from(null()), Handle::from(null())]).unwrap();
    message.handles.pop();
    let error = wire::decode::<[Handle; 2]>(message).unwrap_err();
    assert!(matches!(error, DecodeError::NoSuchHandle { index: 1, count: 1 }), "{error}");
}

#[test]
fn a_descriptor_too_many_is_an_error() {
    let mut message = wire::encode(&Handle::from(null())).unwrap();
    message.handles.push(null().into());
    let error = wire::decode::<Handle>(message).unwrap_err();
    assert!(matches!(error, DecodeError::LeftOverHandles { count: 1 }), "{error}");
}

#[test]
fn a_descriptor_of_the_wrong_kind_is_an_error() {
    let message = wire::encode(&Handle::from(null())).unwrap();
    let error = wire::decode::<Segment>(message).unwrap_err();
    assert!(matches!(error, DecodeError::WrongHandle { expected: "segment" }), "{error}");
    let message = wire::encode(&Handle::from(null())).unwrap();
    let error = wire::decode::<MessageSocket>(message).unwrap_err();
    assert!(matches!(error, DecodeError::WrongHandle { .. }), "{error}");
}

/// A type that knows what its segment holds, as the crates above have.
#[derive(Debug, Serialize)]
struct Counter(Segment);

impl<'de> Deserialize<'de> for Counter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Segment::deserialize_as(deserializer, KIND, 7).map(Self)
    }
}

#[test]
fn a_segment_with_something_else_in_it_is_refused_on_arrival() {
    let right = Segment::create(KIND, 7, 8).unwrap();
    let arrived: Counter = wire::decode(wire::encode(&right).unwrap()).unwrap();
    assert_eq!(arrived.0.id(), right.id());

    let wrong = Segment::create(KIND, 8, 8).unwrap();
    let error = wire::decode::<Counter>(wire::encode(&wrong).unwrap()).unwrap_err();
    assert!(matches!(error, DecodeError::Segment(SegmentError::WrongType { .. })), "{error}");
}

/// Encodes another value while it is being encoded itself.
struct Nested;

impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = wire::encode(&[Handle::from(null()), Handle::from(null())]).unwrap();
        assert_eq!(inner.handles.len(), 2);
        let mut plain = Vec::new();
        let refused = wire::encode_plain(&Handle::from(null()), &mut plain);
        assert!(matches!(refused, Err(EncodeError::HandleNotAllowed)));
        (Handle::from(null()), wire::decode::<[Handle; 2]>(inner).unwrap()).serialize(serializer)
    }
}

#[test]
fn scopes_nest() {
    let message = wire::encode(&(Handle::from(null()), Nested)).unwrap();
    assert_eq!(message.handles.len(), 4);
    drop(wire::decode::<(Handle, Handle, [Handle; 2])>(message).unwrap());
}

/// Swallows the refusal of a handle in a value.
struct Swallows;

impl Serialize for Swallows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(serde_json::to_string(&Handle::from(null())).is_err());
        serializer.serialize_u8(0)
    }
}

#[test]
fn a_refusal_that_was_swallowed_is_still_an_error() {
    let error = wire::encode_plain(&Swallows, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, EncodeError::HandleNotAllowed), "{error}");
}

#[test]
fn messages_of_all_sizes_arrive_in_order() {
    let (left, right) = MessageSocket::pair().unwrap();
    let sizes = [0, 1, 11, 12, 13, 65_535, 65_536, 65_537, 1 << 20, 3, 5 << 20];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (round, size) in sizes.into_iter().enumerate() {
                let byte = u8::try_from(round).unwrap();
                left.send_parts(&vec![byte; size], &[], Deadline::NEVER).unwrap();
            }
        });
        for (round, size) in sizes.into_iter().enumerate() {
            let deadline = if round % 2 == 0 { Deadline::NEVER } else { far() };
            let message = right.recv(&Limits::default(), deadline).unwrap().unwrap();
            assert_eq!(message.bytes.len(), size);
            assert!(message.bytes.iter().all(|byte| usize::from(*byte) == round));
        }
    });
}

#[test]
fn more_handles_than_one_packet_holds_are_split_over_several() {
    let (left, right) = MessageSocket::pair().unwrap();
    for count in [1, 252, 253, 254, 506, 507, 600] {
        let files: Vec<File> = (0..count).map(|_| null()).collect();
        let handles: Vec<_> = files.iter().map(File::as_fd).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| left.send_parts(b"handles", &handles, far()).unwrap());
            let message = right.recv(&Limits::default(), far()).unwrap().unwrap();
            assert_eq!(message.handles.len(), count);
            assert_eq!(message.bytes, b"handles");
        });
    }
}

#[test]
fn handles_arrive_with_their_own_message() {
    let (left, right) = MessageSocket::pair().unwrap();
    let file = null();
    for round in 0..50_u8 {
        let handles = vec![file.as_fd(); usize::from(round % 3)];
        left.send_parts(&[round], &handles, far()).unwrap();
    }
    for round in 0..50_u8 {
        let message = right.recv(&Limits::default(), far()).unwrap().unwrap();
        assert_eq!(message.bytes, [round]);
        assert_eq!(message.handles.len(), usize::from(round % 3));
    }
}

#[test]
fn the_end_of_the_stream_is_no_error_between_messages_and_one_inside() {
    let (left, right) = MessageSocket::pair().unwrap();
    left.send_parts(b"whole", &[], far()).unwrap();
    rustix::io::write(&left, &[1, 0, 0]).unwrap();
    drop(left);
    assert_eq!(right.recv(&Limits::default(), far()).unwrap().unwrap().bytes, b"whole");
    let error = right.recv(&Limits::default(), far()).unwrap_err();
    assert!(matches!(error, RecvError::Truncated), "{error}");
    let error = right.recv(&Limits::default(), far()).unwrap_err();
    assert!(matches!(error, RecvError::Broken), "{error}");
}

#[test]
fn a_peer_that_left_unread_bytes_behind_has_ended_the_stream_and_no_more() {
    let (left, right) = MessageSocket::pair().unwrap();
    left.send_parts(b"last words", &[], far()).unwrap();
    right.send_parts(b"never read", &[], far()).unwrap();
    drop(left);
    assert_eq!(right.recv(&Limits::default(), far()).unwrap().unwrap().bytes, b"last words");
    assert!(right.recv(&Limits::default(), far()).unwrap().is_none());
    assert!(right.recv(&Limits::default(), Deadline::NEVER).unwrap().is_none());
}

#[test]
fn sending_to_nobody_is_an_error_and_no_signal() {
    let (left, right) = MessageSocket::pair().unwrap();
    drop(right);
    let error = left.send_parts(b"hello?", &[], Deadline::NEVER).unwrap_err();
    assert!(error.is_disconnected(), "{error}");
}

#[test]
fn a_receive_that_times_out_loses_nothing() {
    let (left, right) = MessageSocket::pair().unwrap();
    assert!(right.try_recv(&Limits::default()).unwrap_err().is_timed_out());
    let file = null();
    let handles = vec![file.as_fd(); 2];
    // A message by hand, in pieces.
    let mut frame = 3_u64.to_le_bytes().to_vec();
    frame.extend_from_slice(&2_u32.to_le_bytes());
    frame.extend_from_slice(b"abc");
    send_raw(&left, &frame[..1], &handles);
    for at in 1..frame.len() {
        assert!(right.try_recv(&Limits::default()).unwrap_err().is_timed_out());
        send_raw(&left, &frame[at..=at], &[]);
    }
    let message = right.try_recv(&Limits::default()).unwrap().unwrap();
    assert_eq!(message.bytes, b"abc");
    assert_eq!(message.handles.len(), 2);
}

fn send_raw(socket: &MessageSocket, bytes: &[u8], handles: &[std::os::fd::BorrowedFd<'_>]) {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
    if !handles.is_empty() {
        assert!(control.push(rustix::net::SendAncillaryMessage::ScmRights(handles)));
    }
    let parts = [IoSlice::new(bytes)];
    let flags = rustix::net::SendFlags::empty();
    assert_eq!(rustix::net::sendmsg(socket, &parts, &mut control, flags).unwrap(), bytes.len());
}

#[test]
fn a_send_that_finds_no_room_times_out_and_can_be_repeated() {
    let (left, right) = MessageSocket::pair().unwrap();
    let mut n_sent = 0_u32;
    let error = loop {
        match left.send_parts(&n_sent.to_le_bytes(), &[], Deadline::now()) {
            Ok(()) => n_sent += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_timed_out(), "{error}");
    for expected in 0..n_sent {
        let message = right.recv(&Limits::default(), far()).unwrap().unwrap();
        assert_eq!(message.bytes, expected.to_le_bytes());
    }
    assert!(right.try_recv(&Limits::default()).unwrap_err().is_timed_out());
    left.send_parts(b"again", &[], far()).unwrap();
    assert_eq!(right.recv(&Limits::default(), far()).unwrap().unwrap().bytes, b"again");
}

#[test]
fn a_message_that_was_cut_short_ends_the_stream_for_both() {
    let (left, right) = MessageSocket::pair().unwrap();
    let error = left.send_parts(&vec![0; 8 << 20], &[], Deadline::now()).unwrap_err();
    assert!(matches!(error, SendError::Torn), "{error}");
    let error = left.send_parts(b"more", &[], far()).unwrap_err();
    assert!(matches!(error, SendError::Torn), "{error}");
    let error = right.recv(&Limits::default(), far()).unwrap_err();
    assert!(matches!(error, RecvError::Truncated), "{error}");
    // The other way still works.
    right.send_parts(b"what happened?", &[], far()).unwrap();
    assert!(left.recv(&Limits::default(), far()).unwrap().is_some());
}

#[test]
fn limits_are_checked_before_anything_is_taken() {
    let limits = Limits { max_bytes: 10, max_handles: 1 };
    let (left, right) = MessageSocket::pair().unwrap();
    left.send_parts(&[0; 10], &[null().as_fd()], far()).unwrap();
    assert!(right.recv(&limits, far()).unwrap().is_some());
    left.send_parts(&[0; 11], &[], far()).unwrap();
    let error = right.recv(&limits, far()).unwrap_err();
    assert!(matches!(error, RecvError::TooLong { len: 11, limit: 10 }), "{error}");

    let (left, right) = MessageSocket::pair().unwrap();
    left.send_parts(b"", &[null().as_fd(), null().as_fd()], far()).unwrap();
    let error = right.recv(&limits, far()).unwrap_err();
    assert!(matches!(error, RecvError::TooManyHandles { count: 2, limit: 1 }), "{error}");
}

#[test]
fn a_message_that_promises_more_than_there_is_takes_no_memory_for_it() {
    let (left, right) = MessageSocket::pair().unwrap();
    let mut header = (1_u64 << 62).to_le_bytes().to_vec();
    header.extend_from_slice(&0_u32.to_le_bytes());
    send_raw(&left, &header, &[]);
    assert!(right.try_recv(&Limits::NONE).unwrap_err().is_timed_out());
    drop(left);
    let error = right.recv(&Limits::NONE, far()).unwrap_err();
    assert!(matches!(error, RecvError::Truncated), "{error}");
}

#[test]
fn a_receive_waits_for_a_message_and_is_not_held_up_by_one_that_waits() {
    let (left, right) = MessageSocket::pair().unwrap();
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| right.recv(&Limits::default(), Deadline::NEVER));
        // The other direction and the deadline of another receiver work meanwhile.
        right.send_parts(b"out", &[], far()).unwrap();
        assert_eq!(left.recv(&Limits::default(), far()).unwrap().unwrap().bytes, b"out");
        left.send_parts(b"in", &[], far()).unwrap();
        assert_eq!(receiver.join().unwrap().unwrap().unwrap().bytes, b"in");
    });
}

#[test]
fn a_socket_travels_through_a_socket() {
    let (left, right) = MessageSocket::pair().unwrap();
    let (near, far_end) = MessageSocket::pair().unwrap();
    left.send(&wire::encode(&far_end).unwrap(), far()).unwrap();
    drop(far_end);
    let message: Message = right.recv(&Limits::default(), far()).unwrap().unwrap();
    let far_end: MessageSocket = wire::decode(message).unwrap();
    far_end.send_parts(b"hello", &[], far()).unwrap();
    assert_eq!(near.recv(&Limits::default(), far()).unwrap().unwrap().bytes, b"hello");
}

#[test]
fn only_a_unix_stream_socket_is_a_message_socket() {
    assert!(MessageSocket::from_fd(null().into()).is_err());
    let datagram = std::os::unix::net::UnixDatagram::unbound().unwrap();
    assert!(MessageSocket::from_fd(datagram.into()).is_err());
    let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    assert!(MessageSocket::from_fd(stream.into()).is_ok());
}

#[test]
fn messages_go_over_tcp_and_handles_do_not() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let near = MessageSocket::from(near);
    let far = MessageSocket::from(listener.accept().unwrap().0);
    near.send(&wire::encode("hello").unwrap(), Deadline::NEVER).unwrap();
    let file = File::open("/dev/null").unwrap();
    let with_handle = wire::encode(&Handle::from(file)).unwrap();
    let refused = near.send(&with_handle, Deadline::NEVER).unwrap_err();
    assert!(matches!(refused, SendError::Io(_)), "{refused:?}");
    assert!(wire::encode(&near).is_err(), "it stays in its process");
    drop(near);
    let message = far.recv(&Limits::default(), Deadline::NEVER).unwrap().unwrap();
    assert_eq!(wire::decode::<String>(message).unwrap(), "hello");
    assert!(far.recv(&Limits::default(), Deadline::NEVER).unwrap().is_none());
}

#[test]
fn packets_are_whole_and_say_when_they_are_longer_than_the_room() {
    let (near, far) = wire::PacketSocket::pair().unwrap();
    let send = |bytes: &[u8]| near.send(&[IoSlice::new(bytes)], &[], Deadline::NEVER);
    assert!(send(&[]).is_err(), "that would be the end");
    send(&[1, 2, 3]).unwrap();
    send(&[4]).unwrap();
    let (mut room, mut handles) = ([0; 2], Vec::new());
    let mut recv =
        || far.recv(&mut [IoSliceMut::new(&mut room)], &mut handles, Deadline::now()).unwrap();
    assert_eq!(recv(), Some(wire::Packet { len: 2, is_longer: true }));
    assert_eq!(recv(), Some(wire::Packet { len: 1, is_longer: false }));
    drop(near);
    assert_eq!(recv(), None);
    let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    assert!(wire::PacketSocket::from_fd(stream.into()).is_err());
}
