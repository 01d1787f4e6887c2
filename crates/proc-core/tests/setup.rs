//! What a builder can say about a child, with each way of starting it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what the children write is looked at"
)]
#![expect(unsafe_code, reason = "asks what signals do")]

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use proc_core::{
    Builder, ExitStatus, JoinError, MemoryHint, Process, Refusal, Start, StartError, Stdio,
    current, set_start_method, start_method, start_methods,
};

common::with_each_start! {
    environment_is_what_was_said
    environment_that_was_cleared_has_only_what_was_set_after
    folder_is_what_was_said
    folder_that_does_not_exist_is_an_error_that_says_so
    what_can_never_be_is_an_error_before_anything_is_started
    limit_of_memory_that_is_too_small_for_a_start_is_an_error_that_says_so
    piped_streams_carry_all_there_is
    end_of_a_piped_input_is_seen
    streams_can_be_files_and_nothing
    stream_of_a_child_can_be_the_input_of_another
    group_and_session_are_its_own
    processors_and_niceness_are_what_was_said
    limits_are_what_was_said
    memory_beyond_the_limit_aborts
    processor_time_beyond_the_limit_is_a_signal
    signals_do_what_was_said
    child_of_a_daemon_is_one
    children_are_started_as_their_parent_was_told
    orphans_stay_with_a_child_that_keeps_them
}

fn build(way: Start) -> Builder {
    Process::builder().start(way)
}

fn environment_is_what_was_said(way: Start) {
    type Found = (Option<String>, Option<String>, bool);
    fn look(_: ()) -> Found {
        let get = |name| std::env::var(name).ok();
        (get("SETUP_A"), get("SETUP_B"), get("PATH").is_some())
    }
    let builder = build(way).env("SETUP_A", "1").env("SETUP_B", "2").env("SETUP_A", "=3");
    let child = builder.clone().spawn(look, ()).unwrap();
    assert_eq!(child.join().unwrap(), (Some("=3".to_owned()), Some("2".to_owned()), true));
    let child = builder.env_remove("SETUP_B").env_remove("PATH").spawn(look, ()).unwrap();
    assert_eq!(child.join().unwrap(), (Some("=3".to_owned()), None, false));
    assert!(std::env::var("SETUP_A").is_err(), "it is the child's");
}

fn environment_that_was_cleared_has_only_what_was_set_after(way: Start) {
    let builder = build(way).env("SETUP_A", "1").env_clear().env("SETUP_B", "");
    let child = builder.spawn(|()| std::env::vars().collect::<BTreeMap<_, _>>(), ()).unwrap();
    assert_eq!(child.join().unwrap(), BTreeMap::from([("SETUP_B".to_owned(), String::new())]));
}

fn folder_is_what_was_said(way: Start) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let here = std::env::current_dir().unwrap();
    let child = build(way).current_dir(&folder);
    let child = child.spawn(|()| std::env::current_dir().unwrap(), ()).unwrap();
    assert_eq!(child.join().unwrap(), folder);
    assert_eq!(std::env::current_dir().unwrap(), here);
}

