//! Talking to a program through its pipes, so that neither side waits for the other for ever.
//!
//! All pipes are served at the same time, and never waited for alone: what can be written is written,
//! what can be read is read. The talk is over when the program has ended, and what was in its pipes
//! at that moment is read. Whether the pipes have ended says nothing: a process that the program has
//! started may hold them.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use ipc_core::Deadline;

use crate::sys::files;
use crate::sys::poll::{self, Interest};

/// Our ends of a program's pipes.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

/// A talk, as far as it has come. It can be gone on with when its time was up.
#[derive(Debug, Default)]
pub(super) struct Talk {
    pub(super) pipes: Pipes,
    /// What is still to be written.
    input: Vec<u8>,
    n_written: usize,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Talk {
    pub(super) fn new(pipes: Pipes) -> Self {
        Self { pipes, ..Self::default() }
    }

    /// Says more.
    pub(super) fn add_input(&mut self, input: &[u8]) {
        self.input.extend_from_slice(input);
    }

    /// Talks until the program has ended; `false` if the deadline came first.
    pub(super) fn go_on(
        &mut self,
        sentinel: BorrowedFd<'_>,
        deadline: Deadline,
    ) -> io::Result<bool> {
        let Self { pipes, input, n_written, stdout, stderr } = self;
        for pipe in [&pipes.stdin, &pipes.stdout, &pipes.stderr].into_iter().flatten() {
            files::do_not_wait(pipe.as_fd())?;
        }
        loop {
            if *n_written == input.len() {
                // So that the program sees the end of it.
                pipes.stdin = None;
            }
            let mut interests = vec![Interest::ToRead(sentinel)];
            interests.extend(pipes.stdin.as_ref().map(|pipe| Interest::ToWrite(pipe.as_fd())));
            let to_read = [&pipes.stdout, &pipes.stderr].into_iter().flatten();
            interests.extend(to_read.map(|pipe| Interest::ToRead(pipe.as_fd())));
            let Some(has_ended) = poll::poll_first_of(&interests, deadline)? else {
                return Ok(false);
            };
            if has_ended {
                pipes.stdin = None;
                read_rest(&mut pipes.stdout, stdout)?;
                read_rest(&mut pipes.stderr, stderr)?;
                return Ok(true);
            }
            if let Some(pipe) = &pipes.stdin {
                match files::write_some(pipe.as_fd(), input.get(*n_written..).unwrap_or_default())?
                {
                    Some(n) => *n_written += n,
                    // Nobody will read the rest.
                    None => *n_written = input.len(),
                }
            }
            read_some(&mut pipes.stdout, stdout)?;
            read_some(&mut pipes.stderr, stderr)?;
        }
    }
}

/// Reads what is there, and closes the pipe at its end.
fn read_some(pipe: &mut Option<OwnedFd>, bytes: &mut Vec<u8>) -> io::Result<()> {
    /// As much as a pipe holds.
    const MOST: usize = 64 << 10;

    if let Some(file) = pipe
        && files::read_some(file.as_fd(), MOST, bytes)? == Some(0)
    {
        *pipe = None;
    }
    Ok(())
}

/// Reads what is in a pipe now, and no more: somebody may be writing to it for ever.
fn read_rest(pipe: &mut Option<OwnedFd>, bytes: &mut Vec<u8>) -> io::Result<()> {
    let Some(file) = pipe.take() else { return Ok(()) };
    let mut left = files::n_readable(file.as_fd())?;
    while left > 0 {
        match files::read_some(file.as_fd(), left, bytes)? {
            None | Some(0) => break,
            Some(n) => left = left.saturating_sub(n),
        }
    }
    Ok(())
}
