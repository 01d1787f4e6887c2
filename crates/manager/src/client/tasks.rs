//! Calls whose replies tasks wait for.
//!
//! A task cannot read for all, as a thread does that waits. So while tasks wait there is a thread that reads,
//! the *driver*: it is started by the first call, sleeps while another thread reads, and ends when no task
//! waits any more. It knows no runtime, and needs none.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use ipc_core::Deadline;

use super::replies::{Arrived, Awaited, Waiter};
use super::{Client, Got, Request};
use crate::carrier::Sent;
use crate::error::Error;

/// Calls that a task waits for. If it is dropped, the calls are done nevertheless, and what they return is
/// dropped when it comes.
struct Waiting<'c> {
    client: &'c Arc<Client>,
    first: u64,
    count: u64,
}

impl Client {
    /// Sends all the calls, and waits in a task for the replies, which are in the order of the calls.
    pub(crate) async fn call_all_async(
        self: &Arc<Self>,
        requests: &[Request],
    ) -> Result<Vec<Result<Got, Error>>, Error> {
        let count = requests.len() as u64;
        let first = self.expect(count, &Waiter::Nobody)?;
        let waiting = Waiting { client: self, first, count };
        self.state().n_tasks += 1;
        for message in self.messages(first, requests)? {
            self.send_without_waiting(message)?;
        }
        self.have_driver()?;
        let mut replies = Vec::new();
        for id in first..first + count {
            let arrived = std::future::poll_fn(|context| self.poll_reply(id, context)).await;
            replies.push(arrived.and_then(|arrived| Got::new(self, arrived)));
        }
        drop(waiting);
        Ok(replies)
    }

    /// Calls, and waits in a task for the reply.
    pub(crate) async fn call_async(self: &Arc<Self>, request: Request) -> Result<Got, Error> {
        let mut got = self.call_all_async(&[request]).await?;
        got.pop().ok_or(Error::Malformed)?
    }

    fn send_without_waiting(self: &Arc<Self>, message: Vec<u8>) -> Result<(), Error> {
        match self.carrier.send(&message)? {
            Sent::Taken => Ok(()),
            Sent::NoRoom => {
                // Somebody has to wait, and it is not the task.
                let client = Arc::clone(self);
                let send = move || drop(client.send(&message));
                thread::Builder::new().name("manager sender".into()).spawn(send)?;
                Ok(())
            }
            Sent::Gone => {
                self.break_off();
                Err(Error::Disconnected)
            }
        }
    }

    fn poll_reply(&self, id: u64, context: &Context<'_>) -> Poll<Result<Arrived, Error>> {
        let mut state = self.state();
        match state.take(id) {
            Some(arrived) => Poll::Ready(Ok(arrived)),
            None if state.is_broken => Poll::Ready(Err(state.outcome_of(id))),
            None => {
                let waiter = Waiter::Task(context.waker().clone());
                state.calls.insert(id, Awaited::By(waiter));
                Poll::Pending
            }
        }
    }

    /// Sees to it that there is a thread that reads for tasks.
    fn have_driver(self: &Arc<Self>) -> Result<(), Error> {
        let mut state = self.state();
        if std::mem::replace(&mut state.has_driver, true) {
            return Ok(());
        }
        drop(state);
        let client = Arc::clone(self);
        let started =
            thread::Builder::new().name("manager reader".into()).spawn(move || client.drive());
        if started.is_err() {
            self.state().has_driver = false;
        }
        started.map(drop).map_err(Error::Io)
    }

    /// Reads as long as tasks wait.
    fn drive(&self) {
        let mut state = self.state();
        while state.n_tasks > 0 && !state.is_broken {
            if std::mem::replace(&mut state.is_read, true) {
                state.driver = Some(thread::current());
                drop(state);
                thread::park();
                state = self.state();
            } else {
                drop(state);
                state = self.read(Deadline::NEVER);
            }
        }
        state.has_driver = false;
        state.driver = None;
        state.wake_another();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.client.state().n_tasks -= 1;
        self.client.give_up_on(self.first, self.count);
    }
}
