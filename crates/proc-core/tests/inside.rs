//! The world in which a child finds itself, with each way of starting it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![expect(unsafe_code, reason = "uses libc as other code of a program does")]

mod common;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::process::Command;

use common::start;
use ipc_core::wire::Handle;
use ipc_core::{Deadline, Kind, ProcessId, Segment};
use proc_core::inspect::{Badge, Role};
use proc_core::{JoinError, Process, Start, current, parent};

common::with_each_start! {
    child_knows_itself_and_its_parent
    child_has_an_empty_standard_input
    child_has_no_descriptor_that_it_was_not_given
    child_is_known_from_outside_by_its_badge
    copy_that_a_child_makes_of_itself_is_not_known_by_the_badge_of_the_child
    no_program_that_a_child_runs_sees_the_mark_of_a_child
    child_ignores_a_broken_pipe_as_every_rust_program
    child_has_one_thread_with_the_name_of_the_process
    thread_of_a_child_works_with_what_libc_knows_of_it
    robust_mutex_of_a_dead_child_is_told_to_be_so
    child_has_children_of_its_own
    panic_of_another_thread_is_not_that_of_the_process
    panic_with_a_hook_of_its_own_is_carried_back_without_a_place
    stack_overflow_is_a_signal
    argument_that_panics_when_it_is_decoded_is_refused
    result_that_cannot_be_encoded_is_an_error
}

fn child_knows_itself_and_its_parent(way: Start) {
    fn tell(parent_pid: u32) -> (String, u32, bool, u32, String, bool) {
        let me = current();
        let parent = parent().unwrap();
        assert_eq!(parent_id(), parent_pid, "the kernel knows it as the child of its parent");
        (
            me.name().to_owned(),
            me.pid(),
            me.is_child(),
            parent.pid(),
            parent.name().to_owned(),
            parent.is_alive(),
        )
    }
    let me = current();
    let child = Process::builder().start(way).name("scribe").spawn(tell, me.pid()).unwrap();
    assert_eq!(child.name(), "scribe");
    assert_eq!(
        child.join().unwrap(),
        ("scribe".to_owned(), child.pid(), true, me.pid(), me.name().to_owned(), true)
    );

    let child = start(way, |()| current().name().to_owned(), ());
    let given = child.name().strip_prefix("Process-").unwrap();
    assert!(given.rsplit(':').next().unwrap().parse::<u32>().is_ok(), "{given}");
    assert_eq!(child.join().unwrap(), child.name());
}

fn child_has_an_empty_standard_input(way: Start) {
    fn read() -> usize {
        std::io::stdin().read(&mut [0; 16]).unwrap()
    }
    assert_eq!(start(way, |()| read(), ()).join().unwrap(), 0);
}

fn child_has_no_descriptor_that_it_was_not_given(way: Start) {
    /// What its descriptors lead to.
    fn list() -> BTreeSet<String> {
        let entries: Vec<PathBuf> = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        // One was that of the folder itself, which is closed by now.
        let targets = entries.iter().filter_map(|entry| std::fs::read_link(entry).ok());
        targets.map(|target| target.to_string_lossy().into_owned()).collect()
    }
    if way == Start::Fork {
        // A copy has what the program has open, or the program's own values would lead nowhere.
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    // SAFETY: changes a flag of a descriptor that is ours.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) };
    assert_eq!(result, 0, "open across an exec from now on");
    proc_core::stop_fork_server();
    let given = std::fs::File::open("/dev/zero").unwrap();
    let child = start(way, |given: Handle| (list(), drop(given)).0, Handle::from(given));
    let found = child.join().unwrap();
    assert!(found.contains("/dev/zero"), "{found:?}");
    assert!(!found.contains(file.path().to_str().unwrap()), "{found:?}");
    let sockets = found.iter().filter(|target| target.starts_with("socket:")).count();
    assert_eq!(sockets, 1, "its channel only: {found:?}");
    let pipes = found.iter().filter(|target| target.starts_with("pipe:")).count();
    assert!(pipes <= 2, "its outputs at most: {found:?}");
}

/// What the descriptors of a process say of it.
fn badges(pid: u32) -> Vec<Badge> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    targets.filter_map(|target| Badge::read(&target)).collect()
}

/// The badges among them that are its own.
fn own_badges(pid: u32) -> Vec<Badge> {
    let id = ProcessId::of(pid).unwrap().unwrap();
    badges(pid).into_iter().filter(|badge| badge.is_of(id)).collect()
}

