//! Linux: fork, shared memory, the marker instruction, stepping a traced child.
//!
//! # Safety
//!
//! Everything here is safe to call except [`unmap`]; what each call needs is argued in place.
#![expect(unsafe_code, reason = "fork, mmap and the marker instruction have no safe form")]

use std::{ffi::c_void, io, ptr::NonNull};

use nix::{
    sys::ptrace,
    unistd::{ForkResult, Pid},
};
use rustix::mm::{MapFlags, ProtFlags};

/// Which side of a fork we are on.
#[derive(Debug)]
pub(crate) enum Fork {
    /// In the new process.
    Child,
    /// In the old one; the child's pid.
    Parent(i32),
}

/// Forks a process that has one thread only.
///
/// # Errors
///
/// What `fork(2)` says, or that this process has more than one thread.
pub(crate) fn fork() -> io::Result<Fork> {
    let n_threads = std::fs::read_dir("/proc/self/task")?.count();
    if n_threads != 1 {
        return Err(io::Error::other(format!(
            "a process with {n_threads} threads must not be forked: use `harness = false` and \
             `testkit::main`"
        )));
    }
    // SAFETY: there is one thread, ourselves, so that no lock can be held by a thread that the
    // child does not have.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => Ok(Fork::Child),
        ForkResult::Parent { child } => Ok(Fork::Parent(child.as_raw())),
    }
}

/// Ends this process at once: no destructor, no exit handler.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: the call does not return and runs no code of ours.
    unsafe { libc::_exit(code) }
}

/// Maps fresh zeroed memory that this process shares with those it will fork.
///
/// # Errors
///
/// What `mmap(2)` says.
pub(crate) fn map_shared(n_bytes: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: the kernel chooses the place, so no memory that is in use is replaced.
    let address = unsafe {
        rustix::mm::mmap_anonymous(
            std::ptr::null_mut(),
            n_bytes,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED | MapFlags::NORESERVE,
        )
    }?;
    NonNull::new(address.cast()).ok_or_else(|| io::Error::other("mmap gave address zero"))
}

/// Gives memory of [`map_shared`] back.
///
/// # Safety
///
/// `address` and `n_bytes` are those of one call of [`map_shared`], not given back before, and
/// nobody in this process uses the memory any more.
pub(crate) unsafe fn unmap(address: NonNull<u8>, n_bytes: usize) -> io::Result<()> {
    // SAFETY: the caller's promise.
    unsafe { rustix::mm::munmap(address.as_ptr().cast(), n_bytes) }?;
    Ok(())
}

/// The marker: stops a traced process here. A process that is not traced dies of it.
#[inline]
pub(crate) fn marker() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a breakpoint touches no register and no memory; only the tracer sees it.
    unsafe {
        core::arch::asm!("int3");
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a breakpoint touches no register and no memory; only the tracer sees it. The
    // tracer moves the victim on to the next instruction.
    unsafe {
        core::arch::asm!("brk #0x7e57");
    }
}

/// A child that has called `PTRACE_TRACEME`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tracee(Pid);

/// What the next instruction of a tracee is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// It ends in bounded time.
    Plain,
    /// A system call: the tracee may sleep in it.
    Syscall,
    /// The marker.
    Marker,
}

impl Tracee {
    /// Makes this process a tracee of its parent.
    pub(crate) fn become_one() -> io::Result<()> {
        Ok(ptrace::traceme()?)
    }

