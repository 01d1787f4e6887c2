//! Senders and receivers in one process: who is told that nobody is left, and who is not.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::thread;
use std::time::Duration;

use ipc_core::wire;
use ipc_queue::{Builder, ByteReceiver, ByteSender, GetError, PutError, Queue, Receiver, Sender};
use testkit::Watchdog;

fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(60), what)
}

/// Ends of a queue that never wakes up without being woken, but for a look around.
fn ends(capacity: usize) -> (ByteSender, ByteReceiver) {
    Builder::new(capacity).without_backstop().bytes().unwrap().split().unwrap()
}

/// What arrives when a handle is sent to somebody.
fn sent<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    wire::decode(wire::encode(value).unwrap()).unwrap()
}

#[test]
fn a_getter_gets_what_is_left_and_is_told_when_the_last_putter_is_dropped() {
    let (sender, receiver) = ends(4);
    sender.put(b"one").unwrap();
    let clone = sender.clone();
    drop(sender);
    clone.put(b"two").unwrap();
    drop(clone);
    assert_eq!(receiver.get().unwrap(), b"one");
    assert_eq!(receiver.try_get().unwrap(), b"two");
    for _ in 0..2 {
        assert!(receiver.get().unwrap_err().is_disconnected());
        assert!(receiver.try_get().unwrap_err().is_disconnected());
        assert!(receiver.get_timeout(Duration::from_secs(50)).unwrap_err().is_disconnected());
    }
}

#[test]
fn a_putter_is_told_when_the_last_getter_is_dropped_even_if_there_is_room() {
    let (sender, receiver) = ends(4);
    let clone = receiver.clone();
    drop(receiver);
    sender.put(b"one").unwrap();
    drop(clone);
    for _ in 0..2 {
        let refused = sender.put(b"two").unwrap_err();
        assert!(refused.is_disconnected() && !refused.is_full() && !refused.is_closed());
        assert_eq!(refused.into_inner(), b"two");
        assert!(matches!(sender.try_put(b"two"), Err(PutError::Disconnected(b"two"))));
    }
    assert_eq!(sender.len(), 1);
}

#[test]
fn a_value_comes_back_from_a_queue_without_getters() {
    let (sender, receiver) = ipc_queue::channel::<String>(4).unwrap();
    drop(receiver);
    let refused = sender.put("mine".to_owned()).unwrap_err();
    assert!(refused.is_disconnected());
    assert_eq!(refused.into_inner(), "mine");
}

#[test]
fn an_empty_or_full_queue_whose_other_side_is_there_is_only_empty_or_full() {
    let (sender, receiver) = ends(1);
    assert!(matches!(receiver.try_get(), Err(GetError::Empty)));
    assert!(matches!(receiver.get_timeout(Duration::from_millis(5)), Err(GetError::TimedOut)));
    sender.put(b"x").unwrap();
    assert!(matches!(sender.try_put(b"y"), Err(PutError::Full(_))));
    let late = sender.put_timeout(b"y", Duration::from_millis(5));
    assert!(matches!(late, Err(PutError::TimedOut(_))));
}

#[test]
fn a_full_handle_is_on_both_sides_and_is_never_told() {
    let queue = Builder::new(1).without_backstop().bytes().unwrap();
    let sender = queue.sender().unwrap();
    let receiver = queue.receiver().unwrap();
    sender.put(b"x").unwrap();
    drop(sender);
    assert_eq!(receiver.get().unwrap(), b"x");
    assert!(matches!(receiver.try_get(), Err(GetError::Empty)), "the queue might put");
    let sender = queue.sender().unwrap();
    drop(receiver);
    sender.put(b"y").unwrap();
    assert!(matches!(sender.try_put(b"z"), Err(PutError::Full(_))), "the queue might get");
    drop(sender);
    assert_eq!(queue.get().unwrap(), b"y");
    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    let receiver = queue.receiver().unwrap();
    drop(queue);
    assert!(receiver.get().unwrap_err().is_disconnected());
}

#[test]
fn whoever_sleeps_is_woken_when_the_other_side_goes() {
    for round in 0..200 {
        let _watchdog = watch("sleepers at one end");
        let (sender, receiver) = ends(1);
        let is_full = round % 2 == 0;
        if is_full {
            sender.put(b"in the way").unwrap();
        }
        thread::scope(|scope| {
            let mut going: Vec<Box<dyn Send>> = Vec::new();
            for _ in 0..3 {
                if is_full {
                    let sender = sender.clone();
                    scope.spawn(move || assert!(sender.put(b"x").unwrap_err().is_disconnected()));
                    going.push(Box::new(receiver.clone()));
                } else {
                    let receiver = receiver.clone();
                    scope.spawn(move || assert!(receiver.get().unwrap_err().is_disconnected()));
                    going.push(Box::new(sender.clone()));
                }
            }
            if is_full {
                drop(receiver);
            } else {
                drop(sender);
            }
            // At any moment between their first look and their sleep.
            for _ in 0..round * 50 {
                std::hint::black_box(round);
            }
            drop(going);
        });
    }
}

