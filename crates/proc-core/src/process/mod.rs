//! `Process`: the handle that a parent holds.

mod join;

use std::fmt;
use std::io::{self, PipeReader, PipeWriter};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipc_core::wire::MessageSocket;
use ipc_core::{Deadline, ProcessId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::join::Progress;
use crate::builder::Builder;
use crate::child::Child;
use crate::children;
use crate::error::{CloseError, StartError};
use crate::exit::ExitStatus;
use crate::run::Run;
use crate::start::Started;
use crate::stdio::Pipes;
use crate::sys::signal::Signal;
use crate::tree;
use crate::usage::Usage;

/// A process that runs one function, and the parent's means to wait for it and to end it.
///
/// The function is a plain one, or a closure that captures nothing; it takes one argument (a tuple
/// for several, `()` for none) and returns a value. Both travel as bytes, together with the handles
/// in them: files, sockets, segments, locks and queues of this workspace. The process is a fresh
/// run of this program in which `main` does not run; see [`Start`](crate::Start) for the other ways.
///
/// Its standard input is empty, and its standard outputs are those of this process. When the
/// function returns, the process ends as a program does whose `main` returns: other threads of it
/// end with it.
///
/// All methods take `&self`, so threads can share a handle.
///
/// # Process death
///
/// However the process ends, [`join`](Self::join) returns: with the value if the function returned
/// and handed it over, and else with what became of it. The moment of the hand-over is when the
/// whole value is in the parent's socket. If this process dies, its children go on, unless they
/// were built with [`Builder::dies_with_parent`].
///
/// A handle that is dropped lets the process go on by itself, like one of a thread. It does not
/// stay a zombie: its status is taken when the next process is started.
///
/// # Examples
///
/// ```
/// use proc_core::Process;
///
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// let child = Process::spawn(square, 12)?;
/// assert_eq!(child.join()?, 144);
/// assert!(child.exit_status()?.is_some_and(|status| status.success()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A closure that captures something is refused by the compiler, as the child does not have it:
///
/// ```compile_fail
/// let factor = 3;
/// proc_core::Process::spawn(|x: u64| x * factor, 12);
/// ```
pub struct Process<R> {
    name: String,
    child: Arc<Child>,
    /// To the child.
    channel: MessageSocket,
    answer: Mutex<Progress>,
    /// To its standard streams, until somebody takes them.
    pipes: Mutex<Pipes>,
    result: PhantomData<fn() -> R>,
}

impl Process<()> {
    /// Begins to say how a process shall be started.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Starts a process that calls `function` with `argument`, as a fresh run of this program.
    ///
    /// If the function forks by itself and returns in both processes, what it returns in the child is the
    /// result; the copy ends and says nothing, and what was registered for the exit does not run in it.
    ///
    /// # Errors
    ///
    /// [`StartError`] has a variant for each way in which a start can fail; the function was not
    /// called then.
    ///
    /// # Examples
    ///
    /// ```
    /// use proc_core::Process;
    ///
    /// let child = Process::spawn(|(a, b): (String, usize)| a.repeat(b), ("ab".to_owned(), 3))?;
    /// assert_eq!(child.join()?, "ababab");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn<A, R>(function: fn(A) -> R, argument: A) -> Result<Process<R>, StartError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        Self::builder().spawn(function, argument)
    }

    /// Starts a process that runs an object; see [`Run`].
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    pub fn run<T: Run>(object: T) -> Result<Process<T::Output>, StartError> {
        Self::builder().run(object)
    }
}

impl<R> Process<R> {
    pub(crate) fn new(name: String, started: Started, pipes: Pipes) -> Self {
        let Started { child, channel } = started;
        child.set_name(&name);
        let (answer, pipes) = (Mutex::new(Progress::Open), Mutex::new(pipes));
        Self { name, child, channel, answer, pipes, result: PhantomData }
    }

    /// The number of the process.
    ///
    /// Once the process has ended and its status was taken, another one may get the number; the
    /// methods of this handle never mean that one.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// What tells the process from every other, also from a later one with the same number.
    ///
    /// # Errors
    ///
    /// If `/proc` cannot be read, and `ESRCH` if nobody asked before the status was taken.
    pub fn id(&self) -> io::Result<ProcessId> {
        self.child.id()
    }

