//! Linux: files in memory, waiting for many descriptors, a bell, interrupts.
//!
//! # Safety
//!
//! What is mapped is sealed. Signal handlers are set that do nothing, or next to nothing; one writes to a descriptor by its
//! number, which whoever set it keeps open for ever.
#![expect(unsafe_code, reason = "sets what a signal does, and maps files")]

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::Duration;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Deadline, check_file_len};
use memmap2::{Mmap, MmapOptions};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::io::Errno;

/// Makes a file in memory that holds these bytes and never anything else.
///
/// # References
///
/// - Linux `memfd_create(2)`, `fcntl(2)` with `F_ADD_SEALS`
pub(crate) fn file_in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    check_file_len(bytes.len())?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("multiproc parcel", flags)?);
    file.write_all(bytes)?;
    fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

/// What is true of our files in memory for ever.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::GROW).union(SealFlags::SHRINK).union(SealFlags::SEAL);

/// Reads all of such a file into `bytes`, in place of what was there, without moving its position.
///
/// Of another file nothing is read: that could take for ever, or another process change it.
///
/// # References
///
/// - POSIX `pread`
/// - Linux `fcntl(2)` with `F_GET_SEALS`
pub(crate) fn read_whole(file: OwnedFd, bytes: &mut Vec<u8>) -> io::Result<()> {
    let file = File::from(file);
    // Only files in memory have seals.
    if !fcntl_get_seals(&file)?.contains(SEALS) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let metadata = file.metadata()?;
    // A file with holes can claim any length. What its sender really has in memory, we can have too.
    if !metadata.is_file() || metadata.blocks().saturating_mul(BLOCK) < metadata.len() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let len = usize::try_from(metadata.len()).map_err(io::Error::other)?;
    let more = len.saturating_sub(bytes.len());
    bytes.try_reserve_exact(more).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    bytes.resize(len, 0);
    file.read_exact_at(bytes, 0)
}

/// Maps all of such a file; of another one nothing, as it is not read.
///
/// # References
///
/// - Linux `fcntl(2)` with `F_GET_SEALS`, `mmap(2)`
pub(crate) fn map_whole(file: &OwnedFd) -> io::Result<Mmap> {
    if !fcntl_get_seals(file)?.contains(SEALS) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // SAFETY: the seals hold for all processes and for ever: nobody can write to the file, by no mapping
    // either, and nobody can cut it, so the bytes stay what and where they are.
    unsafe { MmapOptions::new().populate().map(file) }
}

/// What `stat` counts room in.
const BLOCK: u64 = 512;

/// Something to ring that a `poll` can wait for.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

impl Bell {
    /// Makes a bell that is silent.
    ///
    /// # References
    ///
    /// - Linux `eventfd(2)`
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Rings: from now on it is ready to be read.
    pub(crate) fn ring(&self) {
        // It fails only if it has been rung 2^64 times, and then it rings.
        let _written = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Makes it silent again.
    pub(crate) fn silence(&self) {
        // It fails only if the bell is silent.
        let _read = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until one of the descriptors is ready to be read; says of each whether it is.
///
/// # References
///
/// - POSIX `poll`, Linux `poll(2)`
pub(crate) fn poll(files: &[BorrowedFd<'_>], deadline: Deadline) -> io::Result<Vec<bool>> {
    let mut files: Vec<PollFd<'_>> =
        files.iter().map(|file| PollFd::from_borrowed_fd(*file, PollFlags::IN)).collect();
    loop {
        let timeout = deadline.remaining().and_then(|left| left.try_into().ok());
        match rustix::event::poll(&mut files, timeout.as_ref()) {
            Ok(_) => return Ok(files.iter().map(|file| !file.revents().is_empty()).collect()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Lets others run for a while; a signal may end it early.
///
/// # References
///
/// - POSIX `nanosleep`
pub(crate) fn nap(time: Duration) {
    if let Ok(time) = time.try_into() {
        let _slept = rustix::thread::nanosleep(&time);
    }
}

/// Has `SIGINT` do nothing in this process; programs that it starts are interrupted as ever.
///
/// # References
///
/// - POSIX `sigaction`
pub(crate) fn shrug_off_interrupts() -> io::Result<()> {
    extern "C" fn do_nothing(_signal: std::ffi::c_int) {}

    let action =
        SigAction::new(SigHandler::Handler(do_nothing), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler does nothing, which is right at any moment.
    unsafe { sigaction(Signal::SIGINT, &action) }?;
    Ok(())
}

/// Who is to be told of an interrupt: the number of a process, and of a descriptor of its.
static CALLED: AtomicU64 = AtomicU64::new(0);

/// Has the next `SIGINT` ring a bell, which must never be dropped, and the one after that do what it
/// does of itself.
///
/// # References
///
/// - POSIX `sigaction`, with `SA_RESETHAND`
pub(crate) fn ring_on_interrupt(bell: &Bell) -> io::Result<()> {
    let pid = u64::from(rustix::process::getpid().as_raw_pid().unsigned_abs());
    let fd = u64::from(bell.0.as_raw_fd().unsigned_abs());
    CALLED.store(pid << 32 | fd, Relaxed);
    let flags = SaFlags::SA_RESTART | SaFlags::SA_RESETHAND;
    let action = SigAction::new(SigHandler::Handler(ring_once), flags, SigSet::empty());
    // SAFETY: the handler makes system calls that may be made at any moment, and nothing else.
    unsafe { sigaction(Signal::SIGINT, &action) }?;
    Ok(())
}

extern "C" fn ring_once(_signal: std::ffi::c_int) {
    let called = CALLED.load(Relaxed);
    let pid = rustix::process::getpid();
    if u64::from(pid.as_raw_pid().unsigned_abs()) == called >> 32
        && let Ok(fd) = RawFd::try_from(called & u64::from(u32::MAX))
    {
        // SAFETY: the bell is one of this process, and was not dropped (duty of who set it).
        let bell = unsafe { BorrowedFd::borrow_raw(fd) };
        let _written = rustix::io::write(bell, &1_u64.to_ne_bytes());
    } else {
        // A copy of that process: by now the signal does there what it does of itself.
        let _sent = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    }
}

/// Runs `work` with every signal blocked in the calling thread; threads begin as their maker is.
///
/// # References
///
/// - POSIX `pthread_sigmask`
pub(crate) fn with_signals_blocked<R>(work: impl FnOnce() -> R) -> R {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let result = work();
    if let Ok(before) = before {
        // It fails only for arguments that are not these.
        let _restored = before.thread_set_mask();
    }
    result
}

/// Where the kernel says how much memory this process has.
#[derive(Debug)]
pub(crate) struct OwnMemory(File);

impl OwnMemory {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self(File::open("/proc/self/statm")?))
    }

    /// How many bytes of memory this process has now; `None` if the kernel does not tell.
    pub(crate) fn resident(&self) -> Option<u64> {
        resident(&self.0)
    }
}

/// How many bytes of memory a process has now; `None` if the kernel does not tell.
pub(crate) fn resident_memory(pid: u32) -> Option<u64> {
    resident(&File::open(format!("/proc/{pid}/statm")).ok()?)
}

/// # References
///
/// - Linux `proc_pid_statm(5)`
fn resident(statm: &File) -> Option<u64> {
    let mut text = [0; 128];
    let len = statm.read_at(&mut text, 0).ok()?;
    let text = str::from_utf8(text.get(..len)?).ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(u64::try_from(rustix::param::page_size()).ok()?))
}

/// How many processors this process may use; at least one.
///
/// # References
///
/// - Linux `sched_getaffinity(2)`
pub(crate) fn usable_cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
