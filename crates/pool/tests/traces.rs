//! What is told of a pool to who listens by `tracing`.
#![cfg(feature = "tracing")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use pool::{Pool, TaskError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use common::{wait_until, watch};

mod common;

/// Writes down what it is told of pools.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<String>>);

impl Notes {
    fn write(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Line)) {
        if metadata.target() == "pool" {
            let mut line = Line(metadata.name().to_owned());
            record(&mut line);
            writeln!(self.0.lock().unwrap(), "{}", line.0).unwrap();
        }
    }

    fn has(&self, text: &str) -> bool {
        self.0.lock().unwrap().contains(text)
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Notes {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.write(span.metadata(), |line| span.record(line));
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

/// Alone in its process, since the keeper tells too.
#[test]
fn starts_deaths_and_maps_are_told() {
    let _watchdog = watch("traces");
    let notes = Notes::default();
    tracing::subscriber::set_global_default(notes.clone()).unwrap();
    let pool = Pool::builder().workers(1).build().unwrap();
    let pid = pool.stats().workers[0].pid.unwrap();
    assert!(notes.has(&format!("message=worker started place=0 pid={pid}\n")));
    assert_eq!(pool.map(|x: u32| x, 0..3).unwrap(), [0, 1, 2]);
    assert!(notes.has("map n_items=3\n"));
    let task = pool.task(|()| -> () { std::process::abort() }).tag("last");
    assert!(task.call(()).unwrap_err().is_worker_died());
    assert!(notes.has(&format!("message=task died number=3 tag=last pid={pid}\n")));
    assert!(notes.has(&format!("message=worker ended place=0 pid={pid} status=killed by SIGABRT")));
    wait_until(&pool, |pool| pool.stats().replaced == 1);
    drop(pool);

    let fail = |()| Err::<u32, _>("no tea");
    let pool = Pool::builder().workers(1).try_initializer(fail, ()).build().unwrap();
    let error = pool.call(|_, ()| (), ()).unwrap_err();
    assert!(matches!(error, TaskError::NoWorkers(_) | TaskError::NotTaken(_)), "{error:?}");
    assert!(
        notes.has("message=worker not started place=0 reason=the initializer failed: no tea\n")
    );
    assert!(notes.has("message=pool given up reason=the initializer failed: no tea\n"));
}
