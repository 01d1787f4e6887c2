//! Connections within one process: messages, forms of waiting, ends, handles.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use ipc_core::wire::Handle;
use ipc_core::{Deadline, Kind, Segment};
use ipc_pipe::{
    Connection, Limits, Receiver, RecvError, RequestError, SendError, Sender, channel, pipe, wait,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

const SOON: Duration = Duration::from_millis(10);

/// Lengths around which something changes.
const LENS: [usize; 9] =
    [0, 1, 100, (32 << 10) - 1, 32 << 10, (32 << 10) + 1, 100_000, 1 << 20, (9 << 20) + 7];

fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|at| seed.wrapping_add(u8::try_from(at % 251).unwrap())).collect()
}

#[test]
fn bytes_of_any_length_come_whole_and_in_order() {
    let (left, right) = channel::<Vec<u8>>().unwrap();
    for (len, seed) in LENS.into_iter().zip(1..) {
        left.send_bytes(&pattern(len, seed)).unwrap();
    }
    for (len, seed) in LENS.into_iter().zip(1..) {
        assert!(right.recv_bytes(len).unwrap() == pattern(len, seed), "{len}");
    }
    let mut buffer = vec![9; 10 << 20];
    for len in LENS {
        left.send_bytes(&pattern(len, 3)).unwrap();
        assert_eq!(right.recv_bytes_into(&mut buffer).unwrap(), len);
        assert!(buffer[..len] == pattern(len, 3), "{len}");
    }
}

#[test]
fn values_of_any_length_come_whole() {
    let (left, right) = channel::<(u8, Vec<u8>, String)>().unwrap();
    for (len, seed) in LENS.into_iter().zip(1..) {
        let value = (seed, pattern(len, seed), "x".repeat(len));
        left.send(&value).unwrap();
        assert!(right.recv().unwrap() == value, "{len}");
    }
}

#[test]
fn both_ends_send_their_own_types() {
    let (left, right) = pipe::<u32, String>().unwrap();
    left.send(&1).unwrap();
    left.send(&2).unwrap();
    right.send(&"one".to_owned()).unwrap();
    assert_eq!((right.recv().unwrap(), right.recv().unwrap()), (1, 2));
    assert_eq!(left.recv().unwrap(), "one");
}

#[test]
fn who_does_not_wait_is_told_that_there_is_nothing() {
    let (left, right) = pipe::<u32, u32>().unwrap();
    assert!(matches!(right.try_recv(), Err(RecvError::Empty)));
    assert!(matches!(right.recv_timeout(SOON), Err(RecvError::TimedOut)));
    assert!(matches!(right.recv_deadline(Deadline::now()), Err(RecvError::TimedOut)));
    let mut buffer = [0; 8];
    let timed_out = right.recv_bytes_into_deadline(&mut buffer, Deadline::after(SOON));
    assert!(timed_out.unwrap_err().is_timed_out());
    assert!(right.recv_bytes_deadline(1, Deadline::after(SOON)).unwrap_err().is_timed_out());
    assert!(!right.poll(SOON).unwrap() && !right.readable().unwrap());
    left.send(&1).unwrap();
    assert!(right.poll(Duration::MAX).unwrap() && right.readable().unwrap());
    assert_eq!(right.try_recv().unwrap(), 1);
    assert!(!right.readable().unwrap() && !right.closed().unwrap());
}

#[test]
fn who_has_no_room_is_told_and_has_sent_nothing() {
    let (left, right) = channel::<Vec<u8>>().unwrap();
    let mut n_sent = 0_u8;
    while left.writable().unwrap() {
        left.try_send(&vec![n_sent; 20_000]).unwrap();
        n_sent += 1;
    }
    let full = loop {
        match left.try_send(&vec![n_sent; 20_000]) {
            Ok(()) => n_sent += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, SendError::Full), "{full:?}");
    assert!(matches!(left.send_timeout(&vec![1], SOON), Err(SendError::TimedOut)));
    assert!(left.send_bytes_deadline(&[1], Deadline::now()).unwrap_err().is_timed_out());
    for message in 0..n_sent {
        assert_eq!(right.recv().unwrap(), vec![message; 20_000]);
    }
    assert!(right.try_recv().is_err() && left.writable().unwrap());
    left.try_send(&vec![]).unwrap();
}