fn child_is_known_from_outside_by_its_badge(way: Start) {
    let builder = Process::builder().start(way).name("clerk (7)");
    let child = builder.spawn(|()| parent().unwrap().wait(Deadline::NEVER).is_ok(), ()).unwrap();
    // It puts it on before it calls the function, and after the start is over.
    let found = loop {
        match own_badges(child.pid()) {
            found if found.is_empty() => std::thread::yield_now(),
            found => break found,
        }
    };
    assert_eq!(found.len(), 1, "{found:?}");
    let me = ProcessId::current().unwrap().pid();
    let Badge { pid, parent, role, name, .. } = &found[0];
    assert_eq!((*pid, *parent, *role, name.as_str()), (child.pid(), me, Role::Child, "clerk (7)"));
    assert_eq!(own_badges(me).len(), usize::from(current().is_child()));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn copy_that_a_child_makes_of_itself_is_not_known_by_the_badge_of_the_child(way: Start) {
    /// A copy, made behind our back, and how many badges it and its maker have.
    fn copy(_: ()) -> (usize, usize) {
        // SAFETY: the copy does nothing but wait until it is killed.
        let pid = match unsafe { libc::fork() } {
            0 => loop {
                // SAFETY: has no conditions.
                unsafe { libc::pause() };
            },
            pid => pid.unsigned_abs(),
        };
        let found = (badges(pid).len(), own_badges(pid).len());
        // SAFETY: it is a child whose status nobody has taken.
        unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
        // SAFETY: asks for no status.
        unsafe { libc::waitpid(pid.cast_signed(), std::ptr::null_mut(), 0) };
        found
    }
    let (inherited, own) = start(way, copy, ()).join().unwrap();
    assert!(inherited > 0 && own == 0, "{inherited}, {own}");
}

fn no_program_that_a_child_runs_sees_the_mark_of_a_child(way: Start) {
    fn environment() -> (String, bool) {
        let output = Command::new("env").output().unwrap();
        let ours =
            std::env::vars_os().any(|(name, _)| name.to_string_lossy().contains("MULTIPROC"));
        (String::from_utf8_lossy(&output.stdout).into_owned(), ours)
    }
    let (of_program, ours) = start(way, |()| environment(), ()).join().unwrap();
    assert!(of_program.contains("PATH="), "{of_program}");
    assert!(!of_program.contains("MULTIPROC"), "{of_program}");
    assert!(!ours);
}

fn child_ignores_a_broken_pipe_as_every_rust_program(way: Start) {
    fn write() -> std::io::ErrorKind {
        let (reader, mut writer) = std::io::pipe().unwrap();
        drop(reader);
        std::io::Write::write(&mut writer, b"x").unwrap_err().kind()
    }
    let kind = start(way, |()| write() == std::io::ErrorKind::BrokenPipe, ());
    assert!(kind.join().unwrap());
}

fn child_has_one_thread_with_the_name_of_the_process(way: Start) {
    fn name() -> (usize, String) {
        let count = std::fs::read_dir("/proc/self/task").unwrap().count();
        (count, std::fs::read_to_string("/proc/self/comm").unwrap())
    }
    let child = Process::builder().start(way).name("a-worker").spawn(|()| name(), ()).unwrap();
    assert_eq!(child.join().unwrap(), (1, "a-worker\n".to_owned()));
}

/// What libc remembers of a thread must be that of the child, not of whom it was copied from.
fn thread_of_a_child_works_with_what_libc_knows_of_it(way: Start) {
    fn work() -> u64 {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|i| scope.spawn(move || i)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        })
    }
    assert_eq!(start(way, |()| work(), ()).join().unwrap(), 6);

    // SAFETY: sends a signal to the calling thread, as libc knows it.
    let child = start(way, |()| unsafe { libc::raise(libc::SIGUSR1) }, ());
    match child.join() {
        Err(JoinError::Signaled { signal, .. }) => assert_eq!(signal, libc::SIGUSR1),
        other => panic!("{other:?}"),
    }
}

