//! The fork server: its death, its user's death, many users at once.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![expect(clippy::print_stdout, reason = "what is said once")]
#![expect(unsafe_code, reason = "the disposition of a signal")]

mod common;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::time::Duration;

use common::start;
use ipc_core::wire::{self, Handle, Limits, MessageSocket};
use ipc_core::{Deadline, DeathWatch, ProcessId};
use nix::sys::signal::{SigHandler, Signal::SIGINT};
use proc_core::{JoinError, Process, Refusal, Start, StartError, stop_fork_server};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getrlimit, kill_process, pidfd_open,
    pidfd_send_signal, setrlimit,
};

/// Runs a test in a process of its own, which has a fork server of its own.
macro_rules! alone {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            Process::spawn(|()| body::$name(), ()).unwrap().join().unwrap();
        }
    )*};
}

alone! {
    children_are_those_of_the_process_that_asked
    server_that_was_killed_is_replaced_and_its_children_do_not_notice
    start_whose_server_dies_before_it_looks_is_done_by_another
    start_is_not_held_up_by_a_server_that_was_stopped
    start_that_fails_for_want_of_descriptors_has_called_nothing_and_none_is_done_twice
    threads_start_processes_at_the_same_time
    no_start_hangs_or_is_done_twice_while_the_server_is_killed_all_the_time
    server_ends_with_its_parent_though_a_copy_of_that_lives
    interrupt_ends_a_child_and_not_the_server
    stopped_server_leaves_no_child_and_no_descriptor
    next_copy_that_was_killed_or_stopped_is_not_used
    next_copy_is_nobodys_child_to_wait_for
    request_of_a_dead_server_is_settled
    argument_that_kills_whoever_decodes_it_harms_no_other_start
    function_that_prepares_the_server_runs_once_for_all_its_children
    server_that_cannot_be_prepared_is_an_error_that_says_why
}

/// The numbers of all children of this process.
fn all_children() -> BTreeSet<u32> {
    loop {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let lists: Result<Vec<_>, _> = tasks
            .map(|task| std::fs::read_to_string(task.unwrap().path().join("children")))
            .collect();
        // A thread that has ended meanwhile leaves its children to another.
        if let Ok(lists) = lists {
            let pids = lists.iter().flat_map(|list| list.split_whitespace());
            return pids.map(|pid| pid.parse().unwrap()).collect();
        }
    }
}

