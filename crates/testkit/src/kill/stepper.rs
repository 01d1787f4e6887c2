//! A victim under ptrace: it runs to the marker, then instruction by instruction.
//!
//! A route of instructions is walked step by step once; later victims run at full speed to a
//! breakpoint near the instruction they are to die at, and make the last few steps one by one.
//!
//! Tracer and victim share one CPU, so that the wait for a plain instruction is a context switch
//! and nothing more. Before a system call instruction the stepper looks twice: the victim may fall
//! asleep in it, and then no stop comes.
//!
//! The kernel's own code in the victim, which tells the time, is left in one step. It begins anew when
//! a tick of the clock has come meanwhile, and a victim that is stepped through it on a busy machine may
//! never get to its end; and it touches nothing that anybody shares.
//!
//! On aarch64 an exclusive load and its store never succeed under single steps. The standard
//! library and the compiler use the single-instruction atomics where the CPU has them.

use std::{collections::HashMap, io, ops::Range, time::Duration};

use rustix::{
    process::WaitIdOptions,
    thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity},
};

use crate::{
    child::{self, Child, End, Stop},
    clock, proc,
    sys::{Instruction, Tracee},
};

/// A traced child that stands before an instruction of the operation.
#[derive(Debug)]
pub(super) struct Stepper<'a> {
    child: Child,
    tracee: Tracee,
    code: &'a mut Code,
    limit: Duration,
}

/// What stands where in the victim's code: the same for every victim of a sweep.
#[derive(Debug)]
pub(super) struct Code {
    known: HashMap<u64, Instruction>,
    /// The kernel's own code.
    vdso: Range<u64>,
}

impl Code {
    /// Of victims that this process will fork.
    pub(super) fn new() -> Self {
        let me = rustix::process::getpid().as_raw_nonzero().get();
        Self { known: HashMap::new(), vdso: proc::vdso(me).unwrap_or_default() }
    }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The victim stands before the next instruction.
    Done,
    /// It fell asleep in a system call.
    Asleep,
    /// There was none to make: the operation has ended.
    AtEnd,
}

impl<'a> Stepper<'a> {
    /// Forks a victim and lets it run to the first marker.
    pub(super) fn start(
        code: &'a mut Code,
        limit: Duration,
        body: impl FnOnce(),
    ) -> Result<Self, String> {
        let mut child = child::fork(|| {
            Tracee::become_one().expect("being traced");
            body();
            0
        });
        match wait_stop(&mut child, limit)? {
            Stop::Stopped(libc::SIGTRAP) => {}
            Stop::Stopped(signal) => {
                return Err(format!("the victim was stopped by signal {signal} before it began"));
            }
            Stop::Ended(end) => return Err(format!("the victim {end} before it began")),
        }
        let tracee = Tracee::adopt(child.pid()).map_err(tracing)?;
        tracee.pass_marker().map_err(tracing)?;
        Ok(Self { child, tracee, code, limit })
    }

    /// Makes one step.
    pub(super) fn step(&mut self) -> Result<Step, String> {
        let instruction = self.instruction().map_err(tracing)?;
        if instruction == Instruction::Marker {
            return Ok(Step::AtEnd);
        }
        self.tracee.step().map_err(tracing)?;
        let stop = match instruction {
            Instruction::Syscall => match self.wait_stop_or_sleep()? {
                Some(stop) => stop,
                None => return Ok(Step::Asleep),
            },
            _ => self
                .child
                .wait_stop(WaitIdOptions::empty())
                .ok_or_else(|| "a blocking wait gave nothing".to_owned())?,
        };
        self.check(stop)?;
        self.leave_vdso()?;
        Ok(Step::Done)
    }

    /// If the victim has just called the kernel's own code, lets it run back to the caller.
    fn leave_vdso(&mut self) -> Result<(), String> {
        if !self.code.vdso.contains(&self.place()?) {
            return Ok(());
        }
        let (caller, before) = self.tracee.stop_at_caller().map_err(tracing)?;
        self.tracee.go_on().map_err(tracing)?;
        let stop = wait_stop(&mut self.child, self.limit)?;
        self.check(stop)?;
        self.tracee.clear_breakpoint(caller, before).map_err(tracing)
    }

    /// Waits until a victim that was asleep has come out of its system call.
    pub(super) fn wait_awake(&mut self) -> Result<(), String> {
        let stop = wait_stop(&mut self.child, self.limit)
            .map_err(|error| format!("the victim should have been woken: {error}"))?;
        self.check(stop)
    }

    /// Lets the victim run until it comes to `place` for the `n_times`-th time; `wake` is called
    /// whenever it sleeps on the way. Says whether it came there rather than to the end.
    pub(super) fn run_to(
        &mut self,
        place: u64,
        n_times: usize,
        mut wake: impl FnMut() -> Result<(), String>,
    ) -> Result<bool, String> {
        for time in 0..n_times {
            if time > 0 {
                // Off the place, before the breakpoint is set again.
                match self.step()? {
                    Step::Done => {}
                    Step::AtEnd => return Ok(false),
                    Step::Asleep => {
                        wake()?;
                        self.wait_awake()?;
                    }
                }
            }
            // It may stand there already: then the breakpoint stops it at once.
            let before = self.tracee.set_breakpoint(place).map_err(tracing)?;
            self.tracee.go_on().map_err(tracing)?;
            match self.wait_stop_or_sleep()? {
                Some(stop) => self.check(stop)?,
                None => {
                    wake()?;
                    self.wait_awake()?;
                }
            }
            if self.tracee.breakpoint().map_err(tracing)? != place {
                return Ok(false);
            }
            self.tracee.clear_breakpoint(place, before).map_err(tracing)?;
        }
        Ok(true)
    }

