//! `Queue<T>` between threads: values of any shape, and all that can be wrong with one.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::collections::BTreeMap;
use std::error::Error as _;
use std::thread;
use std::time::Duration;

use ipc_core::primitive::{AtomicU32, Ordering};
use ipc_core::wire::{self, EncodeError};
use ipc_core::{Deadline, Kind, Segment, SegmentError};
use ipc_queue::{Builder, ByteQueue, GetError, JoinableQueue, PutError, Queue, QueueError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use testkit::Watchdog;

const SHORT: Duration = Duration::from_millis(5);

fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(60), what)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Text(String),
    Pair(Box<(Tree, Tree)>),
    Map { names: BTreeMap<String, Option<i64>>, bytes: Vec<u8> },
}

fn tree() -> Tree {
    let names = [("one".to_owned(), Some(1)), ("none".to_owned(), None)].into();
    let map = Tree::Map { names, bytes: (0..=255).collect() };
    Tree::Pair(Box::new((Tree::Pair(Box::new((map, Tree::Leaf))), Tree::Text("ö".repeat(100)))))
}

/// A value that its own `Serialize` refuses, after having written something.
#[derive(Debug, Deserialize)]
struct Stubborn(u32);

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{Error, SerializeTuple};
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&self.0)?;
        Err(S::Error::custom("it does not want to"))
    }
}

/// A value that writes what it cannot read.
#[derive(Debug, Deserialize)]
struct Liar {
    #[expect(dead_code, reason = "it can never be read")]
    flag: bool,
}

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(77)
    }
}

#[test]
fn values_come_out_as_they_went_in() {
    let queue = Queue::<Tree>::bounded(16).unwrap();
    for value in [Tree::Leaf, tree(), Tree::Text(String::new())] {
        queue.put(value.clone()).unwrap();
        queue.put_timeout(value.clone(), SHORT).unwrap();
        assert_eq!(queue.get().unwrap(), value);
        assert_eq!(queue.get_timeout(SHORT).unwrap(), value);
    }
    let units = Queue::<()>::bounded(2).unwrap();
    units.put(()).unwrap();
    assert_eq!(units.len(), 1, "nothing is something");
    units.get().unwrap();
}

#[test]
fn all_forms_put_and_get() {
    let queue = Queue::<u64>::bounded(4).unwrap();
    queue.put(1).unwrap();
    queue.try_put(2).unwrap();
    queue.put_timeout(3, SHORT).unwrap();
    queue.put_deadline(4, Deadline::now()).unwrap();
    assert!(queue.is_full());
    assert!(matches!(queue.try_put(5), Err(PutError::Full(5))));
    assert!(matches!(queue.put_timeout(5, SHORT), Err(PutError::TimedOut(5))));
    assert!(matches!(queue.put_deadline(5, Deadline::now()), Err(PutError::TimedOut(5))));
    assert_eq!(queue.get().unwrap(), 1);
    assert_eq!(queue.try_get().unwrap(), 2);
    assert_eq!(queue.get_timeout(SHORT).unwrap(), 3);
    assert_eq!(queue.get_deadline(Deadline::now()).unwrap(), 4);
    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    assert!(matches!(queue.get_timeout(SHORT), Err(GetError::TimedOut)));
    assert!(queue.try_get().unwrap_err().is_empty());
    queue.close();
    assert!(queue.is_closed());
    assert!(matches!(queue.put(5), Err(PutError::Closed(5))));
    assert!(matches!(queue.get(), Err(GetError::Closed)));
}

#[test]
fn a_refused_value_comes_back_unharmed() {
    let queue = Queue::<String>::bounded(1).unwrap();
    queue.put("first".into()).unwrap();
    assert_eq!(queue.try_put("second".into()).unwrap_err().into_inner(), "second");
    queue.close();
    assert_eq!(queue.put("third".into()).unwrap_err().into_inner(), "third");
}

