//! Memory and doors of a connection that a stranger writes into while it is used: operations end, with
//! errors or with wrong messages, and touch nothing else.
#![cfg(not(ipc_loom))]

mod scribble;

use std::time::Duration;

use ipc_pipe::{RecvError, SendError};
use proptest::prelude::*;
use scribble::words::{HEADS, OWNERS, RINGS};
use scribble::{Scene, play};
use testkit::Watchdog;

/// A record of so many bytes.
fn record(len: u64) -> u64 {
    1 | len << 8
}

#[test]
fn the_words_lie_where_the_tests_write() {
    let mut scene = Scene::new().unwrap();
    scene.sender.send_bytes(b"four").unwrap();
    scene.end.recv_bytes(4).unwrap();
    scene.end.send_bytes(b"seven..").unwrap();
    assert!(scene.receiver.readable().unwrap());
    let [first, second] = OWNERS;
    for half in [first, first + 8, second, second + 8] {
        assert_ne!(scene.write(half, 0), 0, "{half}");
    }
    assert_eq!(scene.write(HEADS[0], 0), 1, "one unit was read");
    assert_eq!(scene.write(RINGS[0], 0), record(4));
    assert_eq!(scene.write(HEADS[1], 0), 0);
    assert_eq!(scene.write(RINGS[1], 0), record(7));
}

#[test]
fn a_header_that_lies_is_corrupt() {
    for lie in [record(1 << 20), record(u64::MAX >> 9), 2 | 1 << 8, 3, 1 << 8, u64::MAX] {
        let mut scene = Scene::new().unwrap();
        scene.write(RINGS[0], lie);
        let received = scene.end.recv_bytes(100);
        assert!(matches!(received, Err(RecvError::Corrupt)), "{lie:#x}: {received:?}");
    }
    // A message that is said to have come by another way, and has not.
    let mut scene = Scene::new().unwrap();
    scene.write(RINGS[0], 2);
    assert!(matches!(scene.end.recv_bytes(100), Err(RecvError::Corrupt)));
}

#[test]
fn a_reader_that_is_said_to_be_ahead_is_corrupt() {
    let mut scene = Scene::new().unwrap();
    // Until there is no room any more, nobody looks how far the reader is.
    while scene.sender.send_bytes_deadline(&[1; 5000], ipc_core::Deadline::now()).is_ok() {}
    scene.write(HEADS[0], u64::MAX / 2);
    let sent = scene.sender.send_bytes(&[1; 5000]);
    assert!(matches!(sent, Err(SendError::Corrupt)), "{sent:?}");
}

#[test]
fn a_record_that_nobody_sent_is_some_message() {
    let mut scene = Scene::new().unwrap();
    scene.write(RINGS[0], record(30_000));
    assert_eq!(scene.end.recv_bytes(30_000).unwrap().len(), 30_000);
    assert!(matches!(scene.end.try_recv(), Err(RecvError::Empty)));
}

#[test]
fn an_owner_that_cannot_be_ends_the_connection_or_not() {
    let _watchdog = Watchdog::start(Duration::from_secs(60), "owners that cannot be");
    for owner in [1, u64::MAX, u64::MAX - 1, 1 << 22 | 1, (1 << 22) - 1, 1 << 63, 1 << 63 | 1] {
        for half in OWNERS.into_iter().flat_map(|end| [end, end + 8]) {
            let mut scene = Scene::new().unwrap();
            scene.write(half, owner);
            scene.use_all();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_is_written_everything_returns(script in prop::collection::vec(any::<u8>(), 0..300)) {
        let _watchdog = Watchdog::start(Duration::from_secs(60), "a script");
        play(&script);
    }
}
