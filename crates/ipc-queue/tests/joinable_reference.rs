//! Any sequence of operations on a joinable queue, against what it should be.
#![cfg(not(ipc_loom))]

use std::collections::{BTreeMap, VecDeque};
use std::thread;

use ipc_queue::{Builder, GetError, JoinableQueue, PutError, UnfinishedError};
use proptest::prelude::*;

/// What a queue should be: values in line, and how often those were handed out that are not.
#[derive(Default)]
struct Reference {
    line: VecDeque<u32>,
    /// In nobody's hands: to be handed out again.
    strays: BTreeMap<u32, u32>,
    in_hand: BTreeMap<u32, u32>,
    redelivered: u64,
    is_closed: bool,
}

impl Reference {
    fn unfinished(&self) -> usize {
        self.line.len() + self.strays.len() + self.in_hand.len()
    }

    /// Checks that `value` could be handed out now for the time `deliveries`, and takes it.
    fn got(&mut self, value: u32, deliveries: u32) -> Result<(), String> {
        let expected = if self.line.front() == Some(&value) {
            self.line.pop_front();
            1
        } else {
            let before = self.strays.remove(&value);
            self.redelivered += 1;
            before.ok_or_else(|| format!("{value} is not to be had"))? + 1
        };
        if deliveries == expected { Ok(()) } else { Err(format!("{value}: {deliveries}")) }
    }