#[test]
fn a_value_that_is_too_long_comes_back_with_the_limit() {
    let queue = Builder::new(2).max_bytes(8192).values::<Vec<u8>>().unwrap();
    let limit = queue.max_message();
    assert_eq!(limit, 8192);
    // Two bytes say how long the vector is.
    queue.put(vec![1; limit - 2]).unwrap();
    assert_eq!(queue.get().unwrap(), vec![1; limit - 2]);
    match queue.put(vec![1; limit - 1]).unwrap_err() {
        PutError::TooLarge { value, len, limit: told } => {
            assert_eq!((value.len(), len, told), (limit - 1, limit + 1, limit));
        }
        other => panic!("{other}"),
    }
    assert!(queue.is_empty());
}

#[test]
fn a_value_that_cannot_be_encoded_comes_back_and_nothing_is_put() {
    let queue = Queue::<Stubborn>::bounded(1).unwrap();
    let error = queue.put(Stubborn(9)).unwrap_err();
    assert!(matches!(&error, PutError::Encode { source: EncodeError::Value(_), .. }), "{error}");
    assert!(error.source().is_some() && !error.is_full() && !error.is_closed());
    assert_eq!(error.into_inner().0, 9);
    assert!(queue.is_empty());
    // It is told even if there is no room, and even if the queue is closed.
    queue.close();
    assert!(matches!(queue.try_put(Stubborn(1)), Err(PutError::Encode { .. })));
}

#[test]
fn a_value_with_a_handle_comes_back_and_nothing_is_put() {
    let is_refused = |error: &EncodeError| matches!(error, EncodeError::HandleNotAllowed);
    let segments = Queue::<(u32, Segment)>::bounded(1).unwrap();
    let segment = Segment::create(Kind::new(*b"any\0\0\0\0\0", 1), 0, 8).unwrap();
    let id = segment.id();
    match segments.put((1, segment)).unwrap_err() {
        PutError::Encode { value, source } => assert!(value.1.id() == id && is_refused(&source)),
        other => panic!("{other}"),
    }
    assert!(segments.is_empty());

    let queues = Queue::<Option<Queue<u8>>>::bounded(1).unwrap();
    let error = queues.put(Some(Queue::bounded(1).unwrap())).unwrap_err();
    assert!(matches!(&error, PutError::Encode { source, .. } if is_refused(source)), "{error}");
    queues.put(None).unwrap();
    assert!(queues.get().unwrap().is_none());
}

#[test]
fn what_is_no_value_is_taken_and_told_and_the_next_one_is_there() {
    let queue = Queue::<Liar>::bounded(2).unwrap();
    queue.put(Liar { flag: true }).unwrap();
    assert!(matches!(queue.get(), Err(GetError::Decode(_))));
    assert!(queue.is_empty(), "it was taken");

    queue.put(Liar { flag: true }).unwrap();
    queue.put(Liar { flag: true }).unwrap();
    assert!(matches!(queue.try_get(), Err(GetError::Decode(_))));
    assert_eq!(queue.len(), 1, "the next one is there");
    assert!(matches!(queue.get_timeout(SHORT), Err(GetError::Decode(_))));
    assert!(matches!(queue.get_timeout(SHORT), Err(GetError::TimedOut)));
}

#[test]
fn a_value_may_use_a_queue_while_it_is_encoded_and_decoded() {
    thread_local! {
        static INNER: Queue<String> = Queue::bounded(1).unwrap();
    }
    #[derive(Debug, PartialEq)]
    struct Busy(String);
    impl Serialize for Busy {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            INNER.with(|inner| {
                inner.put("x".repeat(50)).unwrap();
                assert_eq!(inner.get().unwrap(), "x".repeat(50));
            });
            self.0.serialize(serializer)
        }
    }
    impl<'de> Deserialize<'de> for Busy {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            INNER.with(|inner| {
                inner.put("y".repeat(90)).unwrap();
                assert_eq!(inner.get().unwrap(), "y".repeat(90));
            });
            String::deserialize(deserializer).map(Busy)
        }
    }
    let queue = Queue::<Vec<Busy>>::bounded(4).unwrap();
    let value = || vec![Busy("first".into()), Busy("second".into())];
    queue.put(value()).unwrap();
    assert_eq!(queue.get().unwrap(), value());
}