#[test]
fn a_sender_that_waits_goes_on_when_there_is_room() {
    let (left, right) = channel::<Vec<u8>>().unwrap();
    let sender = thread::spawn(move || {
        for n in 0..100_u8 {
            left.send_timeout(&vec![n; 30_000], Duration::from_secs(60)).unwrap();
        }
    });
    for n in 0..100_u8 {
        assert_eq!(right.recv().unwrap(), vec![n; 30_000]);
    }
    sender.join().unwrap();
    assert!(right.recv().unwrap_err().is_disconnected());
}

#[test]
fn the_end_comes_after_all_that_was_sent() {
    let (left, right) = pipe::<u32, u32>().unwrap();
    for n in 0..3 {
        left.send(&n).unwrap();
    }
    // What the other end has not read makes no difference to what is read here.
    right.send(&7).unwrap();
    left.close();
    assert!(right.closed().unwrap() && right.readable().unwrap());
    assert!(right.send(&8).unwrap_err().is_disconnected());
    let all: Vec<u32> = right.iter().map(Result::unwrap).collect();
    assert_eq!(all, [0, 1, 2]);
    assert!(right.recv().unwrap_err().is_disconnected(), "it stays so");
    assert!(right.try_recv().unwrap_err().is_disconnected());
    assert!(right.try_send(&8).unwrap_err().is_disconnected());
    assert!(right.poll(Duration::ZERO).unwrap(), "the end is something to see");
}

#[test]
fn what_one_end_has_not_read_takes_nothing_from_the_other() {
    let (left, right) = pipe::<u32, u32>().unwrap();
    left.send(&1).unwrap();
    left.send(&2).unwrap();
    right.send(&7).unwrap();
    drop(left);
    assert_eq!((right.recv().unwrap(), right.try_recv().unwrap()), (1, 2));
    assert!(right.recv().unwrap_err().is_disconnected());
}

#[test]
fn an_end_is_closed_with_its_last_handle() {
    let (left, right) = pipe::<u32, u32>().unwrap();
    let again = left.clone();
    drop(left);
    let (sender, receiver) = again.split();
    sender.send(&1).unwrap();
    drop(sender);
    assert_eq!(right.recv().unwrap(), 1);
    right.send(&2).unwrap();
    assert_eq!(receiver.recv().unwrap(), 2);
    assert!(matches!(right.try_recv(), Err(RecvError::Empty)));
    drop(receiver);
    assert!(right.recv().unwrap_err().is_disconnected());
}

#[test]
fn halves_are_for_two_threads() {
    let (left, right) = pipe::<u64, u64>().unwrap();
    let (sender, receiver) = left.split();
    let echo = thread::spawn(move || {
        for value in right.iter() {
            right.send(&(value.unwrap() * 2)).unwrap();
        }
    });
    let adder = thread::spawn(move || receiver.iter().take(1000).map(Result::unwrap).sum::<u64>());
    for n in 0..1000 {
        sender.send(&n).unwrap();
    }
    assert_eq!(adder.join().unwrap(), 999 * 1000);
    drop(sender);
    echo.join().unwrap();
}

#[test]
fn a_request_is_answered() {
    let (mut client, server) = pipe::<u32, String>().unwrap();
    let answering = thread::spawn(move || {
        for request in server.iter() {
            server.send(&request.unwrap().to_string()).unwrap();
        }
    });
    assert_eq!(client.request(&12).unwrap(), "12");
    assert_eq!(client.request_deadline(&13, Deadline::NEVER).unwrap(), "13");
    drop(client);
    answering.join().unwrap();

    let (mut client, server) = pipe::<u32, String>().unwrap();
    let silent = client.request_deadline(&1, Deadline::after(SOON));
    assert!(matches!(silent, Err(RequestError::Recv(RecvError::TimedOut))));
    drop(server);
    assert!(matches!(client.request(&1), Err(RequestError::Send(SendError::Disconnected))));
}

