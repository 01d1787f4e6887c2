//! Connections through shared memory, within one process.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::File;
use std::thread;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::wire::{self, Handle};
use ipc_pipe::{Limits, RecvError, RequestError, SendError, ShmConnection, shm_pipe};
use proptest::prelude::*;

const SOON: Duration = Duration::from_millis(10);

/// Lengths around which something changes.
const LENS: [usize; 12] = [0, 1, 55, 56, 57, 64, 120, 32_759, 32_760, 32_761, 40_000, 1 << 20];

fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|at| seed.wrapping_add(u8::try_from(at % 251).unwrap())).collect()
}

#[test]
fn messages_of_any_length_come_whole_and_in_order() {
    let (mut left, mut right) = shm_pipe::<Vec<u8>, Vec<u8>>().unwrap();
    // Often enough for the ring to come round, at all distances from its end.
    for round in 0..40_u8 {
        for (len, seed) in LENS.into_iter().zip(round..) {
            left.send_bytes(&pattern(len, seed)).unwrap();
            right.send_bytes(&pattern(len, seed)).unwrap();
            assert!(right.recv_bytes(len).unwrap() == pattern(len, seed), "{len}");
            assert!(left.recv_bytes(len).unwrap() == pattern(len, seed), "{len}");
        }
    }
    let mut buffer = vec![0; 2 << 20];
    for (len, seed) in LENS.into_iter().zip(0..) {
        left.send_bytes(&pattern(len, seed)).unwrap();
        assert_eq!(right.recv_bytes_into(&mut buffer).unwrap(), len);
        assert!(buffer[..len] == pattern(len, seed), "{len}");
    }
}

#[test]
fn short_long_and_handles_stay_in_order() {
    let (mut left, mut right) = shm_pipe::<(u32, Vec<u8>, Vec<Handle>), ()>().unwrap();
    let null = || Handle::from(File::open("/dev/null").unwrap());
    for n in 0..60_usize {
        let handles: Vec<Handle> = (0..if n % 3 == 0 { n } else { 0 }).map(|_| null()).collect();
        let bytes = pattern(if n % 8 == 0 { 50_000 } else { n }, 3);
        left.send(&(u32::try_from(n).unwrap(), bytes, handles)).unwrap();
    }
    for n in 0..60_usize {
        let (number, bytes, handles) = right.recv().unwrap();
        assert_eq!(usize::try_from(number).unwrap(), n);
        assert_eq!(handles.len(), if n % 3 == 0 { n } else { 0 });
        assert!(bytes == pattern(if n % 8 == 0 { 50_000 } else { n }, 3));
    }
}

#[test]
fn more_handles_than_a_packet_takes_travel_too() {
    let (mut left, mut right) = shm_pipe::<Vec<Handle>, ()>().unwrap();
    for count in [253, 254, 400] {
        let nulls = (0..count).map(|_| File::open("/dev/null").unwrap().into()).collect();
        left.send(&nulls).unwrap();
        assert_eq!(right.recv().unwrap().len(), count);
    }
}

#[test]
fn who_does_not_wait_is_told_that_there_is_nothing_or_no_room() {
    let (mut left, mut right) = shm_pipe::<Vec<u8>, ()>().unwrap();
    assert!(matches!(right.try_recv(), Err(RecvError::Empty)));
    assert!(matches!(right.recv_timeout(SOON), Err(RecvError::TimedOut)));
    let until = Deadline::after(SOON);
    assert!(matches!(right.recv_bytes_deadline(9, until), Err(RecvError::TimedOut)));
    assert!(!right.poll(SOON).unwrap() && !right.closed());
    let mut n_sent = 0_u8;
    let full = loop {
        match left.try_send(&vec![n_sent; 1000]) {
            Ok(()) => n_sent += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, SendError::Full), "{full:?}");
    assert!(matches!(left.send_timeout(&vec![1; 1000], SOON), Err(SendError::TimedOut)));
    assert!(n_sent > 50, "{n_sent}");
    for n in 0..n_sent {
        assert!(right.poll(Duration::MAX).unwrap());
        assert_eq!(right.recv().unwrap(), vec![n; 1000]);
    }
    assert!(matches!(right.try_recv(), Err(RecvError::Empty)));
}

#[test]
fn an_end_says_whether_it_is_readable_and_writable() {
    let (mut left, mut right) = shm_pipe::<(), ()>().unwrap();
    assert!(!right.readable().unwrap() && left.writable().unwrap());
    let mut n_sent = 0;
    while left.writable().unwrap() {
        left.send_bytes(&[]).unwrap();
        n_sent += 1;
    }
    assert!(matches!(left.try_send(&()), Err(SendError::Full)) && right.readable().unwrap());
    right.recv_bytes(0).unwrap();
    assert!(left.writable().unwrap());
    for _ in 1..n_sent {
        right.recv_bytes(0).unwrap();
    }
    assert!(!right.readable().unwrap() && right.writable().unwrap());
    drop(left);
    assert!(right.readable().unwrap() && right.writable().unwrap());
}

#[test]
fn who_waits_is_woken() {
    let (mut left, mut right) = shm_pipe::<Vec<u8>, u64>().unwrap();
    let echo = thread::spawn(move || {
        let mut sum = 0;
        while let Ok(bytes) = right.recv_bytes(usize::MAX) {
            sum += bytes.len() as u64;
            if bytes.is_empty() {
                right.send(&sum).unwrap();
            }
        }
        sum
    });
    for round in 0..30_usize {
        for _ in 0..50 {
            left.send_bytes(&[7; 3000]).unwrap();
        }
        // Long enough for the other to fall asleep now and then.
        if round % 5 == 0 {
            assert!(!left.poll(Duration::from_millis(3)).unwrap());
        }
        left.send_bytes(&[]).unwrap();
        assert_eq!(left.recv().unwrap(), (round as u64 + 1) * 50 * 3000);
    }
    drop(left);
    assert_eq!(echo.join().unwrap(), 30 * 50 * 3000);
}