fn folder_that_does_not_exist_is_an_error_that_says_so(way: Start) {
    match build(way).current_dir("/no such folder").spawn(drop, ()) {
        Err(StartError::Refused(Refusal::Setup(what, why))) => {
            assert_eq!(what, "go to its working directory");
            assert!(why.contains("No such file"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

fn what_can_never_be_is_an_error_before_anything_is_started(way: Start) {
    let cannot = [
        build(way).env("", "x"),
        build(way).env("A=B", "x"),
        build(way).env("A", "x\0y"),
        build(way).env_remove("A\0"),
        build(way).current_dir("a\0b"),
        build(way).affinity([]),
        build(way).affinity([1 << 40]),
        build(way).cpu_time_limit(Duration::ZERO),
    ];
    for builder in cannot {
        let started = builder.spawn(drop, ());
        assert!(matches!(started, Err(StartError::Setup(_))), "{started:?}");
    }
    // No machine has this one, whatever others it has.
    for processors in [vec![1023], vec![0, 1023]] {
        match build(way).affinity(processors).spawn(drop, ()) {
            Err(StartError::Refused(Refusal::Setup(_, why))) => {
                assert_eq!(why, "there is no processor 1023 for it");
            }
            other => panic!("{other:?}"),
        }
    }
}

fn limit_of_memory_that_is_too_small_for_a_start_is_an_error_that_says_so(way: Start) {
    let argument = "many bytes ".repeat(1 << 20);
    for limit in [0, 1 << 20, 8 << 20, 16 << 20] {
        let started = build(way).memory_limit(limit).core_limit(0).stderr(Stdio::null());
        match started.spawn(drop, argument.clone()) {
            Err(error @ StartError::MemoryLimit(_)) => {
                let text = error.to_string();
                assert!(text.contains("its limit of memory, which may be too small"), "{text}");
            }
            other => panic!("{limit}: {other:?}"),
        }
    }
}

fn echo(_: ()) {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    eprint!("{} bytes", text.len());
    print!("{text}");
}

fn piped_streams_carry_all_there_is(way: Start) {
    let builder = build(way).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = builder.spawn(echo, ()).unwrap();
    let mut input = child.take_stdin().unwrap();
    assert!(child.take_stdin().is_none(), "it was taken");
    let text = "over and over ".repeat(20_000);
    let writer = {
        let text = text.clone();
        move || input.write_all(text.as_bytes()).unwrap()
    };
    let output = child.take_stdout().unwrap();
    let writer = std::thread::spawn(writer);
    assert!(std::io::read_to_string(output).unwrap() == text);
    writer.join().unwrap();
    let errors = std::io::read_to_string(child.take_stderr().unwrap()).unwrap();
    assert_eq!(errors, format!("{} bytes", text.len()));
    child.join().unwrap();
}

fn end_of_a_piped_input_is_seen(way: Start) {
    // A copy of this process must not hold the other end of its own input.
    let child = build(way).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = child.spawn(echo, ()).unwrap();
    drop(child.take_stdin());
    child.join().unwrap();
    // Nor does anybody hold it when the handle is gone.
    let child = build(way).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = child.spawn(echo, ()).unwrap();
    let output = child.take_stdout().unwrap();
    drop(child);
    assert_eq!(std::io::read_to_string(output).unwrap(), "");
}

fn streams_can_be_files_and_nothing(way: Start) {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(b"from a file").unwrap();
    input.rewind().unwrap();
    let output = tempfile::tempfile().unwrap();
    let builder = build(way)
        .stdin(input.into())
        .stdout(output.try_clone().unwrap().into())
        .stderr(Stdio::null());
    let child = builder.spawn(echo, ()).unwrap();
    child.join().unwrap();
    let mut output = output;
    output.rewind().unwrap();
    assert_eq!(std::io::read_to_string(output).unwrap(), "from a file");

    let names = |()| [0, 1, 2].map(|n| std::fs::read_link(format!("/proc/self/fd/{n}")).unwrap());
    let builder = build(way).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let [stdin, stdout, stderr] = builder.spawn(names, ()).unwrap().join().unwrap();
    assert_eq!([stdin, stdout], [PathBuf::from("/dev/null"), PathBuf::from("/dev/null")]);
    assert_eq!(stderr, std::fs::read_link("/proc/self/fd/2").unwrap());
}

fn stream_of_a_child_can_be_the_input_of_another(way: Start) {
    let first = build(way).stdout(Stdio::piped()).spawn(|()| print!("passed on"), ()).unwrap();
    let second = build(way)
        .stdin(first.take_stdout().unwrap().into())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn(echo, ())
        .unwrap();
    assert_eq!(std::io::read_to_string(second.take_stdout().unwrap()).unwrap(), "passed on");
    first.join().unwrap();
    second.join().unwrap();
}

fn ids(_: ()) -> (i32, i32) {
    // Both are 0 if they are from outside of this pid namespace.
    let group = nix::unistd::getpgrp().as_raw();
    let session = nix::unistd::getsid(None).unwrap().as_raw();
    (group, session)
}

fn group_and_session_are_its_own(way: Start) {
    let (group, session) = ids(());
    let child = build(way).spawn(ids, ()).unwrap();
    assert_eq!(child.join().unwrap(), (group, session));
    let child = build(way).new_group(true).spawn(ids, ()).unwrap();
    let pid = i32::try_from(child.pid()).unwrap();
    assert_eq!(child.join().unwrap(), (pid, session));
    let child = build(way).new_session(true).spawn(ids, ()).unwrap();
    let pid = i32::try_from(child.pid()).unwrap();
    assert_eq!(child.join().unwrap(), (pid, pid));
    let child = build(way).new_session(true).new_session(false).spawn(ids, ()).unwrap();
    assert_eq!(child.join().unwrap(), (group, session));
}

fn processors_and_niceness_are_what_was_said(way: Start) {
    fn look(_: ()) -> (Vec<usize>, i32) {
        let set = rustix::thread::sched_getaffinity(None).unwrap();
        let processors = (0..1024).filter(|number| set.is_set(*number)).collect();
        (processors, rustix::process::getpriority_process(None).unwrap())
    }
    let (all, niceness) = look(());
    let first = all[0];
    let child = build(way).affinity([first]).nice(niceness + 1).spawn(look, ()).unwrap();
    assert_eq!(child.join().unwrap(), (vec![first], niceness + 1));
    assert_eq!(look(()), (all, niceness));
}

fn limits_are_what_was_said(way: Start) {
    fn look(_: ()) -> Vec<Option<u64>> {
        use rustix::process::{Resource, getrlimit};
        let kinds = [Resource::As, Resource::Nofile, Resource::Core, Resource::Cpu];
        kinds.map(|kind| getrlimit(kind).current).to_vec()
    }
    let child = build(way)
        .memory_limit(1 << 40)
        .open_files_limit(77)
        .core_limit(0)
        .cpu_time_limit(Duration::from_millis(99_100))
        .spawn(look, ())
        .unwrap();
    assert_eq!(child.join().unwrap(), [Some(1 << 40), Some(77), Some(0), Some(100)]);
    assert_ne!(look(())[1], Some(77));
}

fn memory_beyond_the_limit_aborts(way: Start) {
    fn fill(_: ()) -> usize {
        let bytes: Vec<u8> = Vec::with_capacity(std::hint::black_box(4 << 30));
        std::hint::black_box(bytes).capacity()
    }
    let child = build(way).memory_limit(2 << 30).core_limit(0).stderr(Stdio::null());
    let child = child.spawn(fill, ()).unwrap();
    let joined = child.join();
    let hint = MemoryHint::AbortedUnderLimit;
    let expected = matches!(&joined, Err(JoinError::OutOfMemory { signal: libc::SIGABRT, hint: told })
        if *told == hint);
    assert!(expected, "{joined:?}");
    let again = child.join().unwrap_err().to_string();
    assert!(again.contains("out of memory"), "{again}");
}

fn processor_time_beyond_the_limit_is_a_signal(way: Start) {
    fn spin(_: ()) {
        loop {
            std::hint::black_box(());
        }
    }
    let child = build(way).cpu_time_limit(Duration::from_millis(10)).core_limit(0);
    let child = child.default_signal(libc::SIGXCPU).spawn(spin, ()).unwrap();
    let joined = child.join();
    assert!(matches!(joined, Err(JoinError::Signaled { signal: libc::SIGXCPU, .. })), "{joined:?}");
}

fn signals_do_what_was_said(way: Start) {
    fn look(_: ()) -> [bool; 3] {
        [libc::SIGUSR1, libc::SIGTERM, libc::SIGPIPE].map(|signal| {
            // SAFETY: only asks; the struct is plain data.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            // SAFETY: writes to the local.
            unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
            action.sa_sigaction == libc::SIG_IGN
        })
    }
    let builder = build(way).ignore_signal(libc::SIGUSR1).ignore_signal(libc::SIGTERM);
    let child = builder.clone().spawn(look, ()).unwrap();
    assert_eq!(child.join().unwrap(), [true, true, true]);
    let builder = builder.default_signal(libc::SIGTERM).default_signal(libc::SIGPIPE);
    assert_eq!(builder.spawn(look, ()).unwrap().join().unwrap(), [true, false, false]);
    let started = build(way).ignore_signal(libc::SIGKILL).spawn(drop, ());
    assert!(matches!(started, Err(StartError::Refused(Refusal::Setup(..)))), "{started:?}");
    let started = build(way).default_signal(-1).spawn(drop, ());
    assert!(matches!(started, Err(StartError::Refused(Refusal::Setup(..)))), "{started:?}");
}

fn child_of_a_daemon_is_one(way: Start) {
    fn look(_: ()) -> [bool; 3] {
        let start = |builder: Builder| {
            let child = builder.start(Start::Spawn).spawn(|()| current().is_daemon(), ());
            child.unwrap().join().unwrap()
        };
        [current().is_daemon(), start(Process::builder()), start(Process::builder().daemon(false))]
    }
    assert_eq!(build(way).spawn(look, ()).unwrap().join().unwrap(), [false; 3]);
    let child = build(way).daemon(true).spawn(look, ()).unwrap();
    assert_eq!(child.join().unwrap(), [true, true, false]);
}

fn children_are_started_as_their_parent_was_told(way: Start) {
    fn look(_: ()) -> Start {
        start_method()
    }
    assert_eq!(start_methods()[0], Start::default());
    // Alone, as it changes what holds for the process.
    let alone = Process::spawn(
        |way: Start| {
            set_start_method(way);
            assert_eq!(Process::spawn(look, ()).unwrap().join().unwrap(), way);
            assert_eq!(start_method(), way);
        },
        way,
    );
    alone.unwrap().join().unwrap();
}

fn orphans_stay_with_a_child_that_keeps_them(way: Start) {
    fn parent_of_an_orphan(_: ()) -> (u32, u32) {
        let (reader, writer) = std::io::pipe().unwrap();
        let gate = ipc_core::wire::Handle::from(OwnedFd::from(reader));
        let middle = Process::spawn(
            |gate: ipc_core::wire::Handle| {
                let orphan = Process::spawn(
                    |gate: ipc_core::wire::Handle| {
                        File::from(gate).read_to_end(&mut Vec::new()).unwrap();
                        std::os::unix::process::parent_id()
                    },
                    gate,
                );
                orphan.unwrap().pid()
            },
            gate,
        );
        let middle = middle.unwrap();
        let orphan = middle.join().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{orphan}/stat")).unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        let parent = after_name.split_whitespace().nth(1).unwrap().parse().unwrap();
        drop(writer);
        assert_eq!(proc_core::wait_for(orphan).unwrap(), ExitStatus::Exited(0));
        (parent, current().pid())
    }
    let child = build(way).keeps_orphans(true).spawn(parent_of_an_orphan, ()).unwrap();
    let (parent, own) = child.join().unwrap();
    assert_eq!(parent, own);
}