    fn has_nothing(&self) -> bool {
        self.line.is_empty() && self.strays.is_empty()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put {
        handle: usize,
        len: usize,
    },
    Get {
        handle: usize,
    },
    /// By a thread that ends with the value in its hands.
    GetAndDie {
        handle: usize,
    },
    /// By a thread that panics.
    GetAndPanic {
        handle: usize,
    },
    Done {
        which: usize,
    },
    Drop {
        which: usize,
    },
    Fail {
        which: usize,
    },
    Join {
        handle: usize,
    },
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let handle = 0..3_usize;
    let len = prop_oneof![3 => 0..100_usize, 1 => 0..20_000_usize];
    let which = 0..8_usize;
    let step = prop_oneof![
        10 => (handle.clone(), len).prop_map(|(handle, len)| Step::Put { handle, len }),
        10 => handle.clone().prop_map(|handle| Step::Get { handle }),
        1 => handle.clone().prop_map(|handle| Step::GetAndDie { handle }),
        1 => handle.clone().prop_map(|handle| Step::GetAndPanic { handle }),
        4 => which.clone().prop_map(|which| Step::Done { which }),
        2 => which.clone().prop_map(|which| Step::Drop { which }),
        4 => which.prop_map(|which| Step::Fail { which }),
        4 => handle.prop_map(|handle| Step::Join { handle }),
    ];
    let close = proptest::option::of(0..250_usize);
    (proptest::collection::vec(step, 1..120), close).prop_map(|(mut steps, close)| {
        if let Some(at) = close {
            steps.insert(at.min(steps.len()), Step::Close);
        }
        steps
    })
}

/// A value of about `len` bytes, which says its number.
fn value(number: u32, len: usize) -> (u32, Vec<u8>) {
    (number, vec![number.to_le_bytes()[0]; len])
}

fn check(lease: &(u32, Vec<u8>)) -> u32 {
    let (number, bytes) = lease;
    assert!(bytes.iter().all(|byte| *byte == number.to_le_bytes()[0]), "torn");
    *number
}

type Handle = JoinableQueue<(u32, Vec<u8>)>;

/// Gets a value in a thread of its own, which then does with it what `end` does.
fn get_elsewhere(queue: &Handle, panics: bool) -> Option<(u32, u32)> {
    let (told, hears) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            if let Ok(lease) = queue.try_get() {
                told.send((check(&lease), lease.deliveries())).ok();
                if panics {
                    // Without a message in the output.
                    std::panic::resume_unwind(Box::new(()));
                }
                let _held = std::mem::ManuallyDrop::new(lease);
            }
        });
        drop(thread.join());
    });
    hears.recv().ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    #[test]
    fn it_is_what_it_should_be(capacity in 1..6_usize, retain in 0..2_u64, steps in steps()) {
        let builder = Builder::new(capacity).seats(6).retain_bytes(retain << 14);
        let queue: Handle = builder.joinable().unwrap();
        let reopened = Handle::from_segment(queue.segment().clone()).unwrap();
        let handles = [&queue.clone(), &queue, &reopened];
        let mut reference = Reference::default();
        let mut leases = Vec::new();
        let mut next = 0;
        for step in steps {
            match step {
                Step::Put { handle, len } => match handles[handle].try_put(value(next, len)) {
                    Ok(()) => {
                        prop_assert!(!reference.is_closed && reference.line.len() < capacity);
                        reference.line.push_back(next);
                        next += 1;
                    }
                    Err(PutError::Full(_)) => prop_assert_eq!(reference.line.len(), capacity),
                    Err(PutError::Closed(_)) => prop_assert!(reference.is_closed),
                    Err(error) => panic!("{error}"),
                },
                Step::Get { handle } => match handles[handle].try_get() {
                    Ok(lease) => {
                        let (number, deliveries) = (check(&lease), lease.deliveries());
                        reference.got(number, deliveries).unwrap();
                        reference.in_hand.insert(number, deliveries);
                        leases.push(lease);
                    }
                    Err(GetError::Empty) => {
                        prop_assert!(reference.has_nothing() && !reference.is_closed);
                    }
                    Err(GetError::Closed) => {
                        prop_assert!(reference.has_nothing() && reference.is_closed);
                    }
                    Err(error) => panic!("{error}"),
                },
                Step::GetAndDie { handle } => {
                    if let Some((number, deliveries)) = get_elsewhere(handles[handle], false) {
                        reference.got(number, deliveries).unwrap();
                        reference.strays.insert(number, deliveries);
                    }
                }
                Step::GetAndPanic { handle } => {
                    if let Some((number, deliveries)) = get_elsewhere(handles[handle], true) {
                        reference.got(number, deliveries).unwrap();
                        reference.strays.insert(number, deliveries);
                    }
                }
                Step::Done { which } if which < leases.len() => {
                    let (number, _) = leases.swap_remove(which).done().unwrap();
                    reference.in_hand.remove(&number);
                }
                Step::Drop { which } if which < leases.len() => {
                    let lease = leases.swap_remove(which);
                    reference.in_hand.remove(&check(&lease));
                }
                Step::Fail { which } if which < leases.len() => {
                    let lease = leases.swap_remove(which);
                    let (number, deliveries) = (check(&lease), lease.deliveries());
                    lease.fail().unwrap();
                    reference.in_hand.remove(&number);
                    reference.strays.insert(number, deliveries);
                }
                Step::Join { handle } => match handles[handle].try_join() {
                    Ok(()) => prop_assert_eq!(reference.unfinished(), 0),
                    Err(UnfinishedError::ByCaller) => prop_assert!(!reference.in_hand.is_empty()),
                    Err(UnfinishedError::Unfinished) => {
                        prop_assert!(reference.in_hand.is_empty() && reference.unfinished() > 0);
                    }
                    Err(error) => panic!("{error}"),
                },
                Step::Close => {
                    queue.close();
                    reference.is_closed = true;
                }
                Step::Done { .. } | Step::Drop { .. } | Step::Fail { .. } => {}
            }
            prop_assert_eq!(queue.len(), reference.line.len());
            prop_assert_eq!(reopened.unfinished(), reference.unfinished());
        }
        let stats = reopened.stats();
        prop_assert_eq!(stats.unfinished, reference.unfinished());
        prop_assert_eq!(stats.in_hand.len(), reference.in_hand.len() + reference.strays.len());
        prop_assert_eq!(stats.redelivered, reference.redelivered);
        drop(leases);
        while let Ok(lease) = queue.try_get() {
            check(&lease);
        }
        prop_assert_eq!(queue.try_join(), Ok(()));
        prop_assert_eq!(queue.stats().queue.blocks, 0);
    }
}