#[test]
fn the_end_comes_after_all_that_was_sent() {
    let (mut left, mut right) = shm_pipe::<u32, u32>().unwrap();
    for n in 0..3 {
        left.send(&n).unwrap();
    }
    right.send(&9).unwrap();
    left.close();
    assert!(right.closed() && right.poll(Duration::ZERO).unwrap());
    assert!(right.send(&1).unwrap_err().is_disconnected());
    assert_eq!([(); 3].map(|()| right.recv().unwrap()), [0, 1, 2]);
    assert!(right.recv().unwrap_err().is_disconnected());
    assert!(right.try_recv().unwrap_err().is_disconnected());
    assert!(right.poll(Duration::ZERO).unwrap());

    // One that nobody ever used.
    let (left, mut right) = shm_pipe::<u32, u32>().unwrap();
    drop(left);
    assert!(right.recv().unwrap_err().is_disconnected());
}

#[test]
fn who_waits_for_room_hears_of_the_end() {
    let (mut left, mut right) = shm_pipe::<u32, u32>().unwrap();
    assert!(right.try_recv().is_err());
    let waiting = thread::spawn(move || {
        loop {
            if let Err(error) = left.send(&1) {
                return error;
            }
        }
    });
    assert_eq!(right.recv().unwrap(), 1);
    drop(right);
    assert!(waiting.join().unwrap().is_disconnected());
}

#[test]
fn a_request_is_answered() {
    let (mut client, mut server) = shm_pipe::<u32, String>().unwrap();
    let answering = thread::spawn(move || {
        while let Ok(number) = server.recv() {
            server.send(&number.to_string()).unwrap();
        }
    });
    for number in 0..1000 {
        assert_eq!(client.request(&number).unwrap(), number.to_string());
    }
    drop(client);
    answering.join().unwrap();
    let (mut client, _server) = shm_pipe::<u32, String>().unwrap();
    let silent = client.request_deadline(&1, Deadline::after(SOON));
    assert!(matches!(silent, Err(RequestError::Recv(RecvError::TimedOut))));
}

#[test]
fn what_is_refused_is_lost_and_the_next_comes() {
    let (mut left, right) = shm_pipe::<Vec<u8>, ()>().unwrap();
    let mut right = right.with_limits(Limits { max_bytes: 100, max_handles: 0 });
    for len in [101, 50_000] {
        left.send_bytes(&pattern(len, 1)).unwrap();
        left.send_bytes(b"next").unwrap();
        assert!(matches!(right.recv_bytes(usize::MAX), Err(RecvError::TooLong { .. })));
        assert_eq!(right.recv_bytes(9).unwrap(), b"next");
    }
    left.send_bytes(&[1; 50]).unwrap();
    match right.recv_bytes_into(&mut [0; 9]) {
        Err(RecvError::TooShort { message }) => assert_eq!(message, [1; 50]),
        other => panic!("{other:?}"),
    }
    left.send_bytes(&[9]).unwrap();
    assert!(matches!(right.recv(), Err(RecvError::Decode(_))));
}

#[test]
fn an_end_has_one_user() {
    let (mut left, mut right) = shm_pipe::<u32, u32>().unwrap();
    let copy = wire::encode(&left).unwrap();
    let mut copy: ShmConnection<u32, u32> = wire::decode(copy).unwrap();
    copy.send(&1).unwrap();
    assert!(matches!(left.send(&2), Err(SendError::OtherProcess)));
    assert!(matches!(left.recv(), Err(RecvError::OtherProcess)));
    assert_eq!(right.recv().unwrap(), 1);
    assert!(wire::encode(&copy).is_err(), "one that was used does not travel");
    // The copy that nobody could use ends nothing.
    drop(left);
    copy.send(&3).unwrap();
    assert_eq!(right.recv().unwrap(), 3);
    drop(copy);
    assert!(right.recv().unwrap_err().is_disconnected());
}

#[derive(Clone, Debug)]
enum Step {
    Send(usize, u8),
    Recv,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn it_is_a_queue_of_messages(
        steps in prop::collection::vec(
            prop_oneof![
                (0_usize..20_000, any::<u8>()).prop_map(|(len, seed)| Step::Send(len, seed)),
                (0_usize..200, any::<u8>()).prop_map(|(len, seed)| Step::Send(len, seed)),
                Just(Step::Recv),
            ],
            0..200,
        ),
    ) {
        let (mut left, mut right) = shm_pipe::<(), ()>().unwrap();
        let mut expected = std::collections::VecDeque::new();
        for step in steps {
            match step {
                Step::Send(len, seed) => {
                    let bytes = pattern(len, seed);
                    match left.send_bytes_deadline(&bytes, Deadline::now()) {
                        Ok(()) => expected.push_back(bytes),
                        Err(error) => prop_assert!(error.is_timed_out(), "{error:?}"),
                    }
                }
                Step::Recv => match right.recv_bytes_deadline(usize::MAX, Deadline::now()) {
                    Ok(bytes) => prop_assert_eq!(Some(bytes), expected.pop_front()),
                    Err(error) => {
                        prop_assert!(error.is_timed_out() && expected.is_empty(), "{error:?}");
                    }
                },
            }
        }
        drop(left);
        for bytes in expected {
            prop_assert_eq!(right.recv_bytes(usize::MAX).unwrap(), bytes);
        }
        prop_assert!(right.recv().unwrap_err().is_disconnected());
    }
}
