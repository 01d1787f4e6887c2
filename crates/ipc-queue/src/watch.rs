//! Watching a queue for those who cannot sleep on it: tasks of an executor, and event loops.
//!
//! News of a queue comes through futexes, which is what makes it survive any death; and a task or an
//! `epoll` cannot wait for those. So a thread of this process does it, one for each handle and
//! direction that is ever waited for in this way, and calls wakers. It claims nothing, sleeps as long
//! as nobody asks, and ends with the last clone of the handle. Should the process die, nothing that it
//! kept was shared.

#![expect(clippy::disallowed_types, reason = "a flag and a lock that never leave the process")]

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::robust::Thread;

use crate::lease::Leases;
use crate::mapped::Mapped;
use crate::ring::{Patience, Ring};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Something to get.
    Message,
    /// Something to get from a joinable queue: it may come back from the dead as well.
    Item,
    /// A slot to put into.
    Room,
    /// All items of a joinable queue are finished, or nobody is left who could.
    Finished,
    /// Memory for a large message. Nothing is woken by that alone, so it is looked for.
    Memory,
}

/// How long after a look for memory the next one comes.
const NEXT_LOOK: Duration = Duration::from_millis(2);

/// The watches of a handle and its clones.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    running: Mutex<Vec<Watch>>,
}

/// A thread that watches.
#[derive(Debug)]
struct Watch {
    news: News,
    /// The generation of the process that it runs in: a forked child has no such thread.
    generation: u64,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whom to call at the next news.
    wakers: Mutex<Vec<Waker>>,
    has_wakers: Condvar,
    is_over: AtomicBool,
}

impl Watches {
    /// Calls `waker` once, as soon as it is worth a try, which may be at once.
    ///
    /// `open` opens the ring for the thread, should one be needed. Without a thread to spare the waker is
    /// called at once, so that the caller tries again and again.
    pub(crate) fn call(&self, news: News, waker: &Waker, open: impl FnOnce() -> Option<Mapped>) {
        let generation = Thread::current().generation();
        let mut running = lock(&self.running);
        running.retain(|watch| watch.generation == generation);
        let known = running.iter().find(|watch| watch.news == news);
        let shared = match known {
            Some(watch) => Some(Arc::clone(&watch.shared)),
            None => open().and_then(|ring| start(news, ring).ok()).inspect(|shared| {
                running.push(Watch { news, generation, shared: Arc::clone(shared) });
            }),
        };
        drop(running);
        match shared {
            Some(shared) => shared.add(waker),
            None => waker.wake_by_ref(),
        }
    }

    /// Lets all threads end; the caller then [tells](Ring::tell_left) those that sleep in the ring.
    pub(crate) fn end(&self) {
        for watch in &*lock(&self.running) {
            watch.shared.is_over.store(true, Relaxed);
            drop(lock(&watch.shared.wakers));
            watch.shared.has_wakers.notify_all();
        }
    }
}

fn start(news: News, ring: Mapped) -> io::Result<Arc<Shared>> {
    let shared = Arc::new(Shared::default());
    let its_own = Arc::clone(&shared);
    let thread = thread::Builder::new().name("queue watch".to_owned());
    thread.spawn(move || its_own.run(news, &ring))?;
    Ok(shared)
}

impl Shared {
    fn add(&self, waker: &Waker) {
        let mut wakers = lock(&self.wakers);
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
        self.has_wakers.notify_all();
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }

    fn run(&self, news: News, ring: &Mapped) {
        while self.is_wanted() {
            let me = Thread::current();
            match news {
                News::Message => {
                    ring.pend(me);
                    Ring(ring).await_message(|| self.is_over());
                    me.pend_clear();
                }
                News::Item => {
                    ring.pend(me);
                    Leases(ring).await_item(me, || self.is_over());
                    me.pend_clear();
                }
                News::Room => {
                    ring.pend(me);
                    Ring(ring).await_room(|| self.is_over());
                    me.pend_clear();
                }
                News::Finished => {
                    let is_in_vain = || self.is_over() || ring.misses_getters();
                    Leases(ring).join(me, Patience::Until(Deadline::NEVER), is_in_vain).ok();
                }
                News::Memory => self.pause(),
            }
            let wakers = std::mem::take(&mut *lock(&self.wakers));
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Waits until somebody is to be called; whether that is so, or it is over.
    fn is_wanted(&self) -> bool {
        let wakers = lock(&self.wakers);
        let waited = self
            .has_wakers
            .wait_while(wakers, |wakers| wakers.is_empty() && !self.is_over())
            .unwrap_or_else(PoisonError::into_inner);
        drop(waited);
        !self.is_over()
    }

    fn pause(&self) {
        let wakers = lock(&self.wakers);
        let paused = self.has_wakers.wait_timeout_while(wakers, NEXT_LOOK, |_| !self.is_over());
        drop(paused);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in somebody's waker leaves nothing half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
