//! Iterators, batches, the simple queue, and queues by name.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::thread;
use std::time::Duration;

use ipc_core::{ProcessId, Segment, SegmentError, wire};
use ipc_queue::{Builder, ByteQueue, GetError, PutError, Queue, QueueError, SimpleQueue};
use serde::{Deserialize, Serialize, Serializer};
use testkit::Watchdog;

fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(60), what)
}

#[test]
fn an_iterator_goes_on_until_the_last_putter_is_gone() {
    let _watchdog = watch("iterators");
    let (sender, receiver) = ipc_queue::channel::<u32>(2).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || sender.put_all(0..100).unwrap());
        let got: Vec<u32> = receiver.iter().collect::<Result<_, _>>().unwrap();
        assert!(got.iter().copied().eq(0..100), "{got:?}");
    });
    let mut iter = receiver.iter();
    assert!(iter.next().is_none() && iter.next().is_none());
}

#[test]
fn an_iterator_goes_on_until_the_queue_is_closed_and_empty() {
    let queue = ByteQueue::bounded(4).unwrap();
    queue.put_all([b"one".as_slice(), b"two"]).unwrap();
    queue.close();
    let got: Vec<_> = queue.iter().map(Result::unwrap).collect();
    assert_eq!(got, [b"one", b"two"]);
    assert_eq!(queue.into_iter().count(), 0);
}

#[test]
fn an_iterator_that_does_not_wait_takes_what_is_there() {
    let queue = Queue::<u32>::bounded(4).unwrap();
    assert_eq!(queue.try_iter().count(), 0);
    queue.put_all([1, 2, 3]).unwrap();
    let got: Vec<u32> = queue.try_iter().map(Result::unwrap).collect();
    assert_eq!(got, [1, 2, 3]);
    queue.put(4).unwrap();
    queue.close();
    let mut of_values = 0;
    for value in &queue {
        of_values += value.unwrap();
    }
    assert_eq!(of_values, 4);
}

#[test]
fn an_iterator_tells_of_a_message_that_is_no_value_and_goes_on() {
    let queue = Queue::<Fussy>::bounded(8).unwrap();
    queue.put_all([Fussy(2), Fussy(1), Fussy(4)]).unwrap();
    queue.close();
    let got: Vec<_> = queue.into_iter().map(|it| it.map(|Fussy(number)| number)).collect();
    assert!(matches!(got[..], [Ok(2), Err(GetError::Decode(_)), Ok(4)]), "{got:?}");
}

/// It can only be decoded if it is even, and only be encoded if it is not 13.
#[derive(Debug, PartialEq)]
struct Fussy(u32);

impl Serialize for Fussy {
    fn serialize<R: Serializer>(&self, serializer: R) -> Result<R::Ok, R::Error> {
        match self.0 {
            13 => Err(serde::ser::Error::custom("13")),
            number => number.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Fussy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            even if even % 2 == 0 => Ok(Self(even)),
            _ => Err(serde::de::Error::custom("odd")),
        }
    }
}

#[test]
fn a_batch_that_is_refused_gives_back_the_value_and_keeps_the_rest() {
    let queue = Queue::<Fussy>::bounded(8).unwrap();
    let mut values = [2, 4, 13, 6].into_iter().map(Fussy);
    let refused = queue.put_all(values.by_ref()).unwrap_err();
    assert_eq!(refused.n_put, 2);
    assert!(matches!(refused.error, PutError::Encode { value: Fussy(13), .. }));
    assert_eq!(queue.put_all(values).unwrap(), 1);
    assert_eq!(queue.get_many(10).unwrap(), [Fussy(2), Fussy(4), Fussy(6)]);
    queue.close();
    let refused = queue.put_all([Fussy(8)]).unwrap_err();
    assert!(refused.n_put == 0 && refused.error.is_closed());
    assert_eq!(refused.error.into_inner(), Fussy(8));
}

