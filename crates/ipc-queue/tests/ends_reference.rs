//! Handles of both sides are made, cloned, sent and dropped in any order: who is told that nobody is left
//! is told what a list of handles says.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::collections::VecDeque;

use ipc_core::wire::{self, Message};
use ipc_queue::{ByteQueue, ByteReceiver, ByteSender, GetError, PutError};
use proptest::prelude::*;

/// A handle, or one on its way.
enum Held {
    Both(ByteQueue),
    Put(ByteSender),
    Get(ByteReceiver),
    Sent(Message, fn(Message) -> Held),
}

impl Held {
    fn clone(&self) -> Option<Self> {
        match self {
            Self::Both(queue) => Some(Self::Both(queue.clone())),
            Self::Put(sender) => Some(Self::Put(sender.clone())),
            Self::Get(receiver) => Some(Self::Get(receiver.clone())),
            Self::Sent(..) => None,
        }
    }

    /// Puts the handle on its way, or takes it from there.
    fn travel(self) -> Self {
        match self {
            Self::Both(queue) => Self::Sent(wire::encode(&queue).unwrap(), |message| {
                Self::Both(wire::decode(message).unwrap())
            }),
            Self::Put(sender) => Self::Sent(wire::encode(&sender).unwrap(), |message| {
                Self::Put(wire::decode(message).unwrap())
            }),
            Self::Get(receiver) => Self::Sent(wire::encode(&receiver).unwrap(), |message| {
                Self::Get(wire::decode(message).unwrap())
            }),
            Self::Sent(message, arrive) => arrive(message),
        }
    }
}

/// What is known of a handle: whether it is on the side of the putters, and of the getters.
type Known = (bool, bool);

#[derive(Clone, Debug)]
enum Step {
    Clone(usize),
    Drop(usize),
    Travel(usize),
    Sender(usize),
    Receiver(usize),
    Split(usize),
    Put(usize, u8),
    Get(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = any::<usize>();
    let step = prop_oneof![
        2 => place.prop_map(Step::Clone),
        5 => place.prop_map(Step::Drop),
        3 => place.prop_map(Step::Travel),
        1 => place.prop_map(Step::Sender),
        1 => place.prop_map(Step::Receiver),
        1 => place.prop_map(Step::Split),
        4 => (place, any::<u8>()).prop_map(|(place, byte)| Step::Put(place, byte)),
        4 => place.prop_map(Step::Get),
    ];
    prop::collection::vec(step, 1..60)
}

const CAPACITY: usize = 3;

fn play(steps: Vec<Step>) {
    let mut held = vec![Held::Both(ByteQueue::bounded(CAPACITY).unwrap())];
    let mut known: Vec<Known> = vec![(true, true)];
    let mut messages = VecDeque::new();
    // Whether one has ended unreceived: nobody tells of that, so a putter with room may not know.
    let mut is_one_lost = false;
    for step in steps {
        let n_held = held.len();
        if n_held == 0 {
            return;
        }
        let is_any = |side: fn(&Known) -> bool, known: &[Known]| known.iter().any(side);
        match step {
            Step::Clone(place) => {
                if let Some(clone) = held[place % n_held].clone() {
                    held.push(clone);
                    known.push(known[place % n_held]);
                }
            }
            Step::Drop(place) => {
                let dropped = held.swap_remove(place % n_held);
                is_one_lost |= matches!(dropped, Held::Sent(..));
                drop(dropped);
                known.swap_remove(place % n_held);
            }
            Step::Travel(place) => {
                let handle = held.swap_remove(place % n_held);
                held.push(handle.travel());
                let what = known.swap_remove(place % n_held);
                known.push(what);
            }
            Step::Sender(place) => {
                if let Held::Both(queue) = &held[place % n_held] {
                    let sender = queue.sender().unwrap();
                    held.push(Held::Put(sender));
                    known.push((true, false));
                }
            }
            Step::Receiver(place) => {
                if let Held::Both(queue) = &held[place % n_held] {
                    let receiver = queue.receiver().unwrap();
                    held.push(Held::Get(receiver));
                    known.push((false, true));
                }
            }
            Step::Split(place) => {
                if let Held::Both(_) = &held[place % n_held] {
                    let Held::Both(queue) = held.swap_remove(place % n_held) else { return };
                    known.swap_remove(place % n_held);
                    let (sender, receiver) = queue.split().unwrap();
                    held.extend([Held::Put(sender), Held::Get(receiver)]);
                    known.extend([(true, false), (false, true)]);
                }
            }
            Step::Put(place, byte) => {
                let message = [byte];
                let put = match &held[place % n_held] {
                    Held::Both(queue) => queue.try_put(&message),
                    Held::Put(sender) => sender.try_put(&message),
                    _ => continue,
                };
                let is_room = messages.len() < CAPACITY;
                if !is_any(|&(_, gets)| gets, &known) {
                    if is_one_lost && is_room && put.is_ok() {
                        messages.push_back(byte);
                        continue;
                    }
                    // All have left by dropping, so that putters are told even if there is room.
                    assert!(matches!(put, Err(PutError::Disconnected(_))), "{put:?}");
                } else if !is_room {
                    assert!(matches!(put, Err(PutError::Full(_))), "{put:?}");
                } else {
                    put.unwrap();
                    messages.push_back(byte);
                }
            }
            Step::Get(place) => {
                let got = match &held[place % n_held] {
                    Held::Both(queue) => queue.try_get(),
                    Held::Get(receiver) => receiver.try_get(),
                    _ => continue,
                };
                match messages.pop_front() {
                    Some(byte) => assert_eq!(got.unwrap(), [byte]),
                    None if is_any(|&(puts, _)| puts, &known) => {
                        assert!(matches!(got, Err(GetError::Empty)), "{got:?}");
                    }
                    None => assert!(matches!(got, Err(GetError::Disconnected)), "{got:?}"),
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn who_is_there_is_who_has_a_handle(steps in steps()) {
        play(steps);
    }
}
