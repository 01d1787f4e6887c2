//! A process that is stepped from outside: one that somebody else has started.

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity, sched_yield};

use crate::proc;
use crate::sys::{Instruction, Tracee};

/// A child of this process, or of one of its children, that this thread traces.
///
/// Tracer and traced share a processor from then on, so that a step is a switch between them and no
/// more.
#[derive(Debug)]
pub struct Attached(Pid);

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// The process stands before its next instruction.
    Done,
    /// It fell asleep, and the step ends when it is woken.
    Asleep,
    /// It has ended. If it is a child of this process, its status is still to be taken.
    Ended,
}

impl Attached {
    /// Stops a process, wherever it is.
    ///
    /// # Errors
    ///
    /// If it cannot be traced, or ends.
    pub fn stop(pid: i32) -> Result<Self, String> {
        let process = Self(Pid::from_raw(pid));
        ptrace::attach(process.0).map_err(|error| format!("attaching: {error}"))?;
        loop {
            match waitpid(process.0, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Stopped(_, Signal::SIGSTOP)) => {
                    share_processor(process.0).map_err(|error| format!("one CPU: {error}"))?;
                    return Ok(process);
                }
                Ok(WaitStatus::Stopped(_, signal)) => {
                    ptrace::cont(process.0, signal).map_err(|error| error.to_string())?;
                }
                other => return Err(format!("attached, and then: {other:?}")),
            }
        }
    }

    /// Lets it go on untraced from where it makes a process of its own, which stands before its first
    /// instruction then and is the traced one from now on.
    ///
    /// # Errors
    ///
    /// If it is not there, or ends without having made one.
    pub fn let_go_for_its_child(self) -> Result<Self, String> {
        let of_births = Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE;
        ptrace::setoptions(self.0, of_births).map_err(|error| format!("options: {error}"))?;
        let mut signal = None;
        let child = loop {
            ptrace::cont(self.0, signal).map_err(|error| format!("going on: {error}"))?;
            match waitpid(self.0, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::PtraceEvent(..)) => {
                    let number = ptrace::getevent(self.0).map_err(|error| error.to_string())?;
                    let number = i32::try_from(number).map_err(|error| error.to_string())?;
                    break Self(Pid::from_raw(number));
                }
                Ok(WaitStatus::Stopped(_, other)) => signal = Some(other),
                other => return Err(format!("before it made a process: {other:?}")),
            }
        };
        match waitpid(child.0, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::Stopped(_, Signal::SIGSTOP)) => {}
            other => return Err(format!("the new process: {other:?}")),
        }
        ptrace::setoptions(child.0, Options::empty()).map_err(|error| error.to_string())?;
        self.let_go()?;
        share_processor(child.0).map_err(|error| format!("one CPU: {error}"))?;
        Ok(child)
    }

    /// The number of the process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.0.as_raw()
    }

    /// Takes leave of one that has ended, or is about to, and is another process's child: as long as it
    /// is traced, that one does not hear of its end.
    ///
    /// # Errors
    ///
    /// If it is not traced, or a child of this process.
    pub fn see_off(self) -> Result<(), String> {
        loop {
            match waitpid(self.0, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return Ok(()),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(format!("its end: {error}")),
            }
        }
    }

    /// Makes a step, however long it takes.
    ///
    /// # Errors
    ///
    /// If the process is not there, or not stopped.
    pub fn step(&self) -> Result<Stepped, String> {
        Self::begin(ptrace::step(self.0, None))?;
        self.wait()
    }

    /// Lets it run to the beginning of its next system call or, if it stands there, to the end of
    /// that call, however long it takes.
    ///
    /// # Errors
    ///
    /// If the process is not there, or not stopped.
    pub fn run_to_call(&self) -> Result<Stepped, String> {
        Self::begin(ptrace::syscall(self.0, None))?;
        self.wait()
    }

    /// Where its next instruction is.
    ///
    /// # Errors
    ///
    /// If the process is not there, or not stopped.
    pub fn place(&self) -> Result<u64, String> {
        Tracee::of(self.0).place().map_err(|error| format!("looking where it is: {error}"))
    }

    /// Lets it run to where the instruction at `place` is its next; says whether it came there, and not
    /// before that to a system call, or to its end.
    ///
    /// # Errors
    ///
    /// If the process is not there, or not stopped.
    #[cfg(target_arch = "x86_64")]
    pub fn run_to(&self, place: u64) -> Result<bool, String> {
        let stop_before = |place| {
            let done = Tracee::of(self.0).stop_before(place);
            done.map_err(|error| format!("a register for debugging: {error}"))
        };
        stop_before(Some(place))?;
        if self.run_to_call()? == Stepped::Ended {
            return Ok(false);
        }
        stop_before(None)?;
        Ok(self.place()? == place)
    }

    /// Lets it run to where the instruction at `place` is its next; says whether it came there, and not
    /// before that to a system call, or to its end.
    ///
    /// # Errors
    ///
    /// If the process is not there, or not stopped.
    #[cfg(target_arch = "aarch64")]
    pub fn run_to(&self, place: u64) -> Result<bool, String> {
        while self.place()? != place {
            if self.is_before_call()? || self.step()? == Stepped::Ended {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes a step; if the process falls asleep in it, that is all.
    ///
    /// # Errors
    ///
    /// If the process is not there, or not stopped.
    pub fn step_or_sleep(&self) -> Result<Stepped, String> {
        Self::begin(ptrace::step(self.0, None))?;
        loop {
            if let Some(stepped) = self.look(WaitPidFlag::WNOHANG)? {
                return Ok(stepped);
            }
            // Let it have our CPU first.
            sched_yield();
            if proc::is_asleep(self.0.as_raw()) {
                return Ok(Stepped::Asleep);
            }
        }
    }

    /// Whether its next instruction makes a system call.
    ///
    /// # Errors
    ///
    /// If the process is not there, or not stopped.
    pub fn is_before_call(&self) -> Result<bool, String> {
        let tracee = Tracee::of(self.0);
        let next = tracee.place().and_then(|place| tracee.instruction(place));
        Ok(next.map_err(|error| format!("looking at the next instruction: {error}"))?
            == Instruction::Syscall)
    }

    fn begin(step: nix::Result<()>) -> Result<(), String> {
        match step {
            // It was killed meanwhile, which the wait says.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(format!("stepping: {error}")),
        }
    }

    fn wait(&self) -> Result<Stepped, String> {
        loop {
            if let Some(stepped) = self.look(WaitPidFlag::empty())? {
                return Ok(stepped);
            }
        }
    }

    /// What became of a step so far.
    fn look(&self, flags: WaitPidFlag) -> Result<Option<Stepped>, String> {
        // The status of one that has ended is its parent's to take.
        let ends = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(self.0), flags | ends | WaitPidFlag::__WALL) {
            Ok(WaitStatus::StillAlive) => Ok(None),
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(Errno::ECHILD) => {
                Ok(Some(Stepped::Ended))
            }
            Ok(_) => match waitpid(self.0, Some(flags | WaitPidFlag::__WALL)) {
                Ok(WaitStatus::StillAlive) => Ok(None),
                Ok(WaitStatus::Stopped(..)) => Ok(Some(Stepped::Done)),
                other => Err(format!("a step ended with {other:?}")),
            },
            Err(Errno::EINTR) => Ok(None),
            Err(error) => Err(format!("waiting for a step: {error}")),
        }
    }

    /// Lets it go on untraced.
    ///
    /// # Errors
    ///
    /// If the process is not there, or not stopped.
    pub fn let_go(self) -> Result<(), String> {
        ptrace::detach(self.0, None).map_err(|error| format!("letting go: {error}"))
    }
}

fn share_processor(traced: Pid) -> rustix::io::Result<()> {
    let mut one = CpuSet::new();
    one.set(sched_getcpu());
    let traced = rustix::process::Pid::from_raw(traced.as_raw());
    sched_setaffinity(None, &one)?;
    sched_setaffinity(traced, &one)
}