#[test]
fn bytes_that_do_not_fit_are_given_back_or_lost_and_the_next_come() {
    let (left, right) = channel::<Vec<u8>>().unwrap();
    for len in [10, 50_000] {
        let long = pattern(len, 1);
        left.send_bytes(&long).unwrap();
        left.send_bytes(&long).unwrap();
        left.send_bytes(b"next").unwrap();
        match right.recv_bytes_into(&mut [0; 9]) {
            Err(RecvError::TooShort { message }) => assert!(message == long),
            other => panic!("{other:?}"),
        }
        let error = right.recv_bytes(9).unwrap_err();
        assert!(matches!(error, RecvError::TooLong { limit: 9, .. }), "{error:?}");
        assert_eq!(right.recv_bytes(9).unwrap(), b"next");
    }
}

#[test]
fn what_is_no_such_value_is_an_error_and_the_next_is_received() {
    let (left, right) = channel::<(bool, String)>().unwrap();
    left.send_bytes(&[2, 0]).unwrap();
    left.send(&(true, "next".to_owned())).unwrap();
    assert!(matches!(right.recv(), Err(RecvError::Decode(_))));
    assert_eq!(right.recv().unwrap(), (true, "next".to_owned()));
}

#[test]
fn limits_are_kept() {
    let limits = Limits { max_bytes: 40_000, max_handles: 1 };
    let (left, right) = channel::<Vec<u8>>().unwrap();
    let right = right.with_limits(limits);
    left.send_bytes(&[1; 40_000]).unwrap();
    left.send_bytes(&[1; 40_001]).unwrap();
    left.send_bytes(&[2]).unwrap();
    assert_eq!(right.recv_bytes(usize::MAX).unwrap().len(), 40_000);
    let error = right.recv_bytes(usize::MAX).unwrap_err();
    assert!(matches!(error, RecvError::TooLong { len: 40_001, limit: 40_000 }), "{error:?}");
    assert_eq!(right.recv_bytes(usize::MAX).unwrap(), [2]);

    let (left, right) = channel::<Vec<Handle>>().unwrap();
    let right = right.with_limits(limits);
    left.send(&nulls(1)).unwrap();
    left.send(&nulls(2)).unwrap();
    assert_eq!(right.recv().unwrap().len(), 1);
    let error = right.recv().unwrap_err();
    assert!(matches!(error, RecvError::TooManyHandles { count: 2, limit: 1 }), "{error:?}");
}

fn nulls(count: usize) -> Vec<Handle> {
    (0..count).map(|_| Handle::from(File::open("/dev/null").unwrap())).collect()
}