#[test]
fn a_panic_in_a_value_leaves_the_queue_as_it_was() {
    #[derive(Debug, Deserialize)]
    struct Panics;
    impl Serialize for Panics {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("on purpose")
        }
    }
    let queue = Queue::<Option<Panics>>::bounded(1).unwrap();
    let put = || queue.put(Some(Panics)).is_ok();
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(put)).is_err());
    queue.put(None).unwrap();
    assert!(queue.get().unwrap().is_none());
}

#[test]
fn values_of_every_length_arrive_whole_whatever_the_slots_are() {
    let text = |len: usize| (b'a'..=b'z').cycle().take(len).map(char::from).collect::<String>();
    let lens = || (0..=20).chain(100..=300).chain([1000, 4096, 5000, 70_000]);
    for slot in [8, 32, 112, 113, 128, 144, 256, 2000] {
        let queue = Builder::new(4).message_bytes(slot).values::<String>().unwrap();
        for len in lens() {
            queue.put(text(len)).unwrap();
            assert_eq!(queue.get().unwrap(), text(len), "{len} bytes, slots of {slot}");
        }
    }
    let queue = JoinableQueue::<String>::bounded(4).unwrap();
    for len in lens() {
        queue.put(text(len)).unwrap();
        assert_eq!(*queue.get().unwrap(), text(len), "{len} bytes");
    }
}

/// A value that uses queues while it is encoded and decoded.
#[derive(Debug, PartialEq)]
struct Busybody(String);

fn mind_others_business() {
    let other = Queue::<String>::bounded(1).unwrap();
    other.put("x".repeat(300)).unwrap();
    assert_eq!(other.get().unwrap(), "x".repeat(300));
    assert!(matches!(
        Queue::<Queue<u8>>::bounded(1).unwrap().put(Queue::bounded(1).unwrap()),
        Err(PutError::Encode { source: EncodeError::HandleNotAllowed, .. })
    ));
}

impl Serialize for Busybody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        mind_others_business();
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Busybody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        mind_others_business();
        Ok(Self(text))
    }
}

#[test]
fn a_value_may_use_queues_while_it_is_encoded_and_decoded() {
    let queue = Queue::<(String, Busybody)>::bounded(1).unwrap();
    for len in [1, 60, 127, 500, 5000] {
        queue.put(("y".repeat(len), Busybody("z".repeat(len)))).unwrap();
        assert_eq!(queue.get().unwrap(), ("y".repeat(len), Busybody("z".repeat(len))));
    }
}

#[test]
fn a_handle_goes_over_the_wire_and_leads_to_the_same_queue() {
    let queue = Queue::<String>::bounded(3).unwrap();
    queue.put("before".into()).unwrap();
    let message = wire::encode(&("the queue", &queue)).unwrap();
    assert_eq!(message.handles.len(), 1);
    let (name, other): (String, Queue<String>) = wire::decode(message).unwrap();
    assert_eq!((name.as_str(), other.capacity()), ("the queue", 3));
    assert_eq!(other.segment().id(), queue.segment().id());
    assert_eq!(other.get().unwrap(), "before");
    other.put("after".into()).unwrap();
    assert_eq!(queue.get().unwrap(), "after");
    assert!(matches!(
        wire::encode_plain(&queue, &mut Vec::new()),
        Err(EncodeError::HandleNotAllowed)
    ));

    let bytes = ByteQueue::bounded(1).unwrap();
    bytes.put(b"x").unwrap();
    let again: ByteQueue = wire::decode(wire::encode(&bytes).unwrap()).unwrap();
    assert_eq!(again.get().unwrap(), b"x");
}

#[test]
fn a_handle_to_a_queue_of_another_type_is_refused() {
    let numbers = Queue::<u64>::bounded(1).unwrap();
    let bytes = ByteQueue::bounded(1).unwrap();
    let wrong =
        |error: QueueError| matches!(error, QueueError::Segment(SegmentError::WrongType { .. }));
    assert!(wrong(Queue::<i64>::from_segment(numbers.segment().clone()).unwrap_err()));
    assert!(wrong(ByteQueue::from_segment(numbers.segment().clone()).unwrap_err()));
    assert!(wrong(Queue::<u64>::from_segment(bytes.segment().clone()).unwrap_err()));
    assert!(wire::decode::<Queue<i64>>(wire::encode(&numbers).unwrap()).is_err());
    assert!(wire::decode::<ByteQueue>(wire::encode(&numbers).unwrap()).is_err());
    Queue::<u64>::from_segment(numbers.segment().clone()).unwrap();
}