    /// Names the child `pid`, which has stopped for the first time, and ties its life to ours.
    pub(crate) fn adopt(pid: i32) -> io::Result<Self> {
        let pid = Pid::from_raw(pid);
        ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL)?;
        Ok(Self(pid))
    }

    /// Names a process that this thread traces.
    pub(crate) fn of(pid: Pid) -> Self {
        Self(pid)
    }

    /// Lets it run until the next stop.
    pub(crate) fn go_on(self) -> io::Result<()> {
        Ok(ptrace::cont(self.0, None)?)
    }

    /// Lets it run one instruction.
    pub(crate) fn step(self) -> io::Result<()> {
        Ok(ptrace::step(self.0, None)?)
    }

    /// The address of its next instruction.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn place(self) -> io::Result<u64> {
        let offset = std::mem::offset_of!(libc::user_regs_struct, rip);
        let word = ptrace::read_user(self.0, std::ptr::without_provenance_mut(offset))?;
        Ok(word.cast_unsigned())
    }

    /// The address of its next instruction.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn place(self) -> io::Result<u64> {
        Ok(ptrace::getregs(self.0)?.pc)
    }

    /// Where it will go on when it returns from the function at whose first instruction it stands.
    #[cfg(target_arch = "x86_64")]
    fn caller(self) -> io::Result<u64> {
        let offset = std::mem::offset_of!(libc::user_regs_struct, rsp);
        let stack = ptrace::read_user(self.0, std::ptr::without_provenance_mut(offset))?;
        Ok(ptrace::read(self.0, address(stack.cast_unsigned())?)?.cast_unsigned())
    }

    /// Where it will go on when it returns from the function at whose first instruction it stands.
    #[cfg(target_arch = "aarch64")]
    fn caller(self) -> io::Result<u64> {
        Ok(ptrace::getregs(self.0)?.regs[30])
    }

    /// Moves it to `place`.
    #[cfg(target_arch = "x86_64")]
    fn go_to(self, place: u64) -> io::Result<()> {
        let offset = std::mem::offset_of!(libc::user_regs_struct, rip);
        let offset = std::ptr::without_provenance_mut(offset);
        Ok(ptrace::write_user(self.0, offset, place.cast_signed())?)
    }

    /// Moves it to `place`.
    #[cfg(target_arch = "aarch64")]
    fn go_to(self, place: u64) -> io::Result<()> {
        let mut registers = ptrace::getregs(self.0)?;
        registers.pc = place;
        Ok(ptrace::setregs(self.0, registers)?)
    }

    /// Where the marker or breakpoint is that has just stopped it.
    pub(crate) fn breakpoint(self) -> io::Result<u64> {
        // Only on x86_64 does the machine move on before it stops.
        Ok(self.place()? - if cfg!(target_arch = "x86_64") { MARKER_LEN } else { 0 })
    }

    /// Has it stop before the instruction at `place`, or nowhere any more.
    ///
    /// There is no mark in its code, which its other threads run as well: they would die of it.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn stop_before(self, place: Option<u64>) -> io::Result<()> {
        let set = |n_register: usize, to: u64| {
            let offset =
                std::mem::offset_of!(libc::user, u_debugreg) + n_register * size_of::<u64>();
            ptrace::write_user(self.0, std::ptr::without_provenance_mut(offset), to.cast_signed())
        };
        // The last register turns the first one off or on: for this thread, and instructions.
        set(7, 0)?;
        if let Some(place) = place {
            set(0, place)?;
            set(7, 1)?;
        }
        Ok(())
    }

    /// Moves it past the marker that has just stopped it.
    pub(crate) fn pass_marker(self) -> io::Result<()> {
        self.go_to(self.breakpoint()? + MARKER_LEN)
    }

    /// Puts a breakpoint at `place`; returns what stood there.
    pub(crate) fn set_breakpoint(self, place: u64) -> io::Result<i64> {
        let address = address(place)?;
        let before = ptrace::read(self.0, address)?;
        let mut bytes = before.to_ne_bytes();
        for (to, from) in bytes.iter_mut().zip(MARKER) {
            *to = *from;
        }
        ptrace::write(self.0, address, i64::from_ne_bytes(bytes))?;
        Ok(before)
    }

    /// Puts a breakpoint where it goes on when it returns from the function at whose first instruction it
    /// stands; returns where that is, and what stood there.
    pub(crate) fn stop_at_caller(self) -> io::Result<(u64, i64)> {
        let caller = self.caller()?;
        Ok((caller, self.set_breakpoint(caller)?))
    }

    /// Takes back the breakpoint that has just stopped it, so that it stands before what stood
    /// there before.
    pub(crate) fn clear_breakpoint(self, place: u64, before: i64) -> io::Result<()> {
        ptrace::write(self.0, address(place)?, before)?;
        self.go_to(place)
    }

    /// What stands at `place` in its memory.
    pub(crate) fn instruction(self, place: u64) -> io::Result<Instruction> {
        let word = ptrace::read(self.0, address(place)?)?.to_ne_bytes();
        Ok(decode(word))
    }
}

fn address(place: u64) -> io::Result<*mut c_void> {
    Ok(std::ptr::without_provenance_mut(usize::try_from(place).map_err(io::Error::other)?))
}

/// The bytes of the marker instruction: `int3`.
#[cfg(target_arch = "x86_64")]
const MARKER: &[u8] = &[0xcc];
/// The bytes of the marker instruction: `brk #0x7e57`.
#[cfg(target_arch = "aarch64")]
const MARKER: &[u8] = &0xd42f_cae0_u32.to_le_bytes();
const MARKER_LEN: u64 = MARKER.len() as u64;

#[cfg(target_arch = "x86_64")]
fn decode(word: [u8; 8]) -> Instruction {
    match word {
        [0xcc, ..] => Instruction::Marker,
        [0x0f, 0x05, ..] => Instruction::Syscall,
        _ => Instruction::Plain,
    }
}

#[cfg(target_arch = "aarch64")]
fn decode([a, b, c, d, ..]: [u8; 8]) -> Instruction {
    match u32::from_le_bytes([a, b, c, d]) {
        0xd42f_cae0 => Instruction::Marker,
        0xd400_0001 => Instruction::Syscall,
        _ => Instruction::Plain,
    }
}
