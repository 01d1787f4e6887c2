//! Any sequence of operations against a `VecDeque`, and any number of threads against what each
//! of them sent.
#![cfg(not(ipc_loom))]
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests end them")]

use std::collections::VecDeque;
use std::thread;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_queue::{Builder, ByteQueue, GetError, PutError};
use proptest::prelude::*;
use testkit::Watchdog;

/// What a queue should be: messages, so many at the most, and the memory that large ones take.
struct Reference {
    messages: VecDeque<Message>,
    n_slots: usize,
    payload: usize,
    max_bytes: usize,
    is_closed: bool,
}

#[derive(Clone, Debug)]
struct Message {
    bytes: Vec<u8>,
    /// It was written in place, so it takes memory however short it is.
    is_lent: bool,
}

impl Reference {
    /// Whether a message takes memory beside the slots.
    fn is_large(&self, message: &Message) -> bool {
        message.is_lent || message.bytes.len() > self.payload
    }

    /// How much memory all large messages take, and this one: at the least, and at the most.
    fn taken_with(&self, message: &Message) -> (usize, usize) {
        let all = self.messages.iter().chain([message]);
        let large = all.filter(|it| self.is_large(it)).map(|it| it.bytes.len());
        let pages = large.clone().map(|len| len.next_multiple_of(4096)).sum();
        // A block may have more from a longer message of its class.
        let blocks = large.map(|len| len.next_power_of_two().max(4096).min(self.max_bytes)).sum();
        (pages, blocks)
    }

    /// What a put that does not wait may come to.
    fn put(&self, message: &Message) -> &'static [&'static str] {
        let is_large = self.is_large(message);
        let (least, most) = self.taken_with(message);
        // Nothing is lent where there is no memory, not even for nothing.
        let lends = self.max_bytes > 0 || !message.is_lent;
        if is_large && message.bytes.len() > self.max_bytes || !lends {
            &["too large"]
        } else if self.is_closed {
            &["closed"]
        } else if self.messages.len() == self.n_slots || is_large && least > self.max_bytes {
            &["full"]
        } else if is_large && most > self.max_bytes {
            &["full", "put"]
        } else {
            &["put"]
        }
    }

    /// What a get that does not wait comes to.
    fn get(&mut self) -> Result<Vec<u8>, &'static str> {
        let nothing = if self.is_closed { "closed" } else { "empty" };
        self.messages.pop_front().map(|message| message.bytes).ok_or(nothing)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put {
        handle: usize,
        len: usize,
        form: Form,
    },
    /// Lends memory and gives it back.
    Lend {
        handle: usize,
        len: usize,
    },
    Get {
        handle: usize,
        form: Form,
    },
    Clone {
        handle: usize,
    },
    Reopen {
        handle: usize,
    },
    Drop {
        handle: usize,
    },
    Close {
        handle: usize,
    },
}

/// How an operation is asked for; none of these waits.
#[derive(Clone, Copy, Debug)]
enum Form {
    Try,
    Timeout,
    Deadline,
    /// The form that waits, where it is known that it need not.
    Blocking,
    /// Written, or read, where it lies.
    InPlace,
}

fn form() -> impl Strategy<Value = Form> {
    proptest::sample::select(vec![
        Form::Try,
        Form::Timeout,
        Form::Deadline,
        Form::Blocking,
        Form::InPlace,
    ])
}

/// Steps with messages of up to `longest` bytes and a bit; most are short.
fn steps(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![
        4 => 0..=150_usize,
        3 => 0..=longest.min(20_000),
        1 => 0..=longest,
        1 => longest..=longest + 2
    ];
    let handle = 0..4_usize;
    let step = prop_oneof![
        20 => (handle.clone(), len.clone(), form())
            .prop_map(|(handle, len, form)| Step::Put { handle, len, form }),
        2 => (handle.clone(), len).prop_map(|(handle, len)| Step::Lend { handle, len }),
        20 => (handle.clone(), form()).prop_map(|(handle, form)| Step::Get { handle, form }),
        1 => handle.clone().prop_map(|handle| Step::Clone { handle }),
        1 => handle.clone().prop_map(|handle| Step::Reopen { handle }),
        2 => handle.clone().prop_map(|handle| Step::Drop { handle }),
    ];
    let close = handle.prop_map(|handle| Step::Close { handle });
    // Some time or other it is closed, or not.
    (proptest::collection::vec(step, 1..200), proptest::option::of((close, 0..250_usize))).prop_map(
        |(mut steps, close)| {
            if let Some((close, at)) = close {
                steps.insert(at.min(steps.len()), close);
            }
            steps
        },
    )
}

fn shape() -> impl Strategy<Value = (usize, usize)> {
    (prop_oneof![1..6_usize, 1..40_usize], prop_oneof![Just(1_usize), Just(112), Just(300)])
}

