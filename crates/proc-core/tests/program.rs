//! Processes started from a program with a single thread, and what is left of them: nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::process::ExitCode;

use ipc_core::wire::Handle;
use proc_core::{JoinError, Process, Start, StartError, current, parent, stop_fork_server};
use testkit::leaks::Snapshot;
use testkit::{Outcome, Report};

fn main() -> ExitCode {
    testkit::main(&[
        ("a program that is no child starts processes in every way", starts_in_every_way),
        ("nothing is left of processes however they end", nothing_is_left),
        ("nothing is left of starts that fail", nothing_is_left_of_failures),
    ])
}

const WAYS: [Start; 3] = [Start::Spawn, Start::ForkServer, Start::Fork];

fn starts_in_every_way() -> Outcome {
    assert_eq!(current().name(), "MainProcess");
    assert!(parent().is_none() && !current().is_child());
    for (number, way) in (1..).zip(WAYS) {
        let child = Process::builder().start(way).spawn(|n: u32| (n, own_name()), 7)?;
        assert_eq!(child.join()?, (7, format!("Process-{number}")));
    }
    let words = ["by", "copy"].map(str::to_owned);
    let child = Process::builder().spawn_forked(|| words.join(" "))?;
    assert_eq!(child.join()?, "by copy");
    stop_fork_server();
    Ok(Report::PASSED)
}

fn own_name() -> String {
    current().name().to_owned()
}

fn nothing_is_left() -> Outcome {
    // What is made once and kept.
    for way in WAYS {
        Process::builder().start(way).spawn(|()| (), ())?.join()?;
    }
    stop_fork_server();
    let before = Snapshot::with_names("multiproc");
    for round in 0..3 {
        for way in WAYS {
            let start = |how: u8| {
                let file = Handle::from(std::fs::File::open("/dev/null").unwrap());
                Process::builder().start(way).spawn(end, (how, file))
            };
            let returns = start(0)?;
            let panics = start(1)?;
            let exits = start(2)?;
            let is_killed = start(3)?;
            let is_dropped = start(0)?;
            let is_dropped_alive = start(3)?;
            is_killed.kill()?;
            is_dropped_alive.kill()?;
            drop((is_dropped, is_dropped_alive));
            let (number, _file) = returns.join()?;
            assert_eq!(number, 0, "round {round}");
            assert!(matches!(panics.join(), Err(JoinError::Panicked(_))));
            assert!(matches!(exits.join(), Err(JoinError::Exited(3))));
            assert!(matches!(is_killed.join(), Err(JoinError::Signaled { .. })));
        }
    }
    // The last ones that were dropped are reaped when another is started.
    loop {
        Process::builder().start(Start::Fork).spawn(|()| (), ())?.join()?;
        stop_fork_server();
        if before.leaks().is_empty() {
            return Ok(Report::PASSED);
        }
        std::thread::yield_now();
    }
}

/// Ends in the way that is asked for.
fn end((how, file): (u8, Handle)) -> (u8, Handle) {
    match how {
        0 => (how, file),
        1 => panic!("as was asked for"),
        2 =>
        {
            #[expect(clippy::exit, reason = "as was asked for")]
            std::process::exit(3)
        }
        _ => loop {
            std::thread::park();
        },
    }
}

/// A value that is encoded and cannot be decoded.
#[derive(serde::Serialize)]
struct OneWay(u8);

impl<'de> serde::Deserialize<'de> for OneWay {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("no way back"))
    }
}

fn nothing_is_left_of_failures() -> Outcome {
    for way in WAYS {
        Process::builder().start(way).spawn(|()| (), ())?.join()?;
    }
    stop_fork_server();
    let before = Snapshot::with_names("multiproc");
    for _ in 0..10 {
        for way in WAYS {
            let file = Handle::from(std::fs::File::open("/dev/null")?);
            let function: fn((OneWay, Handle)) = |(one_way, _)| assert_eq!(one_way.0, 1);
            let started = Process::builder().start(way).spawn(function, (OneWay(1), file));
            assert!(matches!(started, Err(StartError::Refused(_))), "{way:?}: {started:?}");
        }
    }
    stop_fork_server();
    before.assert_none();
    Ok(Report::PASSED)
}