    /// The name of the process: `Process-1`, `Process-2` and so on unless it was given another.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the process has not ended.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        // If the system will not say, nobody can say that it has ended.
        !matches!(self.child.try_reap(), Ok(Some(_)))
    }

    /// How the process ended, if it has.
    ///
    /// # Errors
    ///
    /// What the system says if it will not tell.
    pub fn exit_status(&self) -> io::Result<Option<ExitStatus>> {
        self.child.try_reap()
    }

    /// Waits until the process has ended, whatever became of its result.
    ///
    /// # Errors
    ///
    /// What the system says if it cannot wait, for want of memory.
    pub fn wait(&self) -> io::Result<ExitStatus> {
        self.wait_deadline(Deadline::NEVER).map(|status| status.unwrap_or(ExitStatus::Unknown))
    }

    /// Waits until the process has ended, at most this long; `None` if it has not.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        self.wait_deadline(Deadline::after(timeout))
    }

    /// Waits until the process has ended, at most until the deadline; `None` if it has not.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_deadline(&self, deadline: Deadline) -> io::Result<Option<ExitStatus>> {
        self.child.wait(deadline)
    }

    /// Asks the process to end, with `SIGTERM`; nothing happens if it has ended.
    ///
    /// Its function does not go on, nothing is dropped, and processes it has started stay.
    ///
    /// # Errors
    ///
    /// `EPERM` if the process has changed its user and we may not.
    pub fn terminate(&self) -> io::Result<()> {
        self.child.signal(Signal::TERM)
    }

    /// Ends the process with `SIGKILL`; nothing happens if it has ended.
    ///
    /// # Errors
    ///
    /// As [`terminate`](Self::terminate).
    pub fn kill(&self) -> io::Result<()> {
        self.child.signal(Signal::KILL)
    }

    /// Interrupts the process with `SIGINT`, as Ctrl-C does; nothing happens if it has ended.
    ///
    /// # Errors
    ///
    /// As [`terminate`](Self::terminate).
    pub fn interrupt(&self) -> io::Result<()> {
        self.child.signal(Signal::INT)
    }

    /// Asks the process to end, and ends it if it has not after so long; returns when it has ended.
    ///
    /// # Errors
    ///
    /// As [`terminate`](Self::terminate) and [`wait`](Self::wait).
    pub fn terminate_within(&self, grace: Duration) -> io::Result<ExitStatus> {
        self.terminate()?;
        if let Some(status) = self.wait_timeout(grace)? {
            return Ok(status);
        }
        self.kill()?;
        self.wait()
    }

    /// Ends the process and all processes that it has started, and those that they have, with
    /// `SIGKILL`; returns how many that were, when all have ended.
    ///
    /// None of them gets away by starting others meanwhile: all are stopped before one is killed. A
    /// descendant whose parent is dead by then is found if the process
    /// [keeps orphans](Builder::keeps_orphans), or if it has a [group](Builder::new_group) of its own
    /// and the descendant is in there. If the process has ended and its status was taken, nobody is
    /// found.
    ///
    /// # Errors
    ///
    /// `EMFILE` if this process has no room for a descriptor of each; those that were found are
    /// killed nevertheless. `EPERM` if one of them has changed its user and we may not.
    pub fn kill_tree(&self) -> io::Result<usize> {
        let killed = tree::kill(&self.child);
        if killed.is_ok() {
            self.wait()?;
        }
        killed
    }

    /// Lets go of the handle of a process that has ended.
    ///
    /// Nothing can be asked of it after that, so there is no error for it.
    ///
    /// # Errors
    ///
    /// [`CloseError`], with the handle in it, if the process has not ended.
    pub fn close(self) -> Result<(), CloseError<R>> {
        if self.is_alive() { Err(CloseError::new(self)) } else { Ok(()) }
    }

    /// Lets the process go on by itself, and returns its number, as dropping the handle does.
    #[must_use = "to drop the handle says less"]
    pub fn detach(self) -> u32 {
        self.pid()
    }

    /// What the process used up in its life; `None` before its end was seen, and if somebody else
    /// took its status.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.child.usage()
    }

    /// The descriptor that stands for the process, ready to be read when it has ended.
    ///
    /// It is the end of exactly this process, whatever those do that it has started. For `poll` and
    /// its like; waiting for it does not take the status.
    #[must_use]
    pub fn sentinel(&self) -> BorrowedFd<'_> {
        self.child.as_fd()
    }

    /// The end of its standard input, if that was to be [piped](crate::Stdio::piped) and nobody has
    /// it yet. The child sees the end of its input when this is dropped.
    #[must_use]
    pub fn take_stdin(&self) -> Option<PipeWriter> {
        self.pipes().stdin.take()
    }

    /// The end of its standard output, if that was to be [piped](crate::Stdio::piped) and nobody has
    /// it yet.
    #[must_use]
    pub fn take_stdout(&self) -> Option<PipeReader> {
        self.pipes().stdout.take()
    }

    /// The end of its standard error, if that was to be [piped](crate::Stdio::piped) and nobody has
    /// it yet.
    #[must_use]
    pub fn take_stderr(&self) -> Option<PipeReader> {
        self.pipes().stderr.take()
    }

    pub(crate) fn child(&self) -> &Arc<Child> {
        &self.child
    }

    fn pipes(&self) -> MutexGuard<'_, Pipes> {
        // Each change is one assignment.
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> AsFd for Process<R> {
    /// The [`sentinel`](Process::sentinel).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sentinel()
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Process");
        fields.field("name", &self.name).field("pid", &self.pid());
        match self.child.known_status() {
            Some(status) => fields.field("status", &format_args!("{status}")),
            None => fields.field("status", &"running, or not waited for"),
        };
        fields.finish()
    }
}

impl<R> Drop for Process<R> {
    fn drop(&mut self) {
        children::abandon(&self.child);
    }
}
