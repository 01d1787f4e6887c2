//! Child processes of a test: forked from it, or started afresh.

use std::{
    env,
    ffi::OsString,
    fmt,
    io::{self, Write as _},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
    panic::{self, AssertUnwindSafe},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags},
    process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus},
};

use crate::{
    arena::SharedArena,
    clock, proc, seed,
    sys::{self, Fork},
    text::Text,
};

/// The exit code of a child whose function panicked.
pub const PANICKED: i32 = 101;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this code.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
}

impl End {
    /// Whether it exited with code 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(PANICKED) => write!(f, "panicked"),
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Killed(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}

/// A child process of this one.
///
/// It is killed and reaped when the value is dropped, and the kernel kills it when this process
/// (for a forked child: this thread) ends.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    pidfd: OwnedFd,
    end: Option<End>,
}

/// Forks a child that runs `body` and exits with what it returns.
///
/// A panic in `body` ends the child with code [`PANICKED`]. No destructor of anything that was
/// alive at the fork runs in the child.
///
/// # Panics
///
/// If this process has more than one thread (see [`crate::main`]), or cannot be forked.
#[track_caller]
pub fn fork(body: impl FnOnce() -> i32) -> Child {
    let parent = rustix::process::getpid();
    // What is buffered would be written by both.
    io::stdout().flush().expect("writing to stdout");
    match sys::fork().expect("forking a child") {
        Fork::Parent(pid) => Child::adopt(pid).expect("opening a new child's pidfd"),
        Fork::Child => {
            let code = panic::catch_unwind(AssertUnwindSafe(|| {
                die_with(parent);
                body()
            }));
            // A child of ours that cannot write has nobody left to tell.
            drop(io::stdout().flush());
            sys::exit_now(code.unwrap_or(PANICKED))
        }
    }
}

/// Runs `body` in a forked survivor, which must come back with its verdict within `limit`.
///
/// # Errors
///
/// What `body` said; or that it panicked, died, or did not come back, with a trace of where it
/// was.
///
/// # Panics
///
/// As [`fork`].
#[track_caller]
pub fn within(limit: Duration, body: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let verdict = SharedArena::<Text<4000>>::new(1);
    let mut survivor = fork(|| match body() {
        Ok(()) => 0,
        Err(why) => {
            verdict[0].set(&why);
            1
        }
    });
    match survivor.wait_within(limit) {
        Some(End::Exited(0)) => Ok(()),
        Some(End::Exited(1)) => Err(verdict[0].get()),
        Some(end) => Err(format!("a survivor {end}")),
        None => Err(format!(
            "a survivor did not come back within {limit:?}:\n{}",
            proc::trace(survivor.pid())
        )),
    }
}

/// Whether all these children sleep on futexes at one and the same moment.
///
/// Two looks must find each in the same sleep, so all slept between the two.
#[must_use]
pub fn are_all_asleep(children: &[&Child]) -> bool {
    let look = || -> Option<Vec<_>> {
        let sleep = |child: &Child| match child.end {
            None => proc::sleep_on_futex(child.pid),
            Some(_) => None,
        };
        children.iter().copied().map(sleep).collect()
    };
    let Some(first) = look() else { return false };
    look() == Some(first)
}

impl Child {
    /// Takes charge of a child that was just started.
    fn adopt(pid: i32) -> io::Result<Self> {
        let name = Pid::from_raw(pid).ok_or_else(|| io::Error::other("pid 0 is no child"))?;
        // Nobody has reaped it, so the number is still its own.
        let pidfd = rustix::process::pidfd_open(name, PidfdFlags::empty())?;
        Ok(Self { pid, pidfd, end: None })
    }

    /// Its number, for `/proc` and for messages.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Kills it with SIGKILL. It still must be waited for.
    pub fn kill(&self) {
        self.signal(libc::SIGKILL);
    }

