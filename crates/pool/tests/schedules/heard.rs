//! Callbacks: each is called once, whatever the others do, also if they panic.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pool::{Task, TaskError};

use crate::audit::Done;

/// What a callback was called with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Result<Done, TaskError>>>>);

impl Heard {
    /// Has a callback called with the result of a task, which panics then or does not.
    pub(crate) fn of(task: &Task<Done>, panics: bool) -> Result<Self, String> {
        let heard = Self::default();
        let hears = heard.clone();
        let told = task.on_done(move |result| {
            hears.0.lock().unwrap().push(result);
            if panics {
                // Nothing is printed of it.
                resume_unwind(Box::new("on purpose"));
            }
        });
        told.map(|()| heard).map_err(|error| error.to_string())
    }

    /// What it was called with, when the pool has ended.
    pub(crate) fn result(&self) -> Result<Result<Done, TaskError>, String> {
        // The last are called when the pool is gone already.
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let mut called = self.0.lock().unwrap();
            match (called.pop(), called.len()) {
                (Some(result), 0) => return Ok(result),
                (Some(_), n_more) => {
                    return Err(format!("a callback was called {n_more} times more"));
                }
                (None, _) if Instant::now() > patience => {
                    return Err("a callback was never called".to_owned());
                }
                (None, _) => {}
            }
            drop(called);
            testkit::clock::pause(Duration::from_millis(1));
        }
    }
}
