//! A builder's last word: the start.

#![expect(unsafe_code, reason = "offers a fork that is unsafe")]

use ipc_core::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Builder;
use crate::current;
use crate::entry::Entry;
use crate::error::StartError;
use crate::events;
use crate::memory;
use crate::process::Process;
use crate::run::{self, Run};
use crate::setup::Setup;
use crate::start::{self, Plan, Start, Started};
use crate::stdio::Streams;

impl Builder {
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
        let way = self.start.unwrap_or_else(current::start_method);
        self.begin(way, |plan| start::start(way, plan, Entry::of(function), &argument))
    }

    /// Starts a process that runs an object; see [`Run`].
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    pub fn run<T: Run>(mut self, object: T) -> Result<Process<T::Output>, StartError> {
        self.kind = Some(run::type_name::<T>());
        self.spawn(T::run, object)
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
        self.begin(Start::Fork, |plan| start::start_closure(plan, closure))
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
        // SAFETY: the duty is the caller's.
        self.begin(Start::Fork, |plan| unsafe { start::start_closure_with_threads(plan, closure) })
    }

    /// Starts a process by a plan that says all that was said here.
    fn begin<R>(
        self,
        way: Start,
        start: impl FnOnce(Plan<'_>) -> Result<Started, StartError>,
    ) -> Result<Process<R>, StartError> {
        let Self { name, kind, is_daemon, dies_with_parent, timeout, .. } = self;
        let Self { passed_on, streams, mut setup, .. } = self;
        setup.check()?;
        let Streams { told, given, mut pipes } = streams.open()?;
        setup.set_streams(told);
        memory::remember();
        let limits_memory = setup.limits_memory();
        let introduction = current::introduce(name, kind, is_daemon);
        let name = introduction.name.clone();
        let plan = Plan {
            dies_with_parent: dies_with_parent.unwrap_or(introduction.is_daemon),
            introduction,
            setup: (setup != Setup::default()).then_some(setup),
            given,
            passed_on,
            pipes: &mut pipes,
            deadline: timeout.map_or(Deadline::NEVER, Deadline::after),
        };
        let started = events::in_start(&name, way, || start(plan))
            .map_err(|error| if limits_memory { error.under_memory_limit() } else { error })
            .inspect_err(|error| events::not_started(&name, error))?;
        if limits_memory {
            started.child.note_memory_limit();
        }
        events::started(&name, started.child.pid());
        Ok(Process::new(name, started, pipes))
    }
}
