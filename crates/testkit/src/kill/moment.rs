//! Named moments: the victim says where it is and waits there, for death or for leave.

use std::{
    fs::File,
    io::{self, PipeReader, PipeWriter, Read, Write},
    time::Duration,
};

use crate::{
    child::{self, Child, End, Fresh},
    clock, proc, sys,
};

/// The victim's side: where it names its moments.
#[derive(Debug)]
pub struct Moments {
    report: File,
    leave: File,
}

impl Moments {
    /// Tells the test that this moment is reached, and waits for its leave to go on.
    ///
    /// # Panics
    ///
    /// If the name has a line break, or the test cannot be told.
    pub fn reached(&self, moment: &str) {
        assert!(!moment.contains('\n'), "a moment is one line");
        writeln!(&self.report, "{moment}").expect("telling the test");
        let mut leave = [0];
        if (&self.leave).read_exact(&mut leave).is_err() {
            // The test is gone, and we are about to be.
            sys::exit_now(child::PANICKED);
        }
    }

    /// The moments of a [fresh](Fresh) process that [`Paused::fresh`] has started: the last two
    /// of its arguments, which are taken off.
    ///
    /// # Errors
    ///
    /// If there are no such arguments.
    pub fn from_args(args: &mut Vec<String>) -> io::Result<Self> {
        let mut take = |write: bool| {
            let fd = args.pop().ok_or_else(|| io::Error::other("an argument is missing"))?;
            // A second opening of the same pipe: no number is believed to be ours to close.
            File::options().read(!write).write(write).open(format!("/proc/self/fd/{fd}"))
        };
        let (leave, report) = (take(false)?, take(true)?);
        Ok(Self { report, leave })
    }
}

/// The test's side: a victim that waits at each of its moments.
///
/// # Process death
///
/// Dropping it kills the victim, wherever it is.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use testkit::kill::Paused;
///
/// let mut victim = Paused::fork(|moments| {
///     // … claims a slot …
///     moments.reached("claimed");
///     // … fills it …
///     0
/// });
/// victim.wait_for("claimed", Duration::from_secs(10))?;
/// victim.kill();
/// // … what must hold now …
/// # Ok::<(), String>(())
/// ```
#[derive(Debug)]
pub struct Paused {
    child: Child,
    reports: PipeReader,
    leave: PipeWriter,
    waiting: bool,
}

impl Paused {
    /// Forks a victim.
    ///
    /// # Panics
    ///
    /// As [`child::fork`].
    pub fn fork(body: impl FnOnce(&Moments) -> i32) -> Self {
        let (reports, report) = io::pipe().expect("a pipe for moments");
        let (may_leave, leave) = io::pipe().expect("a pipe for leaves");
        let child = child::fork(|| {
            let report = report.try_clone().expect("an end of a pipe");
            let may_leave = may_leave.try_clone().expect("an end of a pipe");
            body(&Moments {
                report: File::from(std::os::fd::OwnedFd::from(report)),
                leave: File::from(std::os::fd::OwnedFd::from(may_leave)),
            })
        });
        Self { child, reports, leave, waiting: false }
    }

    /// Starts a victim afresh; its entry calls [`Moments::from_args`].
    ///
    /// # Panics
    ///
    /// As [`Fresh::start`].
    #[must_use]
    pub fn fresh(program: Fresh) -> Self {
        let (reports, report) = io::pipe().expect("a pipe for moments");
        let (may_leave, leave) = io::pipe().expect("a pipe for leaves");
        let child = program.fd(&report).fd(&may_leave).start();
        Self { child, reports, leave, waiting: false }
    }

    /// Lets the victim run until it has reached `moment`; it is given leave at others.
    ///
    /// # Errors
    ///
    /// If it ends before that, or does not get there within `limit`.
    pub fn wait_for(&mut self, moment: &str, limit: Duration) -> Result<(), String> {
        loop {
            let reached = self.wait_for_any(limit)?;
            if reached == moment {
                return Ok(());
            }
        }
    }

    /// Lets the victim run until it has reached the next moment, and names it.
    ///
    /// # Errors
    ///
    /// If it ends before that, or does not get there within `limit`.
    pub fn wait_for_any(&mut self, limit: Duration) -> Result<String, String> {
        self.go_on();
        let start = clock::now_ns();
        let mut moment = Vec::new();
        loop {
            let mut byte = [0];
            let n_read = if child::wait_readable(&self.reports, Duration::from_millis(1)) {
                self.reports.read(&mut byte).map_err(|error| error.to_string())?
            } else {
                0
            };
            match (n_read, byte) {
                (0, _) => {
                    if let Some(end) = self.child.try_wait() {
                        return Err(format!("the victim {end} before its next moment"));
                    }
                }
                (_, [b'\n']) => break,
                (_, [byte]) => moment.push(byte),
            }
            if u128::from(clock::now_ns() - start) > limit.as_nanos() {
                let trace = proc::trace(self.child.pid());
                return Err(format!("the victim saw no moment within {limit:?}:\n{trace}"));
            }
        }
        self.waiting = true;
        String::from_utf8(moment).map_err(|error| error.to_string())
    }

    /// Gives the victim leave to go on, if it waits at a moment.
    ///
    /// # Panics
    ///
    /// If the pipe to it is broken, which is ours.
    pub fn go_on(&mut self) {
        if std::mem::take(&mut self.waiting) {
            self.leave.write_all(&[1]).expect("giving leave");
        }
    }

    /// Kills the victim where it is, and waits until it is dead.
    pub fn kill(mut self) {
        self.child.kill();
        self.child.wait();
    }

    /// Gives the victim leave and waits for its end.
    ///
    /// # Errors
    ///
    /// If it does not end within `limit`.
    pub fn finish(mut self, limit: Duration) -> Result<End, String> {
        self.go_on();
        self.child.wait_within(limit).ok_or_else(|| {
            format!("the victim saw no end within {limit:?}:\n{}", proc::trace(self.child.pid()))
        })
    }

    /// The victim, to be watched or signalled.
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.child
    }
}