#[test]
fn a_batch_of_bytes_that_is_refused_gives_back_the_message() {
    let queue = Builder::new(1).message_bytes(48).bytes().unwrap();
    let too_long = vec![7; queue.max_message() + 1];
    let refused = queue.put_all([vec![1], too_long.clone()]).unwrap_err();
    assert_eq!((refused.n_put, refused.error.into_inner()), (1, too_long));
    assert_eq!(queue.get_many(1).unwrap(), [[1]]);
}

#[test]
fn a_batch_takes_what_is_there_and_no_more_than_is_wanted() {
    let _watchdog = watch("batches");
    let (sender, receiver) = ipc_queue::channel::<u32>(8).unwrap();
    assert!(receiver.get_many(0).unwrap().is_empty(), "nothing is wanted, so it does not wait");
    let none = receiver.get_many_timeout(4, Duration::from_millis(5)).unwrap_err();
    assert!(none.got.is_empty() && matches!(none.error, GetError::TimedOut));
    assert!(matches!(receiver.try_get_many(4).unwrap_err().error, GetError::Empty));
    sender.put_all(0..5).unwrap();
    assert_eq!(receiver.get_many(2).unwrap(), [0, 1]);
    assert_eq!(receiver.try_get_many(2).unwrap(), [2, 3]);
    drop(sender);
    assert_eq!(receiver.get_many_timeout(9, Duration::from_secs(50)).unwrap(), [4]);
    assert!(receiver.get_many(9).unwrap_err().error.is_disconnected());
}

#[test]
fn a_batch_that_meets_an_error_hands_over_what_it_had() {
    let queue = Queue::<Fussy>::bounded(8).unwrap();
    queue.put_all([2, 4, 1, 6].map(Fussy)).unwrap();
    let error = queue.get_many(9).unwrap_err();
    assert_eq!(error.got, [Fussy(2), Fussy(4)]);
    assert!(matches!(error.error, GetError::Decode(_)));
    assert_eq!(queue.get_many(9).unwrap(), [Fussy(6)]);
}

