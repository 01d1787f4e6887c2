//! Processes: made, named, signalled, waited for.
//!
//! # Safety
//!
//! What is unsafe here is `fork`, whose duty is passed on to the caller, and calls of libc that take
//! no pointer but to a local of ours.
#![expect(unsafe_code, reason = "fork, and calls that no safe wrapper offers")]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use ipc_core::Deadline;
use nix::sys::signal::{SigSet, SigmaskHow, Signal as NixSignal};
use rustix::event::{PollFd, PollFlags, poll as rustix_poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus, getpid, getppid, pidfd_open,
    pidfd_send_signal, waitid,
};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

pub(crate) use rustix::process::Signal;

use crate::exit::ExitStatus;
use crate::usage::Usage;

/// The number of this process.
pub(crate) fn own_pid() -> u32 {
    number(getpid())
}

/// The number of this process's parent; zero if it lies outside of our pid namespace.
pub(crate) fn parent_pid() -> u32 {
    getppid().map_or(0, number)
}

/// A process number as users see it.
pub(crate) fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

/// The time since the machine started, in the ticks in which the kernel tells when a process did.
///
/// # References
///
/// - Linux `CLOCK_BOOTTIME`, `clock_gettime(2)`; `USER_HZ`, `time(7)`
pub(crate) fn ticks() -> u64 {
    /// A promise of the kernel, on all machines that this crate is for.
    const PER_SECOND: u64 = 100;
    const NANOS_PER_TICK: u64 = 1_000_000_000 / PER_SECOND;

    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    seconds * PER_SECOND + nanos / NANOS_PER_TICK
}

/// Copies this process: `None` in the child, its number in the parent.
///
/// # Safety
///
/// The child of a process with several threads has only the calling one, and the others may have
/// held any lock: until it ends or runs another program it may only do what a signal handler may.
///
/// # References
///
/// - POSIX `fork`, Linux `fork(2)`
pub(crate) unsafe fn fork() -> io::Result<Option<u32>> {
    // SAFETY: the duty is the caller's.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid.unsigned_abs())),
    }
}

/// How many threads this process has.
///
/// # References
///
/// - Linux `proc_pid_task(5)`
pub(crate) fn thread_count() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// The numbers of this process's children, also of those that have ended.
///
/// An error if a thread ends meanwhile.
///
/// # References
///
/// - Linux `proc_pid_children(5)`
pub(crate) fn children() -> io::Result<Vec<u32>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir("/proc/self/task")? {
        // An error if the thread ends now, whose children then are another one's.
        let of_thread = std::fs::read_to_string(thread?.path().join("children"))?;
        let of_thread = of_thread.split_ascii_whitespace();
        children.extend(of_thread.filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Ok(children)
}

/// The children of any process, as far as they can be told.
pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().map(|thread| thread.path().join("children"));
    let lists: Vec<String> = lists.flat_map(std::fs::read_to_string).collect();
    let pids = lists.iter().flat_map(|list| list.split_ascii_whitespace());
    pids.filter_map(|pid| pid.parse().ok()).collect()
}

/// What a process is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does nothing: it was stopped, or has ended.
    Still,
    /// The kernel does something for it that cannot be interrupted.
    Held,
    /// It does something, or waits for something.
    Running,
}

/// What a process is about; one that is gone stands still.
///
/// # References
///
/// - Linux `proc_pid_stat(5)`
pub(crate) fn standing(pid: u32) -> Standing {
    match stat(pid).as_ref().map(|(state, _)| state.as_str()) {
        None | Some("T" | "t" | "Z" | "X") => Standing::Still,
        Some("D") => Standing::Held,
        Some(_) => Standing::Running,
    }
}

/// Whether a process has ended, and nobody has taken its status.
pub(crate) fn is_zombie(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state == "Z")
}