/// A segment with the marks of a byte queue whose first words are these.
fn forged(words: [u32; 3], len: usize) -> Result<ByteQueue, QueueError> {
    let [n_slots, ..] = words;
    forged_of_chunks(words, n_slots, len)
}

/// The same, of chunks of so many slots.
fn forged_of_chunks(words: [u32; 3], chunk: u32, len: usize) -> Result<ByteQueue, QueueError> {
    let kind = ByteQueue::bounded(1).unwrap().segment().kind();
    let segment = Segment::create(kind, 0, len).unwrap();
    for (at, word) in words.into_iter().chain([chunk]).enumerate() {
        if let Ok(place) = segment.at::<AtomicU32>(at * 4) {
            place.store(word, Ordering::Relaxed);
        }
    }
    ByteQueue::from_segment(segment)
}

#[test]
fn a_segment_that_is_no_queue_is_refused() {
    let other = Segment::create(Kind::new(*b"notaring", 1), 0, 1 << 16).unwrap();
    let error = ByteQueue::from_segment(other).unwrap_err();
    assert!(matches!(error, QueueError::Segment(SegmentError::WrongKind { .. })), "{error}");

    let room = 1 << 16;
    let (most_slots, most_seats) = (1 << 23, 4093);
    forged([4, 128, 8], room).unwrap();
    for slots in [0, most_slots + 1, u32::MAX] {
        let error = forged([slots, 128, 8], room).unwrap_err();
        assert!(matches!(error, QueueError::BadCapacity { most: 0x0080_0000 }), "{error}");
    }
    for slot_bytes in [0, 1, 24, 63, 65, (1 << 24) + 64, u32::MAX] {
        let error = forged([4, slot_bytes, 8], room).unwrap_err();
        assert!(matches!(error, QueueError::BadSlotSize), "{error}");
    }
    for seats in [0, most_seats + 1, 1 << 16, (1 << 16) + 8, u32::MAX] {
        let error = forged([4, 128, seats], room).unwrap_err();
        assert!(matches!(error, QueueError::BadSeats { .. }), "{error}");
    }
    // All in range, and more than there is: the product fills more than all memory.
    for words in [[most_slots, 1 << 24, 8], [4, 128, 2000], [1 << 16, 64, 8]] {
        assert!(matches!(forged(words, room).unwrap_err(), QueueError::Segment(_)), "{words:?}");
    }
    // Chunks that do not make a ring, and a ring that grows into a room that is not there.
    for (slots, chunk) in [(64, 0), (64, 33), (64, 65), (64, u32::MAX), (1 << 23, 1)] {
        let error = forged_of_chunks([slots, 128, 8], chunk, room).unwrap_err();
        assert!(matches!(error, QueueError::BadCapacity { .. }), "{slots}, {chunk}: {error}");
    }
    let error = forged_of_chunks([64, 128, 8], 32, room).unwrap_err();
    assert!(matches!(error, QueueError::Segment(_)), "{error}");
    // The last words short.
    let exact = ByteQueue::bounded(4).unwrap().segment().len();
    forged([4, 128, 512], exact).unwrap();
    assert!(matches!(forged([4, 128, 512], exact - 128).unwrap_err(), QueueError::Segment(_)));
    assert!(matches!(forged([4, 128, 512], 12).unwrap_err(), QueueError::Segment(_)));
}