#[test]
fn handles_of_one_queue_are_known_as_such() {
    let queue = Queue::<u32>::bounded(1).unwrap();
    let other = Queue::<u32>::bounded(1).unwrap();
    let (sender, receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    assert!(queue.same_queue(&sender) && receiver.same_queue(&sender));
    assert!(!queue.same_queue(&other) && !other.same_queue(&receiver));
    let sent: Queue<u32> = wire::decode(wire::encode(&queue).unwrap()).unwrap();
    assert!(sent.same_queue(&queue));
}

#[test]
fn a_simple_queue_is_put_into_got_from_and_closed() {
    let queue = SimpleQueue::<(u8, String)>::new().unwrap();
    assert!(queue.is_empty());
    let sent: SimpleQueue<(u8, String)> = wire::decode(wire::encode(&queue).unwrap()).unwrap();
    sent.put((1, "one".into())).unwrap();
    assert!(!queue.is_empty());
    assert_eq!(queue.get().unwrap(), (1, "one".to_owned()));
    queue.clone().put((2, "two".into())).unwrap();
    queue.close();
    queue.close();
    assert!(sent.put((3, String::new())).unwrap_err().is_closed());
    let full = Queue::from(sent);
    assert_eq!(full.get().unwrap(), (2, "two".to_owned()));
    assert!(SimpleQueue::from(full).get().unwrap_err().is_closed());
}

/// A name that no other test has; it is taken away in the end, whatever happens.
struct Name(String);

impl Name {
    fn new(what: &str) -> Self {
        Self(format!("multiproc-test-queue-{}-{what}", ProcessId::current().unwrap()))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        Segment::unlink(&self.0).ok();
    }
}

fn segment_error<T>(result: Result<T, QueueError>) -> Option<SegmentError> {
    match result {
        Err(QueueError::Segment(error)) => Some(error),
        _ => None,
    }
}

#[test]
fn a_queue_with_a_name_is_the_same_for_all_who_know_it() {
    let name = Name::new("same");
    let missing = segment_error(Queue::<u32>::open_named(&name.0));
    assert!(matches!(missing, Some(SegmentError::NotFound)), "{missing:?}");
    let here = Queue::<u32>::create_named(&name.0, 3).unwrap();
    let there = Queue::<u32>::open_named(&name.0).unwrap();
    assert!(here.same_queue(&there) && there.capacity() == 3);
    here.put(7).unwrap();
    // It stays as it is when nobody uses it.
    drop((here, there));
    let later = Queue::<u32>::open_or_create(&name.0, 9).unwrap();
    assert_eq!((later.get().unwrap(), later.capacity()), (7, 3));
    Queue::<u32>::unlink(&name.0).unwrap();
    let gone = segment_error(Queue::<u32>::unlink(&name.0));
    assert!(matches!(gone, Some(SegmentError::NotFound)), "{gone:?}");
    let new = Queue::<u32>::open_or_create(&name.0, 9).unwrap();
    assert!(!new.same_queue(&later) && new.capacity() == 9);
}

#[test]
fn each_way_in_which_a_name_cannot_be_had_has_an_error_of_its_own() {
    let name = Name::new("errors");
    let queue = Queue::<u32>::create_named(&name.0, 3).unwrap();
    let taken = segment_error(ByteQueue::create_named(&name.0, 3));
    assert!(matches!(taken, Some(SegmentError::AlreadyExists)), "{taken:?}");
    let other_type = segment_error(Queue::<i32>::open_named(&name.0));
    assert!(matches!(other_type, Some(SegmentError::WrongType { .. })), "{other_type:?}");
    let bytes = segment_error(ByteQueue::open_or_create(&name.0, 3));
    assert!(matches!(bytes, Some(SegmentError::WrongType { .. })), "{bytes:?}");
    let bad = segment_error(Queue::<u32>::create_named("a/b", 3));
    assert!(matches!(bad, Some(SegmentError::BadName)), "{bad:?}");
    let bad = Builder::new(0).named_values::<u32>("never");
    assert!(matches!(bad, Err(QueueError::BadCapacity { .. })));
    drop(queue);
    // Something else of that name, and a queue of another version.
    Queue::<u32>::unlink(&name.0).unwrap();
    let kind = ipc_core::Kind::new(*b"ipc-lock", 1);
    drop(Segment::create_named(&name.0, kind, 0, 64, |_| {}).unwrap());
    let lock = segment_error(Queue::<u32>::open_named(&name.0));
    assert!(matches!(lock, Some(SegmentError::WrongKind { .. })), "{lock:?}");
    Segment::unlink(&name.0).unwrap();
    let kind = ipc_core::Kind::new(*b"ipc-ring", 250);
    drop(Segment::create_named(&name.0, kind, 0, 64, |_| {}).unwrap());
    let later = segment_error(ByteQueue::open_named(&name.0));
    assert!(matches!(later, Some(SegmentError::WrongKindVersion { .. })), "{later:?}");
}

#[test]
fn a_queue_with_a_name_has_ends() {
    let name = Name::new("ends");
    let sender = ByteQueue::create_named(&name.0, 3).unwrap().split().unwrap().0;
    assert!(sender.put(b"x").unwrap_err().is_disconnected(), "nobody has come yet");
    let receiver = ByteQueue::open_named(&name.0).unwrap().split().unwrap().1;
    sender.put(b"y").unwrap();
    drop(sender);
    assert_eq!(receiver.get().unwrap(), b"y");
    assert!(receiver.get().unwrap_err().is_disconnected());
    let sender = ByteQueue::open_named(&name.0).unwrap().split().unwrap().0;
    sender.put(b"z").unwrap();
    assert_eq!(receiver.get().unwrap(), b"z");
    assert!(receiver.try_get().unwrap_err().is_empty());
}

#[test]
fn many_that_open_or_create_at_once_come_to_one_queue() {
    let name = Name::new("race");
    for _ in 0..50 {
        let queues: Vec<_> = thread::scope(|scope| {
            let open = || Queue::<u32>::open_or_create(&name.0, 4).unwrap();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(queues.iter().all(|queue| queue.same_queue(&queues[0])));
        Queue::<u32>::unlink(&name.0).unwrap();
    }
}