/// What the kernel calls a process.
fn name_of(pid: u32) -> Option<String> {
    Some(std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// What `/proc` says of a process behind its name: its state first.
fn fields_of(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect())
}

fn state_of(pid: u32) -> Option<String> {
    fields_of(pid)?.into_iter().next()
}

/// When a process was born, if it lives.
fn birth_of(pid: u32) -> Option<u64> {
    let fields = fields_of(pid)?;
    (fields[0] != "Z").then(|| fields[19].parse().unwrap())
}

/// The server and the copies of it that have nothing to do yet, which have its name for a moment; the
/// oldest first.
fn servers() -> Vec<u32> {
    let is_one = |pid: &u32| name_of(*pid).is_some_and(|name| name.starts_with("fork-"));
    let servers = all_children().into_iter().filter(is_one);
    let mut servers: Vec<_> = servers.filter_map(|pid| Some((birth_of(pid)?, pid))).collect();
    servers.sort_unstable();
    servers.into_iter().map(|(_, pid)| pid).collect()
}

/// The server of this process, which must have one.
fn server() -> ProcessId {
    ProcessId::of(servers()[0]).unwrap().unwrap()
}

/// The copy of the server that the next start is to have, when it is there.
fn spare() -> ProcessId {
    loop {
        if let Some(pid) =
            servers().into_iter().find(|pid| name_of(*pid).is_some_and(|name| name == "fork-spare"))
        {
            return ProcessId::of(pid).unwrap().unwrap();
        }
        std::thread::yield_now();
    }
}

/// The numbers of this process's children, but for the copies of the server with nothing to do.
fn children() -> BTreeSet<u32> {
    let all = all_children();
    // After that, as more may come.
    let spares = servers().into_iter().skip(1).collect();
    all.difference(&spares).copied().collect()
}

fn send(signal: Signal, process: ProcessId) {
    let pid = i32::try_from(process.pid()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, signal).unwrap();
}

fn kill(process: ProcessId) {
    let watch = DeathWatch::open(process).unwrap().unwrap();
    send(Signal::KILL, process);
    assert!(watch.wait(Deadline::NEVER).unwrap());
}

/// Kills the process with this number if it is a server, and still the one it was found to be.
fn kill_server(pid: u32) -> bool {
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    let Ok(pidfd) = pidfd_open(number, PidfdFlags::empty()) else { return false };
    let is_server = name_of(pid).is_some_and(|name| name == "fork-server");
    is_server && pidfd_send_signal(pidfd, Signal::KILL).is_ok()
}

fn wait_for_end_of(pipe: Handle) -> u32 {
    std::fs::File::from(pipe).read_to_end(&mut Vec::new()).unwrap();
    5
}

/// Says once that it was called.
fn called(socket: MessageSocket) -> u32 {
    socket.send(&wire::encode(&1_u8).unwrap(), Deadline::NEVER).unwrap();
    7
}

mod body {
    use super::*;

    pub(super) fn children_are_those_of_the_process_that_asked() {
        let child = start(Start::ForkServer, |()| std::os::unix::process::parent_id(), ());
        assert_eq!(child.join().unwrap(), proc_core::current().pid());
        assert_ne!(server().pid(), child.pid());
        assert_eq!(children(), BTreeSet::from([server().pid()]));
    }

    pub(super) fn server_that_was_killed_is_replaced_and_its_children_do_not_notice() {
        let (reader, writer) = std::io::pipe().unwrap();
        let reader = Handle::from(OwnedFd::from(reader));
        let long = start(Start::ForkServer, wait_for_end_of, reader);
        let first = server();
        kill(first);
        assert_eq!(start(Start::ForkServer, |x: u32| x + 1, 6).join().unwrap(), 7);
        assert_ne!(server(), first);
        assert!(long.is_alive());
        drop(writer);
        assert_eq!(long.join().unwrap(), 5);
        assert_eq!(children(), BTreeSet::from([server().pid()]), "the first one was reaped");
    }

    pub(super) fn start_whose_server_dies_before_it_looks_is_done_by_another() {
        start(Start::ForkServer, drop, ()).join().unwrap();
        let first = server();
        let number = i32::try_from(first.pid()).ok().and_then(Pid::from_raw).unwrap();
        let pidfd = pidfd_open(number, PidfdFlags::empty()).unwrap();
        send(Signal::STOP, first);
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            sender.send(()).unwrap();
            start(Start::ForkServer, |x: u32| x + 1, 6).join().unwrap()
        });
        receiver.recv().unwrap();
        // The start may have done so itself by now.
        let _killed = pidfd_send_signal(&pidfd, Signal::KILL);
        assert_eq!(thread.join().unwrap(), 7);
    }

    pub(super) fn start_is_not_held_up_by_a_server_that_was_stopped() {
        let (reader, writer) = std::io::pipe().unwrap();
        let reader = Handle::from(OwnedFd::from(reader));
        let long = start(Start::ForkServer, wait_for_end_of, reader);
        let first = server();
        send(Signal::STOP, first);
        std::thread::scope(|scope| {
            for n in 0..4_u32 {
                scope.spawn(move || {
                    let child = start(Start::ForkServer, |x: u32| x + 1, n);
                    assert_eq!(child.join().unwrap(), n + 1);
                });
            }
        });
        assert_ne!(server(), first);
        assert_eq!(children(), BTreeSet::from([server().pid(), long.pid()]));
        drop(writer);
        assert_eq!(long.join().unwrap(), 5);
    }

    pub(super) fn start_that_fails_for_want_of_descriptors_has_called_nothing_and_none_is_done_twice()
     {
        start(Start::ForkServer, drop, ()).join().unwrap();
        // Its children have enough: the limit is that of this process.
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(40), maximum }).unwrap();
        let (stop, stopped) = mpsc::channel::<()>();
        let hog = std::thread::spawn(move || {
            let mut held = Vec::new();
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                // Takes what there is, and gives it back a little later.
                held.extend(std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()));
                std::thread::yield_now();
                held.clear();
                testkit::clock::pause(Duration::from_micros(50));
            }
        });
        let (mut n_started, mut n_failed) = (0, 0);
        while n_started < 50 || n_failed < 20 {
            let Ok((ours, of_child)) = MessageSocket::pair() else { continue };
            match Process::builder().start(Start::ForkServer).spawn(called, of_child) {
                Ok(child) => {
                    n_started += 1;
                    // Without a descriptor it might not be heard what it returned.
                    child.wait().unwrap();
                    assert!(ours.recv(&Limits::NONE, Deadline::NEVER).unwrap().is_some());
                }
                Err(_) => n_failed += 1,
            }
            assert!(ours.recv(&Limits::NONE, Deadline::NEVER).unwrap().is_none());
        }
        drop(stop);
        hog.join().unwrap();
        stop_fork_server();
        assert_eq!(children(), BTreeSet::new());
    }

    pub(super) fn threads_start_processes_at_the_same_time() {
        std::thread::scope(|scope| {
            for thread in 0..8_u32 {
                scope.spawn(move || {
                    let children: Vec<_> = (0..10)
                        .map(|n| start(Start::ForkServer, |x: u32| x * 2, thread * 10 + n))
                        .collect();
                    for (child, n) in children.iter().zip(0..) {
                        assert_eq!(child.join().unwrap(), (thread * 10 + n) * 2);
                    }
                });
            }
        });
        assert_eq!(children(), BTreeSet::from([server().pid()]));
    }

    pub(super) fn no_start_hangs_or_is_done_twice_while_the_server_is_killed_all_the_time() {
        start(Start::ForkServer, drop, ()).join().unwrap();
        let (stop, stopped) = mpsc::channel::<()>();
        let killer = std::thread::spawn(move || {
            let mut n_killed = 0;
            // Longer and shorter pauses, so that it is hit at all ages, and some come through.
            let mut pauses = (0..8).cycle().map(Duration::from_millis);
            while stopped.recv_timeout(pauses.next().unwrap_or_default())
                == Err(mpsc::RecvTimeoutError::Timeout)
            {
                n_killed += children().into_iter().filter(|pid| kill_server(*pid)).count();
            }
            n_killed
        });
        let mut n_started = 0;
        while n_started < 100 {
            let (ours, of_child) = MessageSocket::pair().unwrap();
            let builder = Process::builder().start(Start::ForkServer);
            match builder.spawn(called, of_child) {
                Ok(child) => {
                    n_started += 1;
                    assert_eq!(child.join().unwrap(), 7);
                    assert!(ours.recv(&Limits::NONE, Deadline::NEVER).unwrap().is_some());
                }
                // Two servers died of it, or one before it was there.
                Err(StartError::ServerDied { .. } | StartError::Died { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            // Whatever became of the start: nobody has the child's end, and nothing more was said.
            assert!(ours.recv(&Limits::NONE, Deadline::NEVER).unwrap().is_none());
        }
        drop(stop);
        let n_killed = killer.join().unwrap();
        assert!(n_killed > 0);
        stop_fork_server();
        assert_eq!(children(), BTreeSet::new(), "after {n_killed} kills");
    }

    pub(super) fn server_ends_with_its_parent_though_a_copy_of_that_lives() {
        fn parent(socket: MessageSocket) {
            start(Start::ForkServer, drop, ()).join().unwrap();
            // It has every descriptor of this process, that of the server's channel too.
            let (reader, _writer) = std::io::pipe().unwrap();
            let copy = Process::builder().spawn_forked(|| {
                std::io::read_to_string(&reader).unwrap();
            });
            let copy = ProcessId::of(copy.unwrap().pid()).unwrap().unwrap();
            let said = wire::encode(&(server(), spare(), copy)).unwrap();
            socket.send(&said, Deadline::NEVER).unwrap();
            wait_for_end_of(Handle::from(OwnedFd::from(reader)));
        }
        let (ours, of_child) = MessageSocket::pair().unwrap();
        let parent = start(Start::Spawn, parent, of_child);
        let message = ours.recv(&Limits::NONE, Deadline::NEVER).unwrap().unwrap();
        let (server, spare, copy): (ProcessId, ProcessId, ProcessId) =
            wire::decode(message).unwrap();
        let watches = [server, spare].map(|process| DeathWatch::open(process).unwrap().unwrap());
        parent.kill().unwrap();
        for watch in watches {
            assert!(watch.wait(Deadline::NEVER).unwrap());
        }
        assert!(ipc_core::is_alive(copy).unwrap());
        send(Signal::KILL, copy);
    }

    pub(super) fn interrupt_ends_a_child_and_not_the_server() {
        // A shell lets what it runs in the background ignore it, and children inherit that.
        // SAFETY: the default disposition calls no function.
        unsafe { nix::sys::signal::signal(SIGINT, SigHandler::SigDfl) }.unwrap();
        let (reader, _writer) = std::io::pipe().unwrap();
        let child = start(Start::ForkServer, wait_for_end_of, Handle::from(OwnedFd::from(reader)));
        send(Signal::INT, child.id().unwrap());
        assert!(matches!(child.join(), Err(JoinError::Signaled { signal: libc::SIGINT, .. })));
        let before = server();
        send(Signal::INT, before);
        start(Start::ForkServer, drop, ()).join().unwrap();
        assert_eq!(server(), before);
    }

    pub(super) fn stopped_server_leaves_no_child_and_no_descriptor() {
        let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let before = count();
        for _ in 0..3 {
            start(Start::ForkServer, drop, ()).join().unwrap();
            assert_eq!(children().len(), 1);
            stop_fork_server();
            assert_eq!(children(), BTreeSet::new());
            assert_eq!(count(), before);
        }
    }

    pub(super) fn next_copy_that_was_killed_or_stopped_is_not_used() {
        start(Start::ForkServer, drop, ()).join().unwrap();
        let before = server();
        for signal in [Signal::KILL, Signal::STOP] {
            for _ in 0..5 {
                let first = spare();
                send(signal, first);
                while state_of(first.pid()).is_some_and(|state| state != "T" && state != "Z") {
                    std::thread::yield_now();
                }
                let child = start(Start::ForkServer, |x: u32| x + 1, 6);
                assert_ne!(child.pid(), first.pid());
                assert_eq!(child.join().unwrap(), 7);
                assert!(!all_children().contains(&first.pid()), "{signal:?}: it was reaped");
            }
        }
        assert_eq!(server(), before);
        // One that is well is used.
        let first = spare();
        assert_eq!(start(Start::ForkServer, drop, ()).pid(), first.pid());
    }

    pub(super) fn next_copy_is_nobodys_child_to_wait_for() {
        start(Start::ForkServer, drop, ()).join().unwrap();
        let reaper = proc_core::Reaper::adopt_orphans().unwrap();
        start(Start::ForkServer, drop, ()).join().unwrap();
        let first = spare();
        assert_eq!(reaper.orphans().unwrap(), []);
        assert_eq!(proc_core::active_children().len(), 0);
        let no_child = |waited: std::io::Result<_>| {
            assert_eq!(waited.unwrap_err().raw_os_error(), Some(libc::ECHILD));
        };
        no_child(proc_core::wait().map(drop));
        kill(first);
        assert_eq!(reaper.reap().unwrap(), []);
        no_child(proc_core::wait().map(drop));
        assert!(!all_children().contains(&first.pid()), "it was reaped");
        let child = start(Start::ForkServer, |x: u32| x + 1, 6);
        kill(spare());
        let (pid, status) = proc_core::wait().unwrap();
        assert_eq!((pid, status.success()), (child.pid(), true));
        assert_eq!(child.join().unwrap(), 7);
    }

    /// The server is killed a little later each time in its work for the next start.
    pub(super) fn request_of_a_dead_server_is_settled() {
        for delay in 0..40 {
            start(Start::ForkServer, drop, ()).join().unwrap();
            testkit::clock::pause(Duration::from_micros(delay * 10));
            kill(server());
            let child = start(Start::ForkServer, |x: u32| x + 1, 6);
            assert_eq!(child.join().unwrap(), 7);
            stop_fork_server();
            assert_eq!(all_children(), BTreeSet::new(), "after {delay}0 us");
        }
    }
    pub(super) fn argument_that_kills_whoever_decodes_it_harms_no_other_start() {
        /// Kills the process that decodes it.
        #[derive(serde::Serialize)]
        struct Poison;

        impl<'de> serde::Deserialize<'de> for Poison {
            fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                std::process::abort()
            }
        }

        start(Start::ForkServer, drop, ()).join().unwrap();
        let before = server();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let builder = Process::builder().start(Start::ForkServer).core_limit(0);
                        match builder.spawn(drop::<Poison>, Poison) {
                            Err(StartError::Died { status, .. }) => {
                                assert_eq!(status.signal(), Some(libc::SIGABRT));
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                });
                scope.spawn(|| {
                    for n in 0..20 {
                        let child = start(Start::ForkServer, |x: u32| x + 1, n);
                        assert_eq!(child.join().unwrap(), n + 1);
                    }
                });
            }
        });
        assert_eq!(server(), before);
    }

    /// Which process the server was prepared in.
    static PREPARED: std::sync::OnceLock<u32> = std::sync::OnceLock::new();

    fn prepare(_: ()) {
        print!("prepared ");
        PREPARED.set(proc_core::current().pid()).unwrap();
    }

    pub(super) fn function_that_prepares_the_server_runs_once_for_all_its_children() {
        let of_child =
            || start(Start::ForkServer, |()| PREPARED.get().copied(), ()).join().unwrap();
        assert_eq!(of_child(), None);
        let first = server();
        proc_core::preload_fork_server(prepare).unwrap();
        assert_eq!([of_child(), of_child()], [Some(server().pid()); 2]);
        assert_ne!(server(), first);
        kill(server());
        assert_eq!(of_child(), Some(server().pid()), "another one is prepared, too");
        assert_eq!(PREPARED.get(), None, "not in this process");
        // What it has said is said once, and not by each child at its end.
        let family = Process::builder().stdout(proc_core::Stdio::piped());
        let family = family.spawn(
            |()| {
                proc_core::preload_fork_server(prepare).unwrap();
                for _ in 0..3 {
                    start(Start::ForkServer, drop, ()).join().unwrap();
                }
            },
            (),
        );
        let family = family.unwrap();
        let said = std::io::read_to_string(family.take_stdout().unwrap()).unwrap();
        family.join().unwrap();
        assert_eq!(said, "prepared ");
    }

    pub(super) fn server_that_cannot_be_prepared_is_an_error_that_says_why() {
        let started = || Process::builder().start(Start::ForkServer).spawn(|x: u32| x, 1);
        proc_core::preload_fork_server(|()| panic!("no such table")).unwrap();
        for _ in 0..2 {
            match started() {
                Err(StartError::Refused(Refusal::Preload(why))) => {
                    assert!(why.contains("no such table"), "{why}");
                }
                other => panic!("{other:?}"),
            }
        }
        proc_core::preload_fork_server(|()| drop(std::thread::spawn(std::thread::park))).unwrap();
        let refused = started();
        let is_told = matches!(&refused, Err(StartError::Refused(Refusal::Preload(why)))
            if why.contains("threads"));
        assert!(is_told, "{refused:?}");
        proc_core::preload_fork_server(|()| std::process::abort()).unwrap();
        let died = started();
        let is_told = matches!(&died, Err(StartError::ServerDied { status })
            if status.signal() == Some(libc::SIGABRT));
        assert!(is_told, "{died:?}");
        assert_eq!(all_children(), BTreeSet::new());
        proc_core::preload_fork_server(|()| ()).unwrap();
        assert_eq!(started().unwrap().join().unwrap(), 1);
    }
}