#[test]
fn a_builder_refuses_what_cannot_be() {
    let bad = |builder: Builder| builder.bytes().unwrap_err();
    assert!(matches!(bad(Builder::new(0)), QueueError::BadCapacity { .. }));
    assert!(matches!(bad(Builder::new((1 << 23) + 1)), QueueError::BadCapacity { .. }));
    assert!(matches!(bad(Builder::new(usize::MAX)), QueueError::BadCapacity { .. }));
    assert!(matches!(bad(Builder::new(1).seats(0)), QueueError::BadSeats { .. }));
    assert!(matches!(bad(Builder::new(1).seats(1 << 20)), QueueError::BadSeats { .. }));
    assert!(matches!(bad(Builder::new(1).seats(usize::MAX)), QueueError::BadSeats { .. }));
    for bytes in [1 << 24, usize::MAX, usize::MAX - 15, usize::MAX - 79, 1 << 32] {
        let error = bad(Builder::new(1).message_bytes(bytes));
        assert!(matches!(error, QueueError::BadSlotSize), "{bytes}: {error}");
    }
    let error = bad(Builder::new(1).max_bytes((1 << 40) + 1));
    assert!(matches!(error, QueueError::BadMaxBytes { most: 0x100_0000_0000 }), "{error}");
    // The machine has not so much.
    let error = bad(Builder::new(1 << 23).message_bytes((1 << 24) - 16));
    assert!(matches!(error, QueueError::Segment(SegmentError::NoSpace { .. })), "{error}");
}

#[test]
fn a_builder_makes_slots_as_large_as_it_says() {
    for (bytes, payload) in [(0, 0), (1, 16), (16, 16), (17, 32), (48, 48), (112, 112), (113, 128)]
    {
        let queue = Builder::new(3).message_bytes(bytes).max_bytes(0).bytes().unwrap();
        assert_eq!((queue.capacity(), queue.max_message()), (3, payload), "{bytes}");
        queue.put(&vec![1; payload]).unwrap();
        match queue.put(&vec![1; payload + 1]) {
            Err(PutError::TooLarge { limit, .. }) => assert_eq!(limit, payload),
            other => panic!("{other:?}"),
        }
        assert_eq!(queue.stats().bytes, 0);
    }
}

#[test]
fn errors_say_what_is_wrong_and_keep_the_cause() {
    let full = PutError::Full(vec![1]);
    assert_eq!(full.to_string(), "the queue is full");
    assert_eq!(format!("{full:?}"), "PutError(the queue is full)");
    assert!(full.source().is_none());
    let too_large = PutError::TooLarge { value: (), len: 10, limit: 5 };
    assert_eq!(too_large.to_string(), "the message has 10 bytes, and the queue takes 5");
    assert_eq!(GetError::Closed.to_string(), "the queue is closed and empty");
    assert!(GetError::TimedOut.is_empty() && !GetError::TimedOut.is_closed());
}

#[test]
fn a_queue_of_values_says_in_short_what_it_is() {
    let queue = Queue::<String>::bounded(3).unwrap();
    queue.put("secret".into()).unwrap();
    assert_eq!(format!("{queue:?}"), "Queue { len: 1, capacity: 3, closed: false, .. }");
    let stats = queue.stats();
    assert_eq!((stats.len, stats.capacity, stats.users), (1, 3, 1));
}

#[test]
fn many_threads_give_and_take_each_value_once() {
    let _watchdog = watch("threads give and take");
    let queue = Queue::<(u32, u32)>::bounded(3).unwrap();
    let mut all = thread::scope(|scope| {
        let putters: Vec<_> = (0..3)
            .map(|putter| {
                let queue = queue.clone();
                scope
                    .spawn(move || (0..500).for_each(|number| queue.put((putter, number)).unwrap()))
            })
            .collect();
        let getters: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                scope.spawn(move || {
                    let mut got = Vec::new();
                    while let Ok(value) = queue.get() {
                        got.push(value);
                    }
                    got
                })
            })
            .collect();
        for putter in putters {
            putter.join().unwrap();
        }
        queue.close();
        let got = getters.into_iter().flat_map(|getter| getter.join().unwrap());
        got.collect::<Vec<_>>()
    });
    all.sort_unstable();
    let expected: Vec<_> = (0..3).flat_map(|putter| (0..500).map(move |n| (putter, n))).collect();
    assert_eq!(all, expected);
}