/// How many bytes large messages may take, and how many are retained.
fn limits() -> impl Strategy<Value = (usize, u64)> {
    let max_bytes = prop_oneof![
        1 => Just(0_usize),
        3 => 4096..100_000_usize,
        2 => Just(64 << 10),
        1 => Just(2 << 20),
    ];
    (max_bytes, prop_oneof![Just(0), Just(20_000), Just(u64::MAX)])
}

fn put(queue: &ByteQueue, bytes: &[u8], form: Form) -> &'static str {
    let result = match form {
        Form::Try => queue.try_put(bytes),
        Form::Timeout => queue.put_timeout(bytes, Duration::ZERO),
        Form::Deadline => queue.put_deadline(bytes, Deadline::now()),
        Form::Blocking => queue.put(bytes),
        Form::InPlace => return put_in_place(queue, bytes),
    };
    match result {
        Ok(()) => "put",
        Err(PutError::Full(back)) if matches!(form, Form::Try) && back == bytes => "full",
        Err(PutError::TimedOut(back)) if !matches!(form, Form::Try) && back == bytes => "full",
        Err(PutError::Closed(back)) if back == bytes => "closed",
        Err(PutError::TooLarge { value, len, .. }) if value.len() == len => "too large",
        Err(other) => panic!("{other} ({form:?})"),
    }
}

/// The same, for a message that is written where it lies.
fn put_in_place(queue: &ByteQueue, bytes: &[u8]) -> &'static str {
    let lent = queue.try_loan(bytes.len()).and_then(|mut loan| {
        loan.copy_from_slice(bytes);
        loan.try_commit().map_err(|error| {
            let is_full = error.is_full();
            let loan = error.into_inner();
            assert_eq!(&*loan, bytes, "a loan that comes back is as it was");
            assert!(is_full, "it was open, and the loan is ours");
            PutError::Full(())
        })
    });
    match lent {
        Ok(()) => "put",
        Err(PutError::Full(())) => "full",
        Err(PutError::Closed(())) => "closed",
        Err(PutError::TooLarge { len, .. }) if len == bytes.len() => "too large",
        Err(other) => panic!("{other} (in place)"),
    }
}