/// The kernel must know the child's list of such mutexes, and libc the thread's number.
fn robust_mutex_of_a_dead_child_is_told_to_be_so(way: Start) {
    fn lock_and_die(segment: Segment) {
        let mutex = segment.as_ptr().as_ptr().cast();
        // SAFETY: the parent has initialised the mutex, in memory that both have mapped.
        assert_eq!(unsafe { libc::pthread_mutex_lock(mutex) }, 0);
        std::process::abort();
    }

    let segment = Segment::create(Kind::new(*b"testing\0", 1), 7, 4096).unwrap();
    #[expect(clippy::cast_ptr_alignment, reason = "a segment is aligned to a page")]
    let mutex = segment.as_ptr().as_ptr().cast::<libc::pthread_mutex_t>();
    let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    // SAFETY: initialises the attributes.
    unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) };
    // SAFETY: initialised above.
    unsafe {
        libc::pthread_mutexattr_setpshared(attributes.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED)
    };
    // SAFETY: initialised above.
    unsafe {
        libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST)
    };
    // SAFETY: the segment has room for a mutex, and is aligned to a page.
    assert_eq!(unsafe { libc::pthread_mutex_init(mutex, attributes.as_ptr()) }, 0);

    let child = start(way, lock_and_die, segment.clone());
    assert!(matches!(child.join(), Err(JoinError::Signaled { signal: libc::SIGABRT, .. })));
    // SAFETY: initialised above, and in memory that outlives the call.
    assert_eq!(unsafe { libc::pthread_mutex_trylock(mutex) }, libc::EOWNERDEAD);
}

fn child_has_children_of_its_own(way: Start) {
    fn nest((depth, way): (u32, u8)) -> Vec<String> {
        let mut names = vec![current().name().to_owned()];
        if depth > 0 {
            let start = [Start::Spawn, Start::ForkServer, Start::Fork][usize::from(way)];
            let child = Process::builder().start(start).spawn(nest, (depth - 1, way)).unwrap();
            names.extend(child.join().unwrap());
        }
        names
    }
    let number = match way {
        Start::Spawn => 0,
        Start::ForkServer => 1,
        _ => 2,
    };
    let names = start(way, nest, (2, number)).join().unwrap();
    assert_eq!(names.len(), 3);
    assert_eq!(names[1], format!("{}:1", names[0]));
    assert_eq!(names[2], format!("{}:1:1", names[0]));
}

fn panic_of_another_thread_is_not_that_of_the_process(way: Start) {
    fn work() -> bool {
        std::thread::spawn(|| panic!("of a thread")).join().is_err()
    }
    assert!(start(way, |()| work(), ()).join().unwrap());
}

fn panic_with_a_hook_of_its_own_is_carried_back_without_a_place(way: Start) {
    fn work() {
        std::panic::set_hook(Box::new(|_| {}));
        panic!("unheard");
    }
    match start(way, |()| work(), ()).join() {
        Err(JoinError::Panicked(panic)) => {
            assert_eq!((panic.message(), panic.location()), ("unheard", None));
        }
        other => panic!("{other:?}"),
    }
}

fn stack_overflow_is_a_signal(way: Start) {
    fn dive(depth: u64) -> u64 {
        let room = std::hint::black_box([depth; 512]);
        if depth == u64::MAX { 0 } else { dive(depth + 1) + room[7] }
    }
    match start(way, dive, 0).join() {
        // Without Rust's handler it is the one, with it the other.
        Err(JoinError::Signaled { signal, .. }) => {
            assert!([libc::SIGSEGV, libc::SIGABRT].contains(&signal), "{signal}");
        }
        other => panic!("{other:?}"),
    }
}

#[derive(Debug, serde::Serialize)]
struct PanicsOnArrival;

impl<'de> serde::Deserialize<'de> for PanicsOnArrival {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("not in this state")
    }
}

fn argument_that_panics_when_it_is_decoded_is_refused(way: Start) {
    let started = Process::builder().start(way).spawn(drop::<PanicsOnArrival>, PanicsOnArrival);
    let error = started.unwrap_err().to_string();
    assert!(error.contains("refused") && error.contains("not in this state"), "{error}");
}

#[derive(Debug, serde::Deserialize)]
struct Unspeakable;

impl serde::Serialize for Unspeakable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no words for it"))
    }
}

fn result_that_cannot_be_encoded_is_an_error(way: Start) {
    match start(way, |()| Unspeakable, ()).join() {
        Err(JoinError::Unsendable(_)) => {}
        other => panic!("{other:?}"),
    }
    let started = Process::builder().start(way).spawn(drop::<Unspeakable>, Unspeakable);
    assert!(matches!(started, Err(proc_core::StartError::Argument(_))), "{started:?}");
}
