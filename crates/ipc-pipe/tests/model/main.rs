//! The ring of a shared-memory pipe in loom's world: every interleaving of its two sides, and the death
//! of one of them before each of its accesses.
//!
//! The bytes of a unit are a loom cell, so that a missing edge shows as a race. A call is a count in a
//! word that the sleeper compares: as with the packets of a socket, none is lost. A side that dies is
//! gone from then on, and the kernel wakes the other.

#![cfg(ipc_loom)]
#![expect(dead_code, reason = "the models use a part of the ring's moves")]
#![expect(unreachable_pub, reason = "the crate exports a part of the ring")]
#![expect(clippy::arc_with_non_send_sync, reason = "loom's threads are one thread's coroutines")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that talks and that fails")]

mod words;

#[path = "../../src/shm/ring.rs"]
mod ring;

use std::sync::Arc;

use ipc_core::Deadline;
use ipc_core::primitive::model::{Ended, run};
use loom::thread;

use ring::{Reader, Record, Refused, Writer};
use words::{End, Words};

fn bound() -> usize {
    std::env::var("LOOM_MAX_PREEMPTIONS").ok().and_then(|bound| bound.parse().ok()).unwrap_or(2)
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound());
    builder.max_branches = 100_000;
    builder.check(model);
}

/// Explores the model with the victim dying before its access 0, 1, 2, …, until it never does.
#[expect(clippy::disallowed_types, reason = "what the explorations tell one another")]
fn explore_deaths(model: impl Fn(u64) -> bool + Send + Sync + Clone + 'static) {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    for dies_at in 0.. {
        let died = Arc::new(AtomicBool::new(false));
        let (seen, model) = (Arc::clone(&died), model.clone());
        explore(move || {
            if model(dies_at) {
                seen.store(true, Relaxed);
            }
        });
        if !died.load(Relaxed) {
            println!("no death at access {dies_at}");
            return;
        }
    }
}

/// Puts messages of one byte, or of more than a unit, waiting for room.
fn put(words: &Arc<Words>, messages: &[u8]) -> Result<(), Refused> {
    let mut writer = Writer::default();
    let mut end = End::new(words, 0);
    for &message in messages {
        let bytes = vec![message; words::len_of(message)];
        writer.await_room(&**words, &mut end, bytes.len(), Deadline::NEVER)?;
        writer.put(&**words, &end, &bytes);
    }
    Ok(())
}

/// Gets as many messages as there are until the writer is gone.
fn get(words: &Arc<Words>, most: usize) -> Vec<u8> {
    let mut reader = Reader::default();
    let mut end = End::new(words, 1);
    let mut got = Vec::new();
    while got.len() < most {
        let record = match reader.await_record(&**words, &mut end, Deadline::NEVER) {
            Ok(record) => record,
            Err(refused) => {
                assert_eq!(refused, Refused::Gone);
                break;
            }
        };
        let Record::Here(len) = record else { unreachable!("{record:?}") };
        let mut bytes = Vec::new();
        reader.read(&**words, record, &mut bytes);
        reader.advance(&**words, &end, record);
        assert!(len == words::len_of(bytes[0]) && bytes.iter().all(|byte| *byte == bytes[0]));
        got.push(bytes[0]);
    }
    got
}

#[test]
fn messages_come_whole_and_in_order_and_nobody_sleeps_for_ever() {
    explore(|| {
        let words = Arc::new(Words::new(4));
        let writer = Arc::clone(&words);
        let writing = thread::spawn(move || put(&writer, &[1, 2, 3]).unwrap());
        assert_eq!(get(&words, 3), [1, 2, 3]);
        writing.join().unwrap();
    });
}

#[test]
fn messages_that_fill_the_ring_wait_for_one_another() {
    explore(|| {
        let words = Arc::new(Words::new(4));
        let writer = Arc::clone(&words);
        // Each takes two units of four, and one must be free.
        let writing = thread::spawn(move || put(&writer, &[0x81, 0x82, 0x83]).unwrap());
        assert_eq!(get(&words, 3), [0x81, 0x82, 0x83]);
        writing.join().unwrap();
    });
}

#[test]
fn a_writer_that_dies_has_put_or_has_not() {
    explore_deaths(|dies_at| {
        let words = Arc::new(Words::new(4));
        let victim = Arc::clone(&words);
        let writing = thread::spawn(move || {
            let ended = run(Some(dies_at), || put(&victim, &[1, 0x82, 3]));
            let died = ended == Ended::Died;
            // It has gone, by dying or by leaving.
            victim.end_of(0);
            died
        });
        let got = get(&words, usize::MAX);
        let died = writing.join().unwrap();
        assert!([1, 0x82, 3].starts_with(&got) && (died || got.len() == 3), "{got:?}");
        died
    });
}

#[test]
fn a_reader_that_dies_leaves_nobody_waiting_for_room() {
    explore_deaths(|dies_at| {
        let words = Arc::new(Words::new(4));
        let victim = Arc::clone(&words);
        let reading = thread::spawn(move || {
            let ended = run(Some(dies_at), || get(&victim, 2));
            let died = ended == Ended::Died;
            victim.end_of(1);
            died
        });
        // More than there is room for: the last waits for the reader, or hears that it is gone.
        let put = put(&words, &[0x81, 0x82, 0x83]);
        let died = reading.join().unwrap();
        assert!(put.is_ok() || put == Err(Refused::Gone));
        assert!(died || put.is_ok(), "a reader that read two has made room");
        died
    });
}