#[test]
fn a_closed_queue_is_closed_and_not_disconnected() {
    let (sender, receiver) = ends(2);
    sender.put(b"x").unwrap();
    receiver.close();
    assert!(sender.put(b"y").unwrap_err().is_closed());
    drop(sender);
    assert_eq!(receiver.get().unwrap(), b"x");
    assert!(receiver.get().unwrap_err().is_closed());
    let (sender, receiver) = ends(2);
    sender.close();
    drop(receiver);
    assert!(sender.put(b"y").unwrap_err().is_closed());
}

#[test]
fn a_handle_in_a_message_is_a_handle() {
    let (sender, receiver) = ends(2);
    let message = wire::encode(&sender).unwrap();
    assert_eq!(message.handles.len(), 1);
    drop(sender);
    assert!(matches!(receiver.try_get(), Err(GetError::Empty)), "it is on its way");
    let sender: ByteSender = wire::decode(message).unwrap();
    sender.put(b"x").unwrap();
    let receiver = { sent(&receiver) };
    assert_eq!(receiver.get().unwrap(), b"x");
    drop(wire::encode(&sender).unwrap());
    assert!(matches!(receiver.try_get(), Err(GetError::Empty)), "a copy was dropped");
    drop(sender);
    assert!(receiver.get().unwrap_err().is_disconnected());
}

#[test]
fn a_full_handle_in_a_message_is_on_both_sides() {
    let queue = Queue::<u32>::bounded(2).unwrap();
    let receiver = queue.receiver().unwrap();
    let message = wire::encode(&queue).unwrap();
    assert_eq!(message.handles.len(), 1);
    drop(queue);
    assert!(receiver.try_get().unwrap_err().is_empty());
    let queue: Queue<u32> = wire::decode(message).unwrap();
    queue.put(7).unwrap();
    drop(queue);
    assert_eq!(receiver.get().unwrap(), 7);
    assert!(receiver.get().unwrap_err().is_disconnected());
}

#[test]
fn a_handle_of_another_type_is_refused_and_leaves_no_one_there() {
    let (sender, receiver) = ipc_queue::channel::<u32>(2).unwrap();
    assert!(wire::decode::<Sender<i32>>(wire::encode(&sender).unwrap()).is_err());
    let (pipe, _write) = std::io::pipe().unwrap();
    let stranger = wire::Handle::from(std::os::fd::OwnedFd::from(pipe));
    assert!(wire::decode::<Sender<u32>>(wire::encode(&stranger).unwrap()).is_err());
    drop(sender);
    assert!(receiver.get().unwrap_err().is_disconnected());
}

#[test]
fn a_receiver_that_comes_later_counts_from_then_on() {
    let queue = Queue::<u32>::bounded(4).unwrap();
    let sender = queue.sender().unwrap();
    let segment = queue.segment().clone();
    drop(queue);
    assert!(sender.put(1).unwrap_err().is_disconnected());
    // Whoever has the memory can open it, as a program that knows a queue's name can.
    let queue = Queue::<u32>::from_segment(segment).unwrap();
    sender.put(2).unwrap();
    let receiver: Receiver<u32> = queue.receiver().unwrap();
    drop(queue);
    sender.put(3).unwrap();
    assert_eq!(receiver.get().unwrap(), 2);
    drop(receiver);
    assert!(sender.put(4).unwrap_err().is_disconnected());
}

#[test]
fn ends_end_with_their_handles_and_not_with_the_seats_of_threads() {
    let _watchdog = watch("a thread that has put");
    let (sender, receiver) = ends(2);
    let (done, until) = std::sync::mpsc::channel::<()>();
    thread::scope(|scope| {
        let (has_put, wait) = std::sync::mpsc::channel();
        let clone = sender.clone();
        scope.spawn(move || {
            clone.put(b"x").unwrap();
            // The thread goes on, and has a seat; its handle is given to another to be dropped.
            has_put.send(clone).unwrap();
            until.recv().ok();
        });
        drop(wait.recv().unwrap());
        drop(sender);
        assert_eq!(receiver.get().unwrap(), b"x");
        assert!(receiver.get().unwrap_err().is_disconnected());
        drop(done);
    });
}
