//! What is told of processes to who listens by `tracing`.
#![cfg(feature = "tracing")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use ipc_core::{Deadline, DeathWatch, ProcessId};
use proc_core::{Process, Start, StartError, stop_fork_server};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down what it is told.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn write(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Line)) {
        if metadata.target() == "proc_core" {
            let mut line = Line(String::new());
            record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
    }

    /// What was told since the last time.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Notes {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.write(span.metadata(), |line| {
            line.0.push_str("span ");
            span.record(line);
        });
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.write(event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn start_and_end_are_told() {
    let notes = Notes::default();
    tracing::subscriber::with_default(notes.clone(), || {
        let child = Process::builder().name("worker").spawn(|()| std::thread::park(), ()).unwrap();
        let pid = child.pid();
        assert_eq!(
            notes.take(),
            [
                "span name=\"worker\" way=Spawn ".to_owned(),
                format!("message=process started name=worker pid={pid} "),
            ]
        );
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(
            notes.take(),
            [
                format!("message=signal sent pid={pid} signal=SIGKILL "),
                format!("message=process ended pid={pid} status=killed by SIGKILL "),
            ]
        );
    });
}

#[test]
fn start_that_fails_is_told_with_its_reason() {
    let notes = Notes::default();
    tracing::subscriber::with_default(notes.clone(), || {
        let started = Process::builder().name("lost").current_dir("/no such").spawn(|()| (), ());
        assert!(matches!(started, Err(StartError::Refused(_))));
        let told = notes.take();
        let reason = told.last().unwrap();
        assert!(reason.starts_with("message=process not started name=lost error="), "{told:?}");
        assert!(reason.contains("working directory"), "{told:?}");
    });
}

#[test]
fn fork_server_that_was_lost_is_told_with_the_new_one() {
    let notes = Notes::default();
    tracing::subscriber::with_default(notes.clone(), || {
        let start = || {
            let started = Process::builder().start(Start::ForkServer).spawn(|x: u32| x, 1);
            assert_eq!(started.unwrap().join().unwrap(), 1);
        };
        start();
        let of_server = |told: Vec<String>| -> Vec<String> {
            told.into_iter().filter(|line| line.starts_with("message=fork server")).collect()
        };
        let told = of_server(notes.take());
        let [first] = told.as_slice() else { unreachable!("{told:?}") };
        let pid: u32 = first.trim_end().rsplit('=').next().unwrap().parse().unwrap();
        // It is a child of this process, which has not taken its status.
        let number = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        let watch = DeathWatch::open(ProcessId::of(pid).unwrap().unwrap()).unwrap().unwrap();
        rustix::process::kill_process(number, rustix::process::Signal::KILL).unwrap();
        assert!(watch.wait(Deadline::NEVER).unwrap());
        start();
        let told = of_server(notes.take());
        assert_eq!(
            told[0],
            format!("message=fork server lost pid={pid} status=killed by SIGKILL ")
        );
        assert!(told[1].starts_with("message=fork server started pid="), "{told:?}");
        stop_fork_server();
    });
}
