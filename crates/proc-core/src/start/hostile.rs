//! Start messages and requests to the fork server as hostile bytes: for a test, and for the fuzzer.
//!
//! A script takes a message as it should be, changes it, and has both sides read it. What is read may
//! be refused, and nothing else may happen: no panic, no call, no descriptor that stays open.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::wire::{self, Message, MessageSocket};

use super::board::Board;
use super::frame::{Call, Order, Parcel, Report};
use crate::call::{Outcome, Refusal};
use crate::entry::Entry;
use crate::setup::Setup;
use crate::sys::{files, poll};
use crate::{call, current};

/// Plays a script: which message, how many handles of which kind, how long it is, and what is
/// changed in it.
///
/// # Panics
///
/// If something happens that may not.
pub fn play(script: &[u8]) {
    let Some(([kind, handles, cut], changes)) = script.split_first_chunk::<3>() else { return };
    let (reader, writer) = io::pipe().unwrap();
    let writer = OwnedFd::from(writer);
    let mut message = message(*kind, &writer);
    for n in 0..handles % 4 {
        message.handles.push(handle(handles >> 2, n, &writer));
    }
    message.handles.truncate(usize::from(handles >> 4));
    if *cut > 0 {
        let len = message.bytes.len();
        message.bytes.truncate(len.saturating_sub(usize::from(*cut)));
    }
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]]));
        let len = message.bytes.len();
        if let Some(byte) = message.bytes.get_mut(at % len.max(1)) {
            *byte ^= change[2];
        }
    }
    drop(writer);
    let copy = Message {
        bytes: message.bytes.clone(),
        handles: message.handles.iter().map(|handle| handle.try_clone().unwrap()).collect(),
    };
    read_as_child(message);
    read_as_parent(copy);
    // All that came with the message is closed, so this is the end; a process that another thread is
    // just starting may have a copy for a moment.
    let ended = poll::poll_two(None, reader.as_fd(), Deadline::after(Duration::from_secs(5)));
    assert!(ended.unwrap().second, "somebody has a descriptor");
}

/// A message as it should be.
fn message(kind: u8, writer: &OwnedFd) -> Message {
    let call = || Call {
        entry: Entry::of(|n: u64| n).unwrap(),
        introduction: current::introduce(None, None, None),
        dies_with_parent: kind & 8 != 0,
        n_ancestors: 0,
        setup: (kind & 16 != 0).then(|| {
            let mut setup = Setup::default();
            setup.set_variable("NAME".into(), Some("value".into()));
            setup.set_niceness(3);
            setup
        }),
    };
    let handles = || vec![writer.try_clone().unwrap()];
    let value = call::argument(&7_u64).unwrap();
    let order =
        |words| Parcel { words, handles: handles(), value: call::argument(&7_u64).unwrap() };
    let report = |words| Parcel::new(words, Vec::new()).pack();
    let packed = match kind % 8 {
        0 => order(Order::Call(Box::new(call()))).pack(),
        1 => order(Order::Copy { request: 7 }).pack(),
        2 => order(Order::Serve { preload: None }).pack(),
        3 => report(Report::NotCopied { error: 7 }),
        4 => report(Report::Copied { pid: 7 }),
        5 => report(Report::Refused { pid: 7, refusal: Refusal::Malformed("so".to_owned()) }),
        6 => Parcel { words: Report::Answered, handles: Vec::new(), value }.pack(),
        _ => Ok(Message { bytes: vec![kind; usize::from(kind)], handles: handles() }),
    };
    packed.unwrap()
}

fn handle(kind: u8, number: u8, writer: &OwnedFd) -> OwnedFd {
    match (kind + number) % 4 {
        0 => writer.try_clone().unwrap(),
        1 => MessageSocket::pair().unwrap().0.into(),
        2 => {
            let mut file = files::file_in_memory().unwrap();
            file.write_all(b"some bytes").unwrap();
            file.rewind().unwrap();
            file.into()
        }
        // It claims to be longer than all memory.
        _ => {
            let file: File = files::file_in_memory().unwrap();
            file.set_len(1 << 50).unwrap();
            file.into()
        }
    }
}

/// What a child, or the fork server, does with a message before it does anything.
fn read_as_child(message: Message) {
    let Ok(mut parcel) = Parcel::<Order>::unpack(message) else { return };
    let socket = parcel.take_handle().and_then(MessageSocket::from_fd);
    match parcel.words {
        Order::Call(call) => {
            // Found or not: nothing is called.
            let _found = call.entry.resolve();
            let _checked = call.setup.map(|setup| setup.check());
        }
        Order::Serve { preload } => {
            let _found = preload.map(|entry| entry.resolve().is_ok());
            drop(wire::decode::<Board>(parcel.value));
        }
        Order::Copy { .. } => {}
    }
    drop(socket);
}

/// What a parent does with a message.
fn read_as_parent(message: Message) {
    let Ok(parcel) = Parcel::<Report>::unpack(message) else { return };
    if let Report::Answered = parcel.words {
        let outcome = call::outcome::<String>(parcel.value);
        if let Ok(Outcome::Unsendable(reason)) = outcome {
            assert!(reason.len() <= 1 << 20);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::play;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn hostile_message_is_refused_and_nothing_else(
            script in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            play(&script);
        }

        #[test]
        fn message_with_one_changed_byte_is_read_or_refused(
            kind in any::<u8>(), at in any::<u16>(), change in 1..=255_u8,
        ) {
            let [low, high] = at.to_le_bytes();
            play(&[kind, 0xf0, 0, low, high, change]);
        }
    }
}