/// The parent of a process; `None` if it is gone.
pub(crate) fn parent_of(pid: u32) -> Option<u32> {
    stat(pid).map(|(_, parent)| parent)
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(String, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have anything in it, but what follows has no such bracket.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Kills the process group of a child, if it is the first in there, and its status is not taken.
///
/// # References
///
/// - POSIX `killpg`
pub(crate) fn kill_group_of(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        && is_first_of_its_group(pid)
    {
        // It fails only if nobody is in there any more.
        let _sent = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}

/// Whether a process gave its group its number.
///
/// The group of a process may be one that has no number here: who made it is outside of the pid
/// namespace, and the kernel says 0. `rustix` takes that for impossible, `nix` does not.
///
/// # References
///
/// - POSIX `getpgid`; Linux `pid_namespaces(7)`
fn is_first_of_its_group(pid: Pid) -> bool {
    let pid = nix::unistd::Pid::from_raw(pid.as_raw_pid());
    nix::unistd::getpgid(Some(pid)) == Ok(pid)
}

/// How many processors this thread may run on.
///
/// # References
///
/// - Linux `sched_getaffinity(2)`
pub(crate) fn affinity_count() -> Option<usize> {
    let set = rustix::thread::sched_getaffinity(None).ok()?;
    usize::try_from(set.count()).ok().filter(|count| *count > 0)
}

/// A descriptor that stands for the process; an error of kind `ESRCH` if there is no such process.
///
/// # References
///
/// - Linux `pidfd_open(2)`
pub(crate) fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// A descriptor that stands for this process.
pub(crate) fn open_own_pidfd() -> io::Result<OwnedFd> {
    Ok(pidfd_open(getpid(), PidfdFlags::empty())?)
}

/// Sends a signal to a process; `false` if it has ended.
///
/// # References
///
/// - Linux `pidfd_send_signal(2)`
pub(crate) fn signal(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<bool> {
    match pidfd_send_signal(pidfd, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Kills a child by its number, which is its own as long as nobody has taken its status.
///
/// # References
///
/// - POSIX `kill`
pub(crate) fn kill_unreaped(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It fails only if the child is gone, which is what is wanted.
        let _sent = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Ends this process at once, as nothing that it does can prevent.
pub(crate) fn kill_self() -> ! {
    loop {
        // It cannot fail for a process's own number, and does not return when it works.
        let _sent = rustix::process::kill_process(getpid(), Signal::KILL);
    }
}

/// Whether a wait for a child should block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Return only when it has ended.
    Yes,
    /// Look once.
    No,
}

/// What a wait for one child came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It has ended, and this call took its status.
    Ended(ExitStatus, Usage),
    /// It is not over yet.
    Running,
    /// There is no such child: somebody else took its status, or it is not a child of ours.
    NoChild,
}

/// Takes the status of a child, if it has ended.
///
/// # References
///
/// - POSIX `waitid`, Linux `waitid(2)` with `P_PIDFD`
pub(crate) fn wait_child(pidfd: BorrowedFd<'_>) -> io::Result<Waited> {
    loop {
        // SAFETY: the struct is plain data, for which zero is a value.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the struct is plain data, for which zero is a value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // libc's function of this name does not tell what was used up.
        // SAFETY: writes to the locals above.
        let result = unsafe {
            libc::syscall(
                libc::SYS_waitid,
                libc::P_PIDFD,
                pidfd.as_raw_fd(),
                &raw mut info,
                libc::WEXITED | libc::WNOHANG,
                &raw mut usage,
            )
        };
        if result == 0 {
            return Ok(match ended(&info) {
                Some(status) => Waited::Ended(status, used(&usage)),
                None => Waited::Running,
            });
        }
        match io::Error::last_os_error() {
            error if is_no_child(&error) => return Ok(Waited::NoChild),
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}

/// How a child has ended, if the kernel says so.
fn ended(info: &libc::siginfo_t) -> Option<ExitStatus> {
    // SAFETY: the call filled in the fields of a child's end, or left them zero.
    if unsafe { info.si_pid() } == 0 {
        return None;
    }
    // SAFETY: as above.
    let value = unsafe { info.si_status() };
    match info.si_code {
        libc::CLD_EXITED => Some(ExitStatus::Exited(value)),
        libc::CLD_KILLED => Some(ExitStatus::Signaled { signal: value, core_dumped: false }),
        libc::CLD_DUMPED => Some(ExitStatus::Signaled { signal: value, core_dumped: true }),
        // This very process traces it, and is told of a stop without having asked.
        _ => None,
    }
}

fn used(usage: &libc::rusage) -> Usage {
    let number = |number: libc::c_long| u64::try_from(number).unwrap_or(0);
    let time = |time: libc::timeval| {
        let micros = u64::try_from(time.tv_usec).unwrap_or(0);
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0)) + Duration::from_micros(micros)
    };
    Usage {
        user_time: time(usage.ru_utime),
        system_time: time(usage.ru_stime),
        // The kernel counts in KiB.
        max_memory: number(usage.ru_maxrss).saturating_mul(1024),
        waits: number(usage.ru_nvcsw),
        preemptions: number(usage.ru_nivcsw),
    }
}

/// Whether the process is a child of ours whose status nobody has taken.
///
/// # References
///
/// - Linux `waitid(2)` with `P_PIDFD` and `WNOWAIT`
pub(crate) fn is_own_child(pidfd: BorrowedFd<'_>) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    loop {
        match waitid(WaitId::PidFd(pidfd), options) {
            Ok(_) => return true,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Whether this is the number of a child of ours whose status nobody has taken.
///
/// # References
///
/// - Linux `waitid(2)` with `WNOWAIT`
pub(crate) fn is_own_child_number(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), options).is_ok()
}

/// Whether a child of ours was stopped by a signal, and does nothing until it is told to go on.
///
/// # References
///
/// - Linux `waitid(2)` with `WSTOPPED` and `WNOWAIT`
pub(crate) fn is_stopped(pidfd: BorrowedFd<'_>) -> bool {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::PidFd(pidfd), options), Ok(Some(status)) if status.stopped())
}

/// Whether the process is a child of ours that has neither ended nor been stopped; a debugger may
/// hold it for a moment.
///
/// # References
///
/// - Linux `waitid(2)` with `P_PIDFD` and `WNOWAIT`
pub(crate) fn is_well(pidfd: BorrowedFd<'_>) -> bool {
    let changes = WaitIdOptions::EXITED | WaitIdOptions::STOPPED;
    let options = changes | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::PidFd(pidfd), options) {
        Ok(changed) => changed.is_none_or(|status| status.trapped()),
        Err(_) => false,
    }
}

/// Waits until any child has ended, or looks once, and says which; its status is left in place.
///
/// # References
///
/// - Linux `waitid(2)` with `P_ALL` and `WNOWAIT`
pub(crate) fn peek_any(block: Block) -> io::Result<Option<u32>> {
    let mut options = libc::WEXITED | libc::WNOWAIT;
    if block == Block::No {
        options |= libc::WNOHANG;
    }
    loop {
        // SAFETY: the struct is plain data, for which zero is a value.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: writes into the local above.
        let result = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, options) };
        if result == 0 {
            // SAFETY: the call filled in the fields of a child's end, or left them zero.
            let pid = unsafe { info.si_pid() };
            return Ok((pid != 0).then(|| pid.unsigned_abs()));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Waits for the end of the child with this number and takes its status.
///
/// # References
///
/// - POSIX `waitid`
pub(crate) fn wait_pid(pid: u32, block: Block) -> io::Result<Option<ExitStatus>> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::CHILD)?;
    let options = match block {
        Block::Yes => WaitIdOptions::EXITED,
        Block::No => WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
    };
    loop {
        match waitid(WaitId::Pid(pid), options) {
            Ok(status) => return Ok(status.map(|status| exit_status(&status))),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the error says that there is no such child.
pub(crate) fn is_no_child(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::CHILD.raw_os_error())
}

/// The error that says so.
pub(crate) fn no_child() -> io::Error {
    Errno::CHILD.into()
}

/// Whether the error says that the process is gone.
pub(crate) fn is_no_such_process(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// The error for a process that is gone.
pub(crate) fn no_such_process() -> io::Error {
    Errno::SRCH.into()
}

fn exit_status(status: &WaitIdStatus) -> ExitStatus {
    if let Some(code) = status.exit_status() {
        return ExitStatus::Exited(code);
    }
    match status.terminating_signal() {
        Some(signal) => ExitStatus::Signaled { signal, core_dumped: status.dumped() },
        None => ExitStatus::Unknown,
    }
}

/// Which of two descriptors are ready to be read, or have lost their other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) first: bool,
    pub(crate) second: bool,
}

/// Waits until one of two descriptors is ready; neither is when the deadline has passed.
///
/// # References
///
/// - POSIX `poll`, Linux `poll(2)`
pub(crate) fn poll_two(
    first: Option<BorrowedFd<'_>>,
    second: BorrowedFd<'_>,
    deadline: Deadline,
) -> io::Result<Ready> {
    loop {
        let timeout = deadline.remaining().and_then(|left| left.try_into().ok());
        let mut files = [
            PollFd::from_borrowed_fd(second, PollFlags::IN),
            PollFd::from_borrowed_fd(first.unwrap_or(second), PollFlags::IN),
        ];
        // One descriptor must not stand there twice: it may become ready between two looks at it.
        let (asked, _) = files.split_at_mut(if first.is_some() { 2 } else { 1 });
        match rustix_poll(asked, timeout.as_ref()) {
            Ok(_) => {
                let [second, first] = files.map(|file| !file.revents().is_empty());
                return Ok(Ready { first, second });
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until one of many descriptors is ready to be read, and says which; `None` if none is when
/// the deadline has passed.
///
/// # References
///
/// - POSIX `poll`
pub(crate) fn poll_many(files: &[BorrowedFd<'_>], deadline: Deadline) -> io::Result<Option<usize>> {
    let mut files: Vec<PollFd<'_>> =
        files.iter().map(|file| PollFd::from_borrowed_fd(*file, PollFlags::IN)).collect();
    loop {
        let timeout = deadline.remaining().and_then(|left| left.try_into().ok());
        match rustix_poll(&mut files, timeout.as_ref()) {
            Ok(_) => return Ok(files.iter().position(|file| !file.revents().is_empty())),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What is waited for at a descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interest<'f> {
    ToRead(BorrowedFd<'f>),
    ToWrite(BorrowedFd<'f>),
}

/// Waits until one of many descriptors is ready, and says whether the first one is; `None` if none is
/// when the deadline has passed.
///
/// # References
///
/// - POSIX `poll`
pub(crate) fn poll_first_of(
    interests: &[Interest<'_>],
    deadline: Deadline,
) -> io::Result<Option<bool>> {
    let files = interests.iter().map(|interest| match interest {
        Interest::ToRead(file) => PollFd::from_borrowed_fd(*file, PollFlags::IN),
        Interest::ToWrite(file) => PollFd::from_borrowed_fd(*file, PollFlags::OUT),
    });
    let mut files: Vec<PollFd<'_>> = files.collect();
    loop {
        let timeout = deadline.remaining().and_then(|left| left.try_into().ok());
        match rustix_poll(&mut files, timeout.as_ref()) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(files.first().map(|first| !first.revents().is_empty())),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether a descriptor is ready to be read now.
pub(crate) fn is_ready(file: impl AsFd) -> io::Result<bool> {
    Ok(poll_two(None, file.as_fd(), Deadline::now())?.second)
}

/// Lets others run for a while.
///
/// # References
///
/// - POSIX `nanosleep`
pub(crate) fn pause(time: Duration) {
    if let Ok(time) = time.try_into() {
        // A signal may end it early, which is as good.
        let _slept = rustix::thread::nanosleep(&time);
    }
}

/// The usual name of a signal.
pub(crate) fn signal_name(signal: i32) -> Option<&'static str> {
    NixSignal::try_from(signal).ok().map(NixSignal::as_str)
}

/// Names the calling thread, which for a first thread names the process in `ps` and `top`.
///
/// # References
///
/// - Linux `prctl(2)`, `PR_SET_NAME`
pub(crate) fn set_thread_name(name: &str) {
    let bytes: Vec<u8> = name.bytes().filter(|byte| *byte != 0).collect();
    if let Ok(name) = std::ffi::CString::new(bytes) {
        // A name is for people: that it could not be set is nobody's loss.
        let _set = rustix::thread::set_name(&name);
    }
}

/// What a signal does when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Disposition {
    /// What the kernel does of itself.
    Default,
    /// Nothing.
    Ignore,
}

/// Sets what a signal does in this process, and returns what it did before.
///
/// # References
///
/// - POSIX `signal`
pub(crate) fn set_disposition(signal: Signal, disposition: Disposition) -> Disposition {
    let handler = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignore => libc::SIG_IGN,
    };
    // SAFETY: neither disposition runs code of ours.
    match unsafe { libc::signal(signal.as_raw(), handler) } {
        libc::SIG_IGN => Disposition::Ignore,
        _ => Disposition::Default,
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

/// Ends this process without running anything that was registered for its end.
///
/// # References
///
/// - POSIX `_exit`
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing runs after it.
    unsafe { libc::_exit(code) }
}

/// Sets how many descriptors this process may have.
#[cfg(test)]
pub(crate) fn limit_descriptors(count: u64) {
    use nix::sys::resource::{Resource, setrlimit};

    setrlimit(Resource::RLIMIT_NOFILE, count, count).unwrap();
}
