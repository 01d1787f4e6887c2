//! Processes that meet the victim in a sweep, and must go on without it.

use std::{fmt, time::Duration};

use crate::child::{self, Child};

/// When a partner starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Before the victim.
    BeforeVictim,
    /// When the victim stands before its operation: holding, for example, what the partner wants.
    AtBegin,
    /// Between the victim's last instruction and its death.
    ///
    /// In the crash world nothing happens between the two: the partner starts after the death.
    AtKill,
}

/// What a partner must have come to before the victim goes on.
pub enum Ready<'a, S> {
    /// It sleeps on a futex.
    Asleep,
    /// It sleeps on a futex or has ended.
    Settled,
    /// This holds of the shared state.
    When(Box<dyn Fn(&S) -> bool + 'a>),
}

impl<S> fmt::Debug for Ready<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asleep => "Asleep",
            Self::Settled => "Settled",
            Self::When(_) => "When",
        })
    }
}

/// A process that meets the victim: it must exit with 0 by itself after the victim's death.
///
/// It does so before the sweep's check runs, so that nobody else can have woken it.
pub struct Partner<'a, S> {
    name: String,
    body: Box<dyn Fn(&S) -> i32 + 'a>,
    start: Start,
    ready: Ready<'a, S>,
}

impl<'a, S> Partner<'a, S> {
    /// One that falls asleep on a futex while the victim stands before its operation.
    pub fn sleeper(name: &str, body: impl Fn(&S) -> i32 + 'a) -> Self {
        Self::new(name, body, Start::AtBegin, Ready::Asleep)
    }

    /// One that starts before the victim and has done its part when `ready` holds: for example,
    /// took the lock that the victim will want.
    pub fn holder(
        name: &str,
        body: impl Fn(&S) -> i32 + 'a,
        ready: impl Fn(&S) -> bool + 'a,
    ) -> Self {
        Self::new(name, body, Start::BeforeVictim, Ready::When(Box::new(ready)))
    }

    /// One that comes between the victim's last instruction and its death, and then either ends
    /// or falls asleep on a futex.
    pub fn latecomer(name: &str, body: impl Fn(&S) -> i32 + 'a) -> Self {
        Self::new(name, body, Start::AtKill, Ready::Settled)
    }

    /// Any other.
    pub fn new(
        name: &str,
        body: impl Fn(&S) -> i32 + 'a,
        start: Start,
        ready: Ready<'a, S>,
    ) -> Self {
        Self { name: name.to_owned(), body: Box::new(body), start, ready }
    }

    pub(super) fn starts(&self, start: Start) -> bool {
        self.start == start
    }

    /// Starts it and waits until it is ready.
    pub(super) fn begin(&self, state: &S, limit: Duration) -> Result<Running<'_>, String> {
        let mut child = child::fork(|| (self.body)(state));
        let ready = match &self.ready {
            Ready::Asleep => child.wait_asleep(limit),
            Ready::Settled => child.wait_settled(limit).map(drop),
            Ready::When(holds) => match child.settle(limit, |_| holds(state)) {
                Ok(Some(_)) if holds(state) => Ok(()),
                Ok(Some(end)) => Err(format!("it {end} before it was ready")),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            },
        };
        ready.map_err(|error| format!("partner {:?} is not ready: {error}", self.name))?;
        Ok(Running { name: &self.name, child })
    }
}

impl<S> fmt::Debug for Partner<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partner")
            .field("name", &self.name)
            .field("start", &self.start)
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

/// A partner at work.
#[derive(Debug)]
pub(super) struct Running<'a> {
    name: &'a str,
    child: Child,
}

impl Running<'_> {
    /// Waits until it has exited with 0.
    pub(super) fn finish(&mut self, limit: Duration) -> Result<(), String> {
        match self.child.wait_within(limit) {
            Some(end) if end.is_success() => Ok(()),
            Some(end) => Err(format!("partner {:?} {end}", self.name)),
            None => Err(format!(
                "partner {:?} did not go on within {limit:?}:\n{}",
                self.name,
                crate::trace(self.child.pid())
            )),
        }
    }
}
