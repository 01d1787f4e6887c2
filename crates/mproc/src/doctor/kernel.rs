//! What the kernel must be able to do, here and now: a sandbox may forbid what its version promises.
//!
//! So things are tried: a segment is made, with and without a name; a process is started in each way
//! that programs start them.

use std::fs;
use std::io;
use std::time::Duration;

use ipc_core::robust;
use ipc_core::{Deadline, DeathWatch, Kind, Presence, ProcessId, Segment};
use proc_core::{Process, Start};
use rustix::system::uname;
use rustix::thread::membarrier_query;

use super::Check;

const GROUP: &str = "kernel";

/// What lies in the segments that are made here.
const KIND: Kind = Kind::new(*b"doctor\0\0", 1);

/// The oldest kernel that will do.
const OLDEST: (u32, u32) = (5, 16);

pub(super) fn check() -> Vec<Check> {
    let forbidden = "a sandbox forbids it, or the kernel is too old: see its seccomp profile";
    vec![
        version(),
        Check::tried(
            GROUP,
            "/proc",
            ProcessId::current().map(|id| id.to_string()),
            "mount a proc file system at /proc, which shows all processes of this user",
        ),
        Check::tried(
            GROUP,
            "children in /proc",
            fs::read_to_string("/proc/thread-self/children").map(|_| "told".to_owned()),
            "the kernel was built without CONFIG_PROC_CHILDREN: process trees cannot be ended as a whole",
        ),
        Check::tried(
            GROUP,
            "deaths of lock holders (robust list, futex_waitv)",
            robust::support().map(|()| "told".to_owned()),
            forbidden,
        ),
        Check::tried(GROUP, "deaths of processes (pidfd)", pidfd(), forbidden),
        fences(),
        Check::tried(GROUP, "nameless memory (memfd, seals)", nameless(), forbidden),
        Check::tried(
            GROUP,
            "memory with a name (O_TMPFILE, linkat)",
            named(),
            "this user must be able to make files in /dev/shm, which must be a tmpfs",
        ),
        Check::tried(GROUP, "locks of open files (F_OFD_SETLK)", presence(), forbidden),
        Check::tried(GROUP, "starting processes afresh (spawn)", start(Start::Spawn), forbidden),
        Check::tried(
            GROUP,
            "starting processes as copies (fork server)",
            start(Start::ForkServer),
            forbidden,
        ),
    ]
}

fn version() -> Check {
    let release = uname().release().to_string_lossy().into_owned();
    let is_old = numbers(&release).is_none_or(|found| found < OLDEST);
    let advice = format!("Linux {}.{} is the oldest that will do: update it", OLDEST.0, OLDEST.1);
    Check::good(GROUP, "version", release).problem_if(is_old, advice)
}

/// The first two numbers of a release.
fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn fences() -> Check {
    let has =
        membarrier_query().contains_command(rustix::thread::MembarrierCommand::GlobalExpedited);
    let found = if has { "can be made" } else { "cannot be made" };
    let advice = "without it each put and get of a queue makes its own, which takes longer: a sandbox \
                  forbids membarrier, or the kernel was built without it";
    Check::good(GROUP, "fences for others (membarrier)", found).hint_if(!has, advice)
}

fn pidfd() -> io::Result<String> {
    let watch = DeathWatch::open(ProcessId::current()?)?;
    match watch {
        Some(watch) if !watch.is_dead()? => Ok("told".to_owned()),
        _ => Err(io::Error::other("this process is told to be dead")),
    }
}

fn nameless() -> Result<String, ipc_core::SegmentError> {
    Segment::create(KIND, 0, 4096).map(|_| "can be made".to_owned())
}

fn named() -> Result<String, ipc_core::SegmentError> {
    let pid = ProcessId::current().map_err(ipc_core::SegmentError::from)?;
    let name = format!("mproc-doctor-{pid}");
    let made = Segment::create_named(&name, KIND, 0, 4096, |_| ());
    made.and_then(|_| Segment::unlink(&name)).map(|()| "can be made".to_owned())
}

fn presence() -> io::Result<String> {
    let segment = Segment::create(KIND, 0, 64).map_err(io::Error::other)?;
    let (one, _other) = (Presence::enter(&segment, 0..1)?, Presence::enter(&segment, 1..2)?);
    match (one.is_anybody_else(1..2)?, one.is_anybody_else(2..3)?) {
        (true, false) => Ok("counted".to_owned()),
        _ => Err(io::Error::other("they are not counted")),
    }
}

/// Starts a process that gives back a number.
fn start(way: Start) -> Result<String, String> {
    /// Long enough for any machine.
    const LONGEST: Duration = Duration::from_secs(20);

    let builder = Process::builder().start(way).name("doctor").start_timeout(LONGEST);
    let child = builder.spawn(|x: u32| x + 1, 6).map_err(|error| error.to_string())?;
    let result = child.join_deadline(Deadline::after(LONGEST));
    match result.map_err(|error| error.to_string())? {
        Some(7) => Ok("works".to_owned()),
        Some(other) => Err(format!("6 + 1 is {other} there")),
        None => Err("it did not answer in 20 s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn releases_have_two_numbers() {
        assert_eq!(numbers("5.16.0-rc1"), Some((5, 16)));
        assert_eq!(numbers("6.1+deb"), Some((6, 1)));
        assert_eq!(numbers("unknown"), None);
        assert_eq!(numbers(""), None);
    }
}
