//! A program that was started.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use ipc_core::Deadline;

use crate::child::Child;
use crate::children;
use crate::exit::ExitStatus;
use crate::program::ProgramError;
use crate::program::talk::{Pipes, Talk};
use crate::sys::signal::Signal;
use crate::tree;
use crate::usage::Usage;

/// What became of a program, and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// How it ended; [`ExitStatus::Unknown`] if it has not, as its time was up.
    pub status: ExitStatus,
    /// What it wrote to its standard output, as far as that was a pipe to this process.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error, as far as that was a pipe to this process.
    pub stderr: Vec<u8>,
}

/// A program that was started by [`Program::spawn`](crate::Program::spawn).
///
/// A handle that is dropped lets the program go on by itself; its status is taken when the next
/// process is started.
pub struct Running {
    child: Arc<Child>,
    talk: Talk,
}

impl Running {
    pub(super) fn new(child: Arc<Child>, pipes: Pipes) -> Self {
        Self { child, talk: Talk::new(pipes) }
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    pub(super) fn child_wait(
        &self,
        deadline: Deadline,
    ) -> Result<Option<ExitStatus>, ProgramError> {
        self.child.wait(deadline).map_err(ProgramError::system("wait for the program"))
    }

    pub(super) fn talk(&mut self) -> &mut Talk {
        &mut self.talk
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !matches!(self.child.try_reap(), Ok(Some(_)))
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// What the system says if it will not tell.
    #[doc(alias = "returncode")]
    #[doc(alias = "poll")]
    pub fn exit_status(&self) -> io::Result<Option<ExitStatus>> {
        self.child.try_reap()
    }

    /// Waits until it has ended. It may be waiting for somebody to read what it writes; see
    /// [`communicate`](Self::communicate).
    ///
    /// # Errors
    ///
    /// What the system says if it cannot wait, for want of memory.
    pub fn wait(&self) -> io::Result<ExitStatus> {
        let status = self.child.wait(Deadline::NEVER)?;
        Ok(status.unwrap_or(ExitStatus::Unknown))
    }

    /// Waits until it has ended, at most so long; `None` if it has not.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        self.child.wait(Deadline::after(timeout))
    }

    /// Has it read `input` and then the end, waits for its end and returns what it wrote.
    ///
    /// If the deadline passes, the program goes on, and nothing is lost: the next call goes on with
    /// what is not written yet, behind which comes its own input.
    ///
    /// # Errors
    ///
    /// [`ProgramError::TimedOut`], with what it wrote so far, if the deadline has passed.
    pub fn communicate(
        &mut self,
        input: &[u8],
        deadline: Deadline,
    ) -> Result<Output, ProgramError> {
        self.talk.add_input(input);
        let has_ended = self.talk.go_on(self.child.as_fd(), deadline);
        let has_ended = has_ended.map_err(ProgramError::system("talk to the program"))?;
        let status = if has_ended { self.child_wait(deadline)? } else { None };
        let Talk { stdout, stderr, .. } = &mut self.talk;
        match status {
            Some(status) => {
                let (stdout, stderr) = (std::mem::take(stdout), std::mem::take(stderr));
                Ok(Output { status, stdout, stderr })
            }
            None => {
                let (stdout, stderr) = (stdout.clone(), stderr.clone());
                Err(ProgramError::TimedOut(Output { status: ExitStatus::Unknown, stdout, stderr }))
            }
        }
    }

    /// The end of its standard input, if that is a pipe and nobody has it yet.
    #[must_use]
    pub fn take_stdin(&mut self) -> Option<PipeWriter> {
        self.talk.pipes.stdin.take().map(PipeWriter::from)
    }

    /// The end of its standard output, if that is a pipe and nobody has it yet.
    #[must_use]
    pub fn take_stdout(&mut self) -> Option<PipeReader> {
        self.talk.pipes.stdout.take().map(PipeReader::from)
    }

    /// The end of its standard error, if that is a pipe and nobody has it yet.
    #[must_use]
    pub fn take_stderr(&mut self) -> Option<PipeReader> {
        self.talk.pipes.stderr.take().map(PipeReader::from)
    }

    /// Asks it to end, with `SIGTERM`; nothing happens if it has ended.
    ///
    /// # Errors
    ///
    /// `EPERM` if it runs as another user and we may not.
    pub fn terminate(&self) -> io::Result<()> {
        self.child.signal(Signal::TERM)
    }

    /// Interrupts it with `SIGINT`; nothing happens if it has ended.
    ///
    /// # Errors
    ///
    /// As [`terminate`](Self::terminate).
    pub fn interrupt(&self) -> io::Result<()> {
        self.child.signal(Signal::INT)
    }

    /// Ends it with `SIGKILL`; nothing happens if it has ended.
    ///
    /// # Errors
    ///
    /// As [`terminate`](Self::terminate).
    pub fn kill(&self) -> io::Result<()> {
        self.child.signal(Signal::KILL)
    }

    /// Ends it and all that it has started, as [`Process::kill_tree`](crate::Process::kill_tree).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn kill_tree(&self) -> io::Result<usize> {
        let killed = tree::kill(&self.child)?;
        self.wait()?;
        Ok(killed)
    }

    /// What it used up; `None` before its end was seen.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.child.usage()
    }
}

impl AsFd for Running {
    /// Ready to be read when it has ended, whatever those do that it has started.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.child.as_fd()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Running").field("pid", &self.pid()).finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        children::abandon(&self.child);
    }
}