#[test]
fn any_number_of_handles_travels_with_any_number_of_bytes() {
    let (left, right) = channel::<(Vec<Handle>, Vec<u8>)>().unwrap();
    for len in [10, 100_000] {
        for count in [0, 1, 252, 253, 254, 400] {
            left.send(&(nulls(count), pattern(len, 1))).unwrap();
            let (handles, bytes) = right.recv().unwrap();
            assert_eq!(handles.len(), count);
            assert!(bytes == pattern(len, 1));
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Luggage {
    #[serde(with = "ipc_core::wire::file")]
    file: File,
    #[serde(with = "ipc_core::wire::owned_fd")]
    socket: OwnedFd,
    segment: Segment,
    sender: Sender<String>,
    back: Connection<Luggage, u32>,
}

#[test]
fn files_sockets_segments_and_connections_travel() {
    let (left, right) = pipe::<Luggage, u32>().unwrap();
    let (sender, strings) = channel::<String>().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let segment = Segment::create(Kind::new(*b"test\0\0\0\0", 1), 0, 64).unwrap();
    let id = segment.id();
    let file = File::from(OwnedFd::from(writer));
    let back = left.clone();
    left.send(&Luggage { file, socket: theirs.into(), segment, sender, back }).unwrap();

    let Luggage { mut file, socket, segment, sender, back } = right.recv().unwrap();
    file.write_all(b"by the file").unwrap();
    File::from(socket).write_all(b"by the socket").unwrap();
    drop(file);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "by the file");
    let mut text = String::new();
    ours.read_to_string(&mut text).unwrap();
    assert_eq!(text, "by the socket");
    assert_eq!(segment.id(), id);
    sender.send(&"by the sender".to_owned()).unwrap();
    drop(sender);
    let all: Result<Vec<String>, _> = strings.iter().collect();
    assert_eq!(all.unwrap(), ["by the sender"]);
    right.send(&5).unwrap();
    assert_eq!(back.recv().unwrap(), 5, "it is the same end");
}

#[test]
fn something_else_in_the_place_of_a_connection_is_refused() {
    let (left, right) = channel::<Receiver<u32>>().unwrap();
    let disguised: Sender<Handle> = Connection::try_from(fd_of(&left)).unwrap();
    disguised.send(&nulls(1).remove(0)).unwrap();
    assert!(matches!(right.recv(), Err(RecvError::Decode(_))));
    let null = OwnedFd::from(File::open("/dev/null").unwrap());
    assert!(Sender::<u32>::try_from(null).is_err());
    let (stream, _) = std::os::unix::net::UnixStream::pair().unwrap();
    assert!(Sender::<u32>::try_from(OwnedFd::from(stream)).is_err());
}

fn fd_of(file: &impl std::os::fd::AsFd) -> OwnedFd {
    file.as_fd().try_clone_to_owned().unwrap()
}

#[test]
fn a_socket_with_a_small_buffer_takes_all_messages() {
    let (left, right) = channel::<Vec<u8>>().unwrap();
    rustix::net::sockopt::set_socket_send_buffer_size(&left, 1).unwrap();
    for len in LENS {
        left.send_bytes(&pattern(len, 5)).unwrap();
        assert!(right.recv_bytes(len).unwrap() == pattern(len, 5), "{len}");
    }
}

#[test]
fn all_that_are_ready_are_found_and_stay_so() {
    let pairs: Vec<_> = (0..1000).map(|_| channel::<u32>().unwrap()).collect();
    let receivers: Vec<&dyn ipc_pipe::Source> =
        pairs.iter().map(|(_, receiver)| receiver as &dyn ipc_pipe::Source).collect();
    assert!(wait(&receivers, Some(SOON)).unwrap().is_empty());
    for at in [3, 500, 999] {
        pairs[at].0.send(&1).unwrap();
    }
    assert_eq!(wait(&receivers, None).unwrap(), [3, 500, 999]);
    assert_eq!(wait(&receivers, Some(Duration::ZERO)).unwrap(), [3, 500, 999]);
    pairs[500].1.recv().unwrap();
    assert_eq!(wait(&receivers, None).unwrap(), [3, 999]);
    // The same ones may come again: so thousands of sources need not thousands of descriptors.
    let thousands: Vec<_> = receivers.iter().copied().cycle().take(5000).collect();
    let expected: Vec<usize> = (0..5).flat_map(|lap| [lap * 1000 + 3, lap * 1000 + 999]).collect();
    assert_eq!(wait(&thousands, None).unwrap(), expected);
    assert!(wait(&[], Some(Duration::ZERO)).unwrap().is_empty());
}

#[test]
fn a_wait_ends_when_something_comes() {
    let (sender, receiver) = channel::<u32>().unwrap();
    let (_idle, other) = channel::<u32>().unwrap();
    let waiting = thread::spawn(move || wait(&[&other, &receiver], None).unwrap());
    sender.send(&1).unwrap();
    assert_eq!(waiting.join().unwrap(), [1]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_sent_comes_whole_and_in_order(
        messages in prop::collection::vec((any::<u8>(), 0_usize..80_000, 0_usize..4), 0..12),
    ) {
        let (left, right) = channel::<(Vec<u8>, Vec<Handle>)>().unwrap();
        // They need not all have room.
        let receiving = thread::spawn(move || right.iter().map(Result::unwrap).collect());
        for &(seed, len, count) in &messages {
            left.send(&(pattern(len, seed), nulls(count))).unwrap();
        }
        drop(left);
        let received: Vec<(Vec<u8>, Vec<Handle>)> = receiving.join().unwrap();
        prop_assert_eq!(received.len(), messages.len());
        for ((bytes, handles), (seed, len, count)) in received.into_iter().zip(messages) {
            prop_assert!(bytes == pattern(len, seed) && handles.len() == count);
        }
    }
}
