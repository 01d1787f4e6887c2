//! Ctrl-C: the first ends pools that asked for it, the second ends the program.
//!
//! A signal handler can do next to nothing, so it rings a bell. A thread that waits for the bell ends
//! the pools. The handler is there for one signal only: after that `SIGINT` does again what it does
//! of itself, so that the second one ends the program, whatever that is about.

use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use std::{mem, thread};

use ipc_core::{Deadline, PerProcess};

use crate::engine::{Engine, Phase};
use crate::error::PoolError;
use crate::keeper;
use crate::pool::Pool;
use crate::record::What;
use crate::sys::{self, Bell};

impl Pool {
    /// Has the next `SIGINT` (Ctrl-C) end this pool, and the one after that the program.
    ///
    /// The first one fails all tasks with [`TaskError::Terminated`](crate::TaskError::Terminated) and
    /// kills the workers, so that whoever waits returns at once, and the program can end as it does
    /// after any other error. If it does not, the second one ends it, as `SIGINT` does of itself, and
    /// the workers with it. Nobody prints anything.
    ///
    /// Without this the first one ends the program. The signal is one of the whole process: what the
    /// program had it do before is replaced, and all pools that asked for this are ended together. To
    /// go on after an interrupt, ask again.
    ///
    /// # Errors
    ///
    /// [`PoolError::System`] if there is no room for a thread or a descriptor;
    /// [`PoolError::NotOurs`] in a process that was forked from the one that made the pool.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use pool::{Pool, TaskError};
    ///
    /// # fn crawl(page: u32) -> usize { page as usize }
    /// let pool = Pool::new()?;
    /// pool.end_on_interrupt()?;
    /// match pool.map(crawl, 0..1_000_000) {
    ///     Ok(lengths) => println!("{}", lengths.len()),
    ///     Err(error) if matches!(error.error, TaskError::Terminated) => println!("interrupted"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn end_on_interrupt(&self) -> Result<(), PoolError> {
        let engine = self.engine();
        if !engine.is_ours() {
            return Err(PoolError::NotOurs);
        }
        let mut desk = desk();
        let bell = match &desk.bell {
            Some(bell) => Arc::clone(bell),
            None => desk.open()?,
        };
        desk.pools.retain(|pool| pool.strong_count() > 0);
        desk.pools.push(Arc::downgrade(engine));
        drop(desk);
        sys::ring_on_interrupt(&bell).map_err(PoolError::system("catch SIGINT"))
    }
}

/// Where interrupts are dealt with; each process has its own.
#[derive(Debug, Default)]
struct Desk {
    /// What the handler rings; somebody waits for it from when it was made.
    bell: Option<Arc<Bell>>,
    /// Those that are to end.
    pools: Vec<Weak<Engine>>,
}

fn desk() -> MutexGuard<'static, Desk> {
    static DESK: PerProcess<Mutex<Desk>> = PerProcess::new();

    // Each change is one step.
    DESK.get_or_make(|_| Mutex::default()).lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// Makes the bell, and has somebody wait for it.
    fn open(&mut self) -> Result<Arc<Bell>, PoolError> {
        let bell = Arc::new(Bell::new().map_err(PoolError::system("make an event descriptor"))?);
        let ours = Arc::clone(&bell);
        let builder = thread::Builder::new().name("pool-interrupts".to_owned());
        // Signals are for the program's own threads.
        sys::with_signals_blocked(|| builder.spawn(move || answer(&ours)))
            .map_err(PoolError::system("start a thread"))?;
        self.bell = Some(Arc::clone(&bell));
        Ok(bell)
    }
}

/// Ends pools when the bell rings, for ever.
fn answer(bell: &Bell) {
    loop {
        match sys::poll(&[bell.as_fd()], Deadline::NEVER) {
            Ok(_) => bell.silence(),
            // No memory for the call now.
            Err(_) => {
                sys::nap(LOOK_AGAIN);
                continue;
            }
        }
        for pool in mem::take(&mut desk().pools) {
            if let Some(engine) = pool.upgrade() {
                engine.interrupt();
            }
        }
    }
}

/// How long it is until a call is tried again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Engine {
    /// Ends the pool for all who wait; the rest is for whoever drops it.
    fn interrupt(&self) {
        self.end(Phase::Over);
        keeper::kill(&self.lock().dispatch.workers());
        // Whoever collects must look for what has arrived.
        self.tell(What::Nudge, 0, 0);
    }
}
