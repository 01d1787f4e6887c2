//! The two halves of an end of a connection through shared memory, within one process.
#![cfg(not(ipc_loom))]

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::thread;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::wire;
use ipc_pipe::{
    Limits, RecvError, SendError, ShmConnection, ShmReceiver, ShmSender, pipe, shm_pipe,
};
use testkit::Watchdog;

/// The bytes of a message; some are longer than the ring takes.
fn message(number: u32) -> Vec<u8> {
    number.to_le_bytes().repeat(if number.is_multiple_of(50) {
        10_000
    } else {
        1 + number as usize % 40
    })
}

/// More than there is room for.
const MANY: u32 = 3000;

#[test]
fn both_halves_are_at_work_at_once() {
    let _watchdog = Watchdog::start(Duration::from_secs(60), "two halves in two threads");
    let (here, there) = shm_pipe::<(), ()>().unwrap();
    let (mut sender, mut receiver) = here.split();
    let (mut their_sender, mut their_receiver) = there.split();
    thread::scope(|scope| {
        scope.spawn(move || (0..MANY).for_each(|n| sender.send_bytes(&message(n)).unwrap()));
        // It sends on what it receives, as long as there is something.
        scope.spawn(move || {
            loop {
                match their_receiver.recv_bytes(usize::MAX) {
                    Ok(bytes) => their_sender.send_bytes(&bytes).unwrap(),
                    Err(error) => return assert!(error.is_disconnected(), "{error}"),
                }
            }
        });
        for n in 0..MANY {
            assert!(receiver.recv_bytes(usize::MAX).unwrap() == message(n), "{n}");
        }
        assert!(receiver.recv_bytes(0).unwrap_err().is_disconnected());
    });
}

#[test]
fn each_half_ends_by_itself() {
    let (here, mut there) = shm_pipe::<u32, u32>().unwrap();
    let (mut sender, mut receiver) = here.split();
    sender.send(&1).unwrap();
    drop(sender);
    assert_eq!(there.recv().unwrap(), 1);
    assert!(there.recv().unwrap_err().is_disconnected(), "nothing comes any more");
    there.send(&2).unwrap();
    assert_eq!(receiver.recv().unwrap(), 2);
    assert!(!there.closed() && !receiver.closed());
    drop(receiver);
    assert!(there.send(&3).unwrap_err().is_disconnected(), "and nobody receives");
    assert!(there.closed());

    // The other way round, of an end that nobody has used.
    let (here, mut there) = shm_pipe::<u32, u32>().unwrap();
    let (mut sender, receiver) = here.split();
    drop(receiver);
    while there.try_send(&1).is_ok() {}
    assert!(there.send(&1).unwrap_err().is_disconnected());
    sender.send(&4).unwrap();
    assert_eq!(there.recv().unwrap(), 4);
}

#[test]
fn a_half_has_one_user_and_the_other_half_another() {
    let (here, mut there) = shm_pipe::<u32, u32>().unwrap();
    let copy = wire::encode(&here).unwrap();
    let mut whole: ShmConnection<u32, u32> = wire::decode(copy).unwrap();
    let (mut sender, mut receiver) = here.split();
    let copy = wire::encode(&sender).unwrap();
    let mut other_sender: ShmSender<u32> = wire::decode(copy).unwrap();
    other_sender.send(&1).unwrap();
    assert!(matches!(sender.send(&2), Err(SendError::OtherProcess)));
    // Who wants a whole end wants both halves.
    assert!(matches!(whole.send(&2), Err(SendError::OtherProcess)));
    assert!(matches!(whole.recv(), Err(RecvError::OtherProcess)));
    there.send(&3).unwrap();
    assert_eq!(receiver.recv().unwrap(), 3);
    assert_eq!(there.recv().unwrap(), 1);
    assert!(wire::encode(&receiver).is_err(), "one that was used does not travel");
    // Handles that have nothing end nothing.
    drop((whole, sender));
    other_sender.send(&4).unwrap();
    assert_eq!(there.recv().unwrap(), 4);
}