    /// Sends it a signal. One that has ended does not mind.
    ///
    /// # Panics
    ///
    /// If there is no such signal.
    pub fn signal(&self, signal: i32) {
        let signal = Signal::from_named_raw(signal).expect("a signal");
        match rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => panic!("signalling child {}: {error}", self.pid),
        }
    }

    /// Waits until it has ended, without bound.
    ///
    /// # Panics
    ///
    /// If the kernel denies that it is our child: somebody else has reaped it.
    pub fn wait(&mut self) -> End {
        self.wait_options(WaitIdOptions::EXITED).expect("a blocking wait gives a status")
    }

    /// Waits until it has ended, and leaves it to be waited for: `/proc` still tells of it.
    pub(crate) fn await_end(&self) {
        wait_readable(&self.pidfd, Duration::MAX);
    }

    /// Waits until it has ended, for at most `limit`.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_within(&mut self, limit: Duration) -> Option<End> {
        if self.end.is_none() {
            wait_readable(&self.pidfd, limit);
        }
        self.try_wait()
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Option<End> {
        self.wait_options(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    /// Whether it sleeps on a futex, as two looks some microseconds apart saw it.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.end.is_none() && proc::is_asleep_on_futex(self.pid)
    }

    /// Waits until it sleeps on a futex, for at most `limit`.
    ///
    /// # Errors
    ///
    /// That it has ended, or where it is instead.
    pub fn wait_asleep(&mut self, limit: Duration) -> Result<(), String> {
        let mut asleep = false;
        let ended = self.settle(limit, |child| {
            asleep = child.is_asleep();
            asleep
        })?;
        match ended {
            Some(end) => Err(format!("child {} {end} instead of going to sleep", self.pid)),
            None => Ok(()),
        }
    }

    /// Waits until it has ended or sleeps on a futex, for at most `limit`.
    ///
    /// # Errors
    ///
    /// Where it is instead.
    pub fn wait_settled(&mut self, limit: Duration) -> Result<Option<End>, String> {
        self.settle(limit, |child| child.is_asleep())
    }

    /// Waits until it has ended or `enough` holds.
    pub(crate) fn settle(
        &mut self,
        limit: Duration,
        mut enough: impl FnMut(&Self) -> bool,
    ) -> Result<Option<End>, String> {
        let start = clock::now_ns();
        loop {
            if let Some(end) = self.try_wait() {
                return Ok(Some(end));
            }
            if enough(self) {
                return Ok(None);
            }
            if u128::from(clock::now_ns() - start) > limit.as_nanos() {
                return Err(format!(
                    "child {} did not get there within {limit:?}:\n{}",
                    self.pid,
                    proc::trace(self.pid)
                ));
            }
            clock::pause(Duration::from_micros(50));
        }
    }

    /// Waits until it stops for its tracer, or ends. Without a wait, nothing may be the answer.
    pub(crate) fn wait_stop(&mut self, options: WaitIdOptions) -> Option<Stop> {
        let options = options | WaitIdOptions::EXITED | WaitIdOptions::STOPPED;
        let status = self.wait_status(options)?;
        match status.trapping_signal().or(status.stopping_signal()) {
            Some(signal) => Some(Stop::Stopped(signal)),
            None => self.end.map(Stop::Ended),
        }
    }

    fn wait_options(&mut self, options: WaitIdOptions) -> Option<End> {
        if self.end.is_none() {
            self.wait_status(options);
        }
        self.end
    }

    fn wait_status(&mut self, options: WaitIdOptions) -> Option<WaitIdStatus> {
        let status = loop {
            match rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
                Ok(status) => break status?,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("waiting for child {}: {error}", self.pid),
            }
        };
        if let Some(code) = status.exit_status() {
            self.end = Some(End::Exited(code));
        } else if let Some(signal) = status.terminating_signal() {
            self.end = Some(End::Killed(signal));
        }
        Some(status)
    }
}

impl AsFd for Child {
    /// Its pidfd, readable once it has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.end.is_none() {
            self.kill();
            self.wait();
        }
    }
}

/// Why a traced child is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// This signal stopped it.
    Stopped(i32),
    /// It has ended and is reaped.
    Ended(End),
}

/// A child that starts as a fresh program: this test binary again, in an entry of its runner.
///
/// The function is named in [`Runner::entries`](crate::Runner::entries).
#[derive(Debug)]
pub struct Fresh {
    entry: String,
    args: Vec<OsString>,
    fds: Vec<OwnedFd>,
}

/// The environment variable that names the entry to run.
pub(crate) const ENTRY: &str = "TESTKIT_ENTRY";

impl Fresh {
    /// Prepares to start `entry`.
    #[must_use]
    pub fn new(entry: &str) -> Self {
        Self { entry: entry.to_owned(), args: Vec::new(), fds: Vec::new() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds a descriptor that the child inherits; its number there is the next argument.
    ///
    /// # Panics
    ///
    /// If this process has no room for another descriptor.
    #[must_use]
    pub fn fd(mut self, fd: impl AsFd) -> Self {
        // Without close-on-exec: the copy closes when the child has started.
        let copy = rustix::io::dup(fd).expect("copying a descriptor for a child");
        self.args.push(copy.as_raw_fd().to_string().into());
        self.fds.push(copy);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// If the program cannot be started.
    #[must_use]
    #[expect(clippy::zombie_processes, reason = "our own handle waits for it")]
    pub fn start(self) -> Child {
        let child = Command::new("/proc/self/exe")
            .args(self.args)
            .env(ENTRY, self.entry)
            .env(seed::VARIABLE, seed::seed().to_string())
            .stdin(Stdio::null())
            .spawn()
            .expect("starting this test binary again");
        let pid = i32::try_from(child.id()).expect("a pid");
        Child::adopt(pid).expect("opening a new child's pidfd")
    }
}

/// Asks the kernel to kill this process when its parent ends.
///
/// # Panics
///
/// If the kernel does not know the call.
pub(crate) fn die_with(parent: Pid) {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .expect("asking to end with our parent");
    if rustix::process::getppid() != Some(parent) {
        sys::exit_now(PANICKED);
    }
}

/// The entry that this process was started for, if it was started for one.
pub(crate) fn entry() -> Option<String> {
    env::var(ENTRY).ok()
}

/// Waits until `fd` is readable, for at most `limit`.
pub(crate) fn wait_readable(fd: impl AsFd, limit: Duration) -> bool {
    let end = clock::now_ns().saturating_add(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
    loop {
        let left = Duration::from_nanos(end.saturating_sub(clock::now_ns()));
        let mut polled = [PollFd::new(&fd, PollFlags::IN)];
        match rustix::event::poll(&mut polled, Some(&clock::timespec(left))) {
            Ok(n_ready) => return n_ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("polling a descriptor: {error}"),
        }
    }
}
