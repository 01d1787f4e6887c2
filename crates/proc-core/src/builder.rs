//! `Builder`: all that can be said before a start.

#![expect(unsafe_code, reason = "offers a fork that is unsafe")]

use std::time::Duration;

use ipc_core::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::current;
use crate::entry::Entry;
use crate::error::StartError;
use crate::process::Process;
use crate::start::{self, Plan, Start};

/// How a process shall be started.
///
/// # Examples
///
/// ```
/// use proc_core::{Process, Start};
///
/// fn greet(name: String) -> String {
///     format!("{name}, this is {}", proc_core::current().name())
/// }
///
/// let child = Process::builder()
///     .name("greeter")
///     .start(Start::ForkServer)
///     .spawn(greet, "Ann".to_owned())?;
/// assert_eq!(child.join()?, "Ann, this is greeter");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is started yet"]
pub struct Builder {
    name: Option<String>,
    start: Start,
    dies_with_parent: bool,
    timeout: Option<Duration>,
}

impl Builder {
    /// A process with a name by number, as a fresh run of this program.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the process a name, for people: it need not be the only one of that name.
    ///
    /// `ps` and `top` show its first 15 bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Chooses the way in which the process is started.
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Has the process killed with `SIGKILL` as soon as this process has ended, in whatever way.
    ///
    /// It is exact: the child waits for the end of this process, not of a thread of it, and the end
    /// is not missed if it comes during the start. The child has a second thread for that, which
    /// does nothing else; so it cannot in turn start processes with [`Start::Fork`]. If it runs
    /// another program in its place, that one is not killed.
    #[doc(alias = "daemon")]
    pub fn dies_with_parent(mut self, dies: bool) -> Self {
        self.dies_with_parent = dies;
        self
    }

    /// Gives up a start that takes longer: the child is killed.
    ///
    /// Not the whole life of the process is meant, but the time until it has its argument. Without
    /// this a start takes as long as the child does: one that is stopped, or whose argument takes
    /// for ever to decode, is waited for.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Starts a process that calls `function` with `argument`.
    ///
    /// Returns when the child has the argument, which it decodes before it calls the function.
    ///
    /// # Process death
    ///
    /// A child that dies before it has the argument, for whatever reason, is
    /// [`StartError::Died`] as soon as it is dead.
    ///
    /// # Errors
    ///
    /// [`StartError`] has a variant for each way in which a start can fail; the function was not
    /// called then. [`StartError::Threads`] if this process has several threads and
    /// [`Start::Fork`] was chosen.
    pub fn spawn<A, R>(self, function: fn(A) -> R, argument: A) -> Result<Process<R>, StartError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let way = self.start;
        let plan = self.plan();
        let name = plan.introduction.name.clone();
        let started = start::start(way, plan, Entry::of(function), &argument)?;
        Ok(Process::new(name, started))
    }

    /// Starts a process that calls a closure with everything it has captured, as a copy of this one.
    ///
    /// The way of starting is [`Start::Fork`], whatever was chosen. What the closure captured is in
    /// the child what it was here, without being encoded; dropping it there drops the child's copy.
    ///
    /// # Errors
    ///
    /// [`StartError::Threads`] if this process has several threads, and what the system says if it
    /// has no room for another process.
    ///
    /// # Examples
    ///
    /// ```
    /// use proc_core::Process;
    ///
    /// let words = vec!["left", "right"];
    /// match Process::builder().spawn_forked(|| words.join(" or ")) {
    ///     Ok(child) => assert_eq!(child.join()?, "left or right"),
    ///     // A test has a thread beside that of the program.
    ///     Err(error) => assert!(error.to_string().contains("threads")),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn_forked<F, R>(self, closure: F) -> Result<Process<R>, StartError>
    where
        F: FnOnce() -> R,
        R: Serialize + DeserializeOwned,
    {
        let plan = self.plan();
        let name = plan.introduction.name.clone();
        Ok(Process::new(name, start::start_closure(plan, closure)?))
    }

    /// The same as [`spawn_forked`](Self::spawn_forked), however many threads this process has.
    ///
    /// # Errors
    ///
    /// What the system says if it has no room for another process.
    ///
    /// # Safety
    ///
    /// The other threads do not exist in the child, and what they were doing stays half-done there.
    /// The closure must need nothing of it: no lock that one of them may have held, among them that
    /// of the standard output, and nothing that they may have been changing. The start itself takes
    /// memory in the child, as libc allows in spite of that, and adds to the panic hook: no other
    /// thread may be in an allocator that is not libc's, nor be changing that hook.
    pub unsafe fn spawn_forked_with_threads<F, R>(
        self,
        closure: F,
    ) -> Result<Process<R>, StartError>
    where
        F: FnOnce() -> R,
        R: Serialize + DeserializeOwned,
    {
        let plan = self.plan();
        let name = plan.introduction.name.clone();
        // SAFETY: the duty is the caller's.
        let started = unsafe { start::start_closure_with_threads(plan, closure) }?;
        Ok(Process::new(name, started))
    }

    fn plan(self) -> Plan {
        let Self { name, dies_with_parent, timeout, .. } = self;
        let deadline = timeout.map_or(Deadline::NEVER, Deadline::after);
        Plan { introduction: current::introduce(name), dies_with_parent, deadline }
    }
}