    /// Lets the victim run to its end.
    pub(super) fn finish(mut self) -> Result<(), String> {
        self.tracee.go_on().map_err(tracing)?;
        let stop = wait_stop(&mut self.child, self.limit)?;
        self.check(stop)?;
        self.tracee.pass_marker().map_err(tracing)?;
        self.tracee.go_on().map_err(tracing)?;
        match wait_stop(&mut self.child, self.limit)? {
            Stop::Ended(End::Exited(0)) => Ok(()),
            Stop::Ended(end) => Err(format!("the victim {end} after its operation")),
            Stop::Stopped(signal) => {
                Err(format!("the victim was stopped by signal {signal} after its operation"))
            }
        }
    }

    /// Kills the victim and waits until it is dead.
    pub(super) fn kill(mut self) {
        self.child.kill();
        self.child.wait();
    }

    /// Where the victim stands.
    pub(super) fn place(&self) -> Result<u64, String> {
        self.tracee.place().map_err(tracing)
    }

    /// Where the victim stands, for people.
    pub(super) fn name_place(&self) -> String {
        match self.tracee.place() {
            Ok(place) => proc::name_place(self.child.pid(), place),
            // It is asleep, not stopped.
            Err(_) => self.sleeping_place().unwrap_or_else(|| "an unknown place".to_owned()),
        }
    }

    /// A place in the victim's code, for people.
    pub(super) fn name(&self, place: u64) -> String {
        proc::name_place(self.child.pid(), place)
    }

    /// The kernel's own note of a sleeper: its call, the arguments, stack and code addresses.
    fn sleeping_place(&self) -> Option<String> {
        let pid = self.child.pid();
        let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
        let place = call.split_ascii_whitespace().last()?.strip_prefix("0x")?;
        Some(proc::name_place(pid, u64::from_str_radix(place, 16).ok()?))
    }

    fn instruction(&mut self) -> io::Result<Instruction> {
        let place = self.tracee.place()?;
        if let Some(known) = self.code.known.get(&place) {
            return Ok(*known);
        }
        let found = self.tracee.instruction(place)?;
        self.code.known.insert(place, found);
        Ok(found)
    }

    /// Waits for the stop after a system call; nothing if the victim fell asleep in it.
    fn wait_stop_or_sleep(&mut self) -> Result<Option<Stop>, String> {
        let start = clock::now_ns();
        loop {
            // Let it have our CPU first.
            rustix::thread::sched_yield();
            if let Some(stop) = self.child.wait_stop(WaitIdOptions::NOHANG) {
                return Ok(Some(stop));
            }
            if proc::is_asleep(self.child.pid()) {
                return Ok(None);
            }
            if u128::from(clock::now_ns() - start) > self.limit.as_nanos() {
                return Err(format!(
                    "the victim neither sleeps nor stops:\n{}",
                    proc::trace(self.child.pid())
                ));
            }
        }
    }

    fn check(&self, stop: Stop) -> Result<(), String> {
        match stop {
            Stop::Stopped(libc::SIGTRAP) => Ok(()),
            Stop::Stopped(signal) => Err(format!(
                "the victim was stopped by signal {signal} in its operation, at {}",
                self.name_place()
            )),
            Stop::Ended(end) => Err(format!("the victim {end} in its operation")),
        }
    }
}

fn wait_stop(child: &mut Child, limit: Duration) -> Result<Stop, String> {
    let start = clock::now_ns();
    loop {
        rustix::thread::sched_yield();
        if let Some(stop) = child.wait_stop(WaitIdOptions::NOHANG) {
            return Ok(stop);
        }
        if u128::from(clock::now_ns() - start) > limit.as_nanos() {
            return Err(format!(
                "child {} did not stop within {limit:?}:\n{}",
                child.pid(),
                proc::trace(child.pid())
            ));
        }
        clock::pause(Duration::from_micros(10));
    }
}

fn tracing(error: io::Error) -> String {
    format!("tracing the victim: {error}")
}

/// Keeps this process, and those it forks, on one CPU while it lives.
#[derive(Debug)]
pub(super) struct OneCpu {
    before: CpuSet,
}

impl OneCpu {
    pub(super) fn here() -> io::Result<Self> {
        let before = sched_getaffinity(None)?;
        let mut one = CpuSet::new();
        one.set(sched_getcpu());
        sched_setaffinity(None, &one)?;
        Ok(Self { before })
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        // We were allowed all of these before; one CPU less is no harm to what comes after.
        sched_setaffinity(None, &self.before).unwrap_or_default();
    }
}
