//! `Home`: a server, as the objects in it know it.

use std::cell::RefCell;
use std::sync::Arc;

use ipc_core::Deadline;

use crate::client::{self, Client};
use crate::error::ConnectError;
use crate::remote::Door;

/// Where an object lives, and how it can call others there: as everybody does.
#[derive(Clone, Debug)]
pub(crate) struct Home(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: u64,
    door: Door,
}

thread_local! {
    /// The server whose object this thread runs a method of.
    static CURRENT: RefCell<Option<Home>> = const { RefCell::new(None) };
}

impl Home {
    pub(crate) fn new(server: u64, door: Door) -> Self {
        Self(Arc::new(Inner { server, door }))
    }

    pub(crate) fn server(&self) -> u64 {
        self.0.server
    }

    /// This process's own connection to the server.
    pub(crate) fn client(&self) -> Result<Arc<Client>, ConnectError> {
        let Inner { server, door } = &*self.0;
        client::connect(door, Some(*server), Deadline::NEVER)
    }

    /// Runs foreign code that may ask for its home.
    pub(crate) fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        let _entered = Entered(CURRENT.replace(Some(self.clone())));
        work()
    }

    /// The server whose object this thread runs a method of.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }
}

/// Puts back what was current before, also when the code panics.
struct Entered(Option<Home>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}