#[test]
fn who_has_a_whole_end_may_split_it_at_any_time() {
    let (mut here, mut there) = shm_pipe::<u32, u32>().unwrap();
    here.send(&1).unwrap();
    let (mut sender, receiver) = here.split();
    assert!(wire::encode(&sender).is_err() && wire::encode(&receiver).is_err(), "it was used");
    sender.send(&2).unwrap();
    drop(sender);
    let received: Result<Vec<u32>, RecvError> = there.iter().collect();
    assert_eq!(received.unwrap(), [1, 2]);
    there.send(&3).unwrap();
    drop(there);
    let mut receiver = thread::spawn(move || receiver).join().unwrap();
    assert!(receiver.iter().map(Result::unwrap).eq([3]));
}

#[test]
fn a_half_is_not_taken_for_more_than_it_is() {
    let (here, _there) = shm_pipe::<u32, u32>().unwrap();
    let (sender, receiver) = here.split();
    let mut end: ShmConnection<u32, u32> = wire::decode(wire::encode(&sender).unwrap()).unwrap();
    assert!(matches!(end.try_recv(), Err(RecvError::OtherProcess)));
    end.send(&1).unwrap();
    let mut end: ShmConnection<u32, u32> = wire::decode(wire::encode(&receiver).unwrap()).unwrap();
    assert!(matches!(end.try_send(&1), Err(SendError::OtherProcess)));
    assert!(matches!(end.try_recv(), Err(RecvError::Empty)));
}

#[test]
fn limits_go_with_the_half_that_receives() {
    let (here, mut there) = shm_pipe::<u32, Vec<u8>>().unwrap();
    let limits = Limits { max_bytes: 100, max_handles: 0 };
    let (_sender, mut receiver) = here.with_limits(limits).split();
    there.send_bytes(&[1; 101]).unwrap();
    assert!(matches!(receiver.recv_bytes(1000), Err(RecvError::TooLong { len: 101, .. })));
}

#[test]
fn what_is_received_into_a_buffer_is_waited_for_until_the_deadline() {
    let (mut here, mut there) = shm_pipe::<(), ()>().unwrap();
    let mut buffer = [0; 8];
    let soon = Deadline::after(Duration::from_millis(1));
    let nothing = there.recv_bytes_into_deadline(&mut buffer, soon);
    assert!(matches!(nothing, Err(RecvError::TimedOut)), "{nothing:?}");
    here.send_bytes(b"short").unwrap();
    assert_eq!(there.recv_bytes_into_deadline(&mut buffer, Deadline::now()).unwrap(), 5);
    assert_eq!(&buffer[..5], b"short");
}

#[test]
fn the_peer_is_who_made_the_pipe() {
    let (here, there) = shm_pipe::<(), ()>().unwrap();
    let (other, _other_end) = pipe::<(), ()>().unwrap();
    let (sender, receiver) = there.split();
    let expected = other.peer().unwrap();
    assert!(expected.is_some());
    for peer in [here.peer(), sender.peer(), receiver.peer()] {
        assert_eq!(peer.unwrap(), expected);
    }
}

#[test]
fn who_does_not_wait_is_told_that_the_socket_beside_the_ring_is_full() {
    let (mut here, mut there) = shm_pipe::<(), ()>().unwrap();
    let long = vec![7; 50_000];
    let mut n_sent = 0;
    while here.send_bytes_deadline(&long, Deadline::now()).is_ok() {
        n_sent += 1;
    }
    let soon = Deadline::after(Duration::from_millis(1));
    assert!(matches!(here.send_bytes_deadline(&long, soon), Err(SendError::TimedOut)));
    assert!(n_sent > 1 && here.writable().unwrap(), "the ring has room");
    for _ in 0..n_sent {
        assert!(there.recv_bytes(usize::MAX).unwrap() == long);
    }
    assert!(matches!(there.try_recv(), Err(RecvError::Empty)));
    here.send_bytes(&long).unwrap();
}

/// It does not compile unless they are.
#[test]
fn ends_and_halves_may_be_anywhere() {
    fn anywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}
    anywhere::<ShmConnection<u32, u32>>();
    anywhere::<ShmSender<u32>>();
    anywhere::<ShmReceiver<u32>>();
}