fn get(queue: &ByteQueue, form: Form) -> Result<Vec<u8>, &'static str> {
    let result = match form {
        Form::Try => queue.try_get(),
        Form::Timeout => queue.get_timeout(Duration::ZERO),
        Form::Deadline => queue.get_deadline(Deadline::now()),
        Form::Blocking => queue.get(),
        Form::InPlace => queue.try_get_in_place().map(|sample| sample.to_vec()),
    };
    result.map_err(|error| match error {
        GetError::Empty if matches!(form, Form::Try | Form::InPlace) => "empty",
        GetError::TimedOut if !matches!(form, Form::Try | Form::InPlace) => "empty",
        GetError::Closed => "closed",
        other => panic!("{other} ({form:?})"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_does_what_a_vec_deque_would(
        ((n_slots, message_bytes), (max_bytes, retain), steps) in (shape(), limits())
            .prop_flat_map(|(shape, limits)| (Just(shape), Just(limits), steps(limits.0)))
    ) {
        let _watchdog = Watchdog::start(Duration::from_secs(60), "a queue and a reference");
        let first = Builder::new(n_slots)
            .message_bytes(message_bytes)
            .max_bytes(max_bytes as u64)
            .retain_bytes(retain)
            .bytes()?;
        let mut reference = Reference {
            messages: VecDeque::new(),
            n_slots,
            payload: message_bytes.next_multiple_of(16),
            max_bytes: max_bytes / 4096 * 4096,
            is_closed: false,
        };
        let mut handles = vec![first];
        let mut fill = 0_u8;
        for step in steps {
            let at = |handle: usize| handle % handles.len();
            match step {
                Step::Put { handle, len, form } => {
                    fill = fill.wrapping_add(1);
                    let bytes: Vec<u8> =
                        (0..len).map(|at| fill ^ at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
                    let is_lent = matches!(form, Form::InPlace);
                    let message = Message { bytes, is_lent };
                    let expected = reference.put(&message);
                    // It would wait for ever.
                    let waits = expected.contains(&"full") && matches!(form, Form::Blocking);
                    let form = if waits { Form::Timeout } else { form };
                    let found = put(&handles[at(handle)], &message.bytes, form);
                    prop_assert!(expected.contains(&found), "{found} and not {expected:?}");
                    if found == "put" {
                        reference.messages.push_back(message);
                    }
                }
                // The memory is back at once: what follows finds it.
                Step::Lend { handle, len } => drop(handles[at(handle)].try_loan(len)),
                Step::Get { handle, form } => {
                    let expected = reference.get();
                    let waits = expected == Err("empty") && matches!(form, Form::Blocking);
                    let form = if waits { Form::Timeout } else { form };
                    prop_assert_eq!(get(&handles[at(handle)], form), expected);
                }
                Step::Clone { handle } => handles.push(handles[at(handle)].clone()),
                Step::Reopen { handle } => {
                    let segment = handles[at(handle)].segment().clone();
                    handles.push(ByteQueue::from_segment(segment)?);
                }
                Step::Drop { handle } => {
                    if handles.len() > 1 {
                        handles.swap_remove(at(handle));
                    }
                }
                Step::Close { handle } => {
                    handles[at(handle)].close();
                    reference.is_closed = true;
                }
            }
            for handle in &handles {
                prop_assert_eq!(handle.len(), reference.messages.len());
                prop_assert_eq!(handle.is_empty(), reference.messages.is_empty());
                prop_assert_eq!(handle.is_full(), reference.messages.len() == n_slots);
                prop_assert_eq!(handle.is_closed(), reference.is_closed);
            }
        }
        let stats = handles[0].stats();
        prop_assert_eq!((stats.dead_users, stats.deaths_repaired), (0, 0));
        let n_large =
            reference.messages.iter().filter(|it| reference.is_large(it)).count();
        prop_assert_eq!((stats.blocks, stats.blocks_recovered), (n_large, 0));
        while let Ok(expected) = reference.get() {
            prop_assert_eq!(handles[0].try_get().ok(), Some(expected));
        }
        prop_assert!(handles[0].is_empty());
        let stats = handles[0].stats();
        prop_assert_eq!(stats.blocks, 0);
        prop_assert!(stats.bytes <= retain, "{:?}", stats);
    }
}

/// Who sent a message, which of its messages it is, and bytes that follow from both.
fn message(putter: u8, number: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![putter];
    bytes.extend(number.to_le_bytes());
    let more =
        (0..len).map(|at| (at * 13 + number as usize + usize::from(putter)).to_le_bytes()[0]);
    bytes.extend(more);
    bytes
}

fn read(bytes: &[u8]) -> (u8, u32) {
    let (&putter, rest) = bytes.split_first().expect("a putter");
    let number = u32::from_le_bytes(*rest.first_chunk().expect("a number"));
    assert_eq!(bytes, message(putter, number, bytes.len() - 5), "a torn message");
    (putter, number)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn threads_get_each_message_once_and_each_putters_in_order(
        n_slots in 1..9_usize,
        putters in 1..4_u8,
        n_getters in 1..4_usize,
        seed: u64,
    ) {
        const EACH: u32 = 200;
        let _watchdog = Watchdog::start(Duration::from_secs(120), "threads over a queue");
        let queue = Builder::new(n_slots)
            .max_bytes(64 << 10)
            .retain_bytes(30_000)
            .without_backstop()
            .bytes()?;
        let longest = queue.max_message() - 5;
        let len_of = |putter: u8, number: u32| {
            // Most are short, some take all there is.
            let mut random = seed ^ u64::from(putter) << 32 ^ u64::from(number);
            random = random.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
            let len = (random >> 3) as usize;
            match random % 16 {
                0 => len % (longest + 1),
                1..5 => len % 5000,
                _ => len % 100,
            }
        };
        let got: Vec<Vec<(u8, u32)>> = thread::scope(|scope| {
            let at_work: Vec<_> = (0..putters)
                .map(|putter| {
                    let queue = &queue;
                    scope.spawn(move || {
                        for number in 0..EACH {
                            let bytes = message(putter, number, len_of(putter, number));
                            queue.put(&bytes).expect("it is open and the message fits");
                        }
                    })
                })
                .collect();
            let getters: Vec<_> = (0..n_getters)
                .map(|_| {
                    scope.spawn(|| {
                        let mut got = Vec::new();
                        let mut bytes = Vec::new();
                        while queue.get_into(&mut bytes, Deadline::NEVER).is_ok() {
                            got.push(read(&bytes));
                        }
                        got
                    })
                })
                .collect();
            for putter in at_work {
                putter.join().expect("a putter");
            }
            queue.close();
            getters.into_iter().map(|getter| getter.join().expect("a getter")).collect()
        });
        for got in &got {
            for putter in 0..putters {
                let numbers = got.iter().filter(|(from, _)| *from == putter).map(|(_, it)| it);
                prop_assert!(numbers.is_sorted_by(|one, next| one < next), "out of order");
            }
        }
        let mut all: Vec<_> = got.into_iter().flatten().collect();
        all.sort_unstable();
        let sent = (0..putters).flat_map(|putter| (0..EACH).map(move |number| (putter, number)));
        prop_assert!(sent.eq(all), "not each message once");
        prop_assert!(queue.is_empty());
        prop_assert_eq!(queue.stats().blocks, 0);
        prop_assert!(queue.stats().bytes <= 30_000);
    }
}
