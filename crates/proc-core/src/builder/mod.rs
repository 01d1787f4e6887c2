//! `Builder`: all that can be said before a start.

mod begin;

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use crate::setup::Setup;
use crate::start::Start;
use crate::stdio::{Said, Stdio};
use crate::sys::setup::Limit;
use crate::sys::signal::Disposition;

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
    /// What it is called by number, without a name.
    kind: Option<&'static str>,
    start: Option<Start>,
    is_daemon: Option<bool>,
    dies_with_parent: Option<bool>,
    timeout: Option<Duration>,
    /// All that a copy of this process has of its descriptors, if not all.
    passed_on: Option<Vec<RawFd>>,
    streams: Said,
    setup: Setup,
}

impl Builder {
    /// A process with a name by number, started in the [usual way](crate::start_method).
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
        self.start = Some(start);
        self
    }

    /// Makes the process a daemon, or not: one that serves this process and ends with it.
    ///
    /// A daemon [dies with its parent](Self::dies_with_parent) unless that is said otherwise, and its
    /// children are daemons too unless that is said otherwise. Children of a daemon are daemons of
    /// themselves; this is Python's word, and has nothing to do with services of the system.
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.is_daemon = Some(daemon);
        self
    }

    /// Has the process killed with `SIGKILL` as soon as this process has ended, in whatever way.
    ///
    /// It is exact: the child waits for the end of this process, not of a thread of it, and the end
    /// is not missed if it comes during the start. The child has a second thread for that, which
    /// does nothing else; so it cannot in turn start processes with [`Start::Fork`]. If it runs
    /// another program in its place, that one is not killed; and one that was stopped is killed when it
    /// is continued.
    pub fn dies_with_parent(mut self, dies: bool) -> Self {
        self.dies_with_parent = Some(dies);
        self
    }

    /// Sets what the process reads as its standard input; nothing if not said.
    pub fn stdin(mut self, stdio: Stdio) -> Self {
        self.streams.stdin = Some(stdio);
        self
    }

    /// Sets where the standard output of the process goes.
    ///
    /// If not said, where that of this process goes; with [`Start::ForkServer`], where it went when
    /// the server was started.
    pub fn stdout(mut self, stdio: Stdio) -> Self {
        self.streams.stdout = Some(stdio);
        self
    }

    /// Sets where the standard error of the process goes; as [`stdout`](Self::stdout).
    pub fn stderr(mut self, stdio: Stdio) -> Self {
        self.streams.stderr = Some(stdio);
        self
    }

    /// Sets a variable in the environment of the process.
    ///
    /// The child does so itself, before anything but constructors of libraries runs in it: what the
    /// dynamic linker looks at, as `LD_PRELOAD`, is too late for the child, but not for programs that
    /// it runs.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let (name, value) = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.setup.set_variable(name, Some(value));
        self
    }

    /// Takes a variable out of the environment of the process.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.setup.set_variable(name.as_ref().to_owned(), None);
        self
    }

    /// Gives the process an empty environment, but for what is set after this.
    pub fn env_clear(mut self) -> Self {
        self.setup.clear_environment();
        self
    }

    /// Sets the working directory of the process.
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.setup.set_folder(folder.as_ref().as_os_str().to_owned());
        self
    }

    /// Makes the process the first of a process group of its own, which it shares with those that it
    /// starts.
    ///
    /// Ctrl-C at a terminal does not reach it then. In place of [`new_session`](Self::new_session).
    pub fn new_group(mut self, new: bool) -> Self {
        self.setup.set_own_group(new);
        self
    }

    /// Makes the process the first of a session of its own, and of a process group, without a
    /// terminal.
    ///
    /// In place of [`new_group`](Self::new_group).
    pub fn new_session(mut self, new: bool) -> Self {
        self.setup.set_own_session(new);
        self
    }

    /// Has the process become the parent of each of its descendants whose parent dies.
    ///
    /// As long as it lives none of them gets away, so [`kill_tree`](crate::Process::kill_tree) finds
    /// them all. In turn the process has to take their statuses, or they stay zombies until it ends;
    /// see [`Reaper`](crate::Reaper).
    pub fn keeps_orphans(mut self, keeps: bool) -> Self {
        self.setup.set_keeps_orphans(keeps);
        self
    }

    /// Lets others have the processor before the process (up to 19) or after it (down to -20).
    pub fn nice(mut self, niceness: i32) -> Self {
        self.setup.set_niceness(niceness);
        self
    }

    /// Lets the process run on these processors only, which are counted from zero.
    ///
    /// One that is not there, or that the system keeps from it, is an error of the start, which names it.
    pub fn affinity(mut self, processors: impl IntoIterator<Item = usize>) -> Self {
        self.setup.set_processors(processors.into_iter().collect());
        self
    }

    /// Limits the address space of the process to so many bytes, or to what this process may have.
    ///
    /// Beyond that it gets no memory, and a Rust program that gets none is aborted, which is
    /// [`JoinError::OutOfMemory`](crate::JoinError::OutOfMemory). The program
    /// itself, its libraries and the stacks of its threads count too: a limit that is too small for them is
    /// [`StartError::MemoryLimit`](crate::StartError::MemoryLimit).
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.setup.set_limit(Limit::Memory, bytes);
        self
    }

    /// Limits the processor time of the process, in whole seconds.
    ///
    /// When it has had so much it gets `SIGXCPU`, and `SIGKILL` a second of processor time later. None at all is
    /// an error of the start.
    pub fn cpu_time_limit(mut self, time: Duration) -> Self {
        self.setup.set_cpu_time(time);
        self
    }

    /// Limits how many descriptors the process may have, or to what this process may have.
    pub fn open_files_limit(mut self, count: u64) -> Self {
        self.setup.set_limit(Limit::OpenFiles, count);
        self
    }

    /// Limits the memory image that the kernel writes when the process crashes; zero for none.
    pub fn core_limit(mut self, bytes: u64) -> Self {
        self.setup.set_limit(Limit::Core, bytes);
        self
    }

    /// Has the process ignore a signal, by its number, as `libc` has it.
    pub fn ignore_signal(mut self, signal: i32) -> Self {
        self.setup.set_signal(signal, Disposition::Ignore);
        self
    }

    /// Has a signal do in the process what it does of itself.
    ///
    /// Signals that this process ignores are ignored by its children too unless this is said, but
    /// `SIGCHLD`; `SIGPIPE` is ignored in every Rust program.
    pub fn default_signal(mut self, signal: i32) -> Self {
        self.setup.set_signal(signal, Disposition::Default);
        self
    }

    /// Has the process, if it is a copy of this one ([`Start::Fork`]), let go of every descriptor but
    /// the standard streams, those in its argument, and those in the list.
    ///
    /// A copy has all that this process has, so whoever reads from a pipe or a socket sees its end
    /// only when the copy is gone too. What it lets go of can be neither read nor written there, as if
    /// it were closed. With another way of starting, a process never has what it was not given.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::fd::AsFd as _;
    ///
    /// use proc_core::{Process, StartError};
    ///
    /// let (reader, writer) = std::io::pipe()?;
    /// let child = Process::builder().pass_on_only(&[reader.as_fd()]);
    /// match child.spawn_forked(|| std::io::read_to_string(&reader).ok()) {
    ///     Ok(child) => {
    ///         // The copy has no writer, so it sees the end now.
    ///         drop(writer);
    ///         assert_eq!(child.join()?.as_deref(), Some(""));
    ///     }
    ///     // A test has a thread beside that of the program.
    ///     Err(error) => assert!(matches!(error, StartError::Threads { .. })),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "close_fds")]
    #[doc(alias = "pass_fds")]
    pub fn pass_on_only(mut self, kept: &[BorrowedFd<'_>]) -> Self {
        self.passed_on = Some(kept.iter().map(AsRawFd::as_raw_fd).collect());
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
}
