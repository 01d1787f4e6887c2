//! Running other programs.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use ipc_core::Deadline;
use proc_core::{ExitStatus, Program, ProgramError, Stdio, wait_any};

fn shell(script: &str) -> Program {
    Program::new("sh").args(["-c", script])
}

#[test]
fn call_returns_how_a_program_ended() {
    assert_eq!(shell("exit 7").call().unwrap(), ExitStatus::Exited(7));
    let killed = shell("kill -9 $$").call().unwrap();
    assert_eq!(killed, ExitStatus::Signaled { signal: libc::SIGKILL, core_dumped: false });
    assert_eq!(Program::new("true").call().unwrap(), ExitStatus::Exited(0));
}

#[test]
fn run_returns_what_a_program_wrote_and_gives_it_nothing_to_read() {
    let output = shell("cat; echo out; echo err >&2; exit 3").run().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
}

#[test]
fn failure_is_an_error_of_check_output() {
    assert_eq!(shell("printf 5").check_output().unwrap(), b"5");
    match shell("echo half; echo why >&2; exit 2").check_output() {
        Err(ProgramError::Failed(output)) => {
            assert_eq!(output.status.code(), Some(2));
            assert_eq!((output.stdout, output.stderr), (b"half\n".to_vec(), b"why\n".to_vec()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn more_than_fits_the_pipes_goes_both_ways() {
    let input = b"over and over again ".repeat(100_000);
    // It writes what it has read at once, to both.
    let output = shell("tee /dev/stderr").communicate(&input, None).unwrap();
    assert!(output.stdout == input && output.stderr == input);
    // It writes everything before it reads anything.
    let output = shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; wc -c");
    let output = output.communicate(&input, None).unwrap();
    assert_eq!(output.stderr.len(), 1_000_000);
    assert!(output.stdout.ends_with(b"2000000\n"));
}

#[test]
fn program_that_reads_only_a_part_is_no_error() {
    let input = vec![b'x'; 1 << 20];
    let output = shell("head -c 3").communicate(&input, None).unwrap();
    assert_eq!(output.stdout, b"xxx");
    assert!(output.status.success());
    let output = shell("exec <&-; sleep 0.05; echo done").communicate(&input, None).unwrap();
    assert_eq!(output.stdout, b"done\n");
}

#[test]
fn program_whose_time_is_up_is_killed_and_what_it_wrote_is_there() {
    let timeout = Some(Duration::from_millis(200));
    let program = shell("echo begun; (sleep 1000; echo never) & sleep 1000");
    match program.communicate(b"", timeout) {
        Err(ProgramError::TimedOut(output)) => {
            assert_eq!(output.stdout, b"begun\n");
            assert_eq!(output.status.signal(), Some(libc::SIGKILL));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn talk_goes_on_after_its_time_was_up() {
    let program = shell("read a; echo first $a; sleep 0.3; cat").stdin(Stdio::piped());
    let mut running = program.stdout(Stdio::piped()).spawn().unwrap();
    match running.communicate(b"line\nand the rest", Deadline::after(Duration::from_millis(50))) {
        Err(ProgramError::TimedOut(output)) => {
            assert_eq!(output.status, ExitStatus::Unknown);
            assert!(b"first line\n".starts_with(&output.stdout));
        }
        other => panic!("{other:?}"),
    }
    assert!(running.is_alive());
    let output = running.communicate(b"", Deadline::NEVER).unwrap();
    assert_eq!(output.stdout, b"first line\nand the rest");
    assert_eq!(output.status, ExitStatus::Exited(0));
    assert!(running.usage().is_some());
}

#[test]
fn grandchild_that_holds_the_pipes_does_not_hold_up_anybody() {
    // Says which it is, so that it can be ended here.
    let program = shell("sleep 1000 & echo $!; echo err >&2; exit 4");
    let output = program.communicate(b"", None).unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(output.stderr, b"err\n");
    let pid: i32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn grandchild_that_writes_for_ever_does_not_hold_up_anybody() {
    let program = shell("yes & echo $! >&2; sleep 0.05; exit 4");
    let output = program.communicate(b"", None).unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(output.stdout.starts_with(b"y\ny\n"));
    // Nobody reads what it writes, so it ends by itself.
}

#[test]
fn what_is_wrong_with_a_program_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let run = |name: &Path| Program::new(name).call().unwrap_err();
    let plain = file("plain", "#!/bin/sh\n", 0o644);
    let garbage = file("garbage", "\u{1}\u{2}no program", 0o755);
    let orphaned = file("orphaned", "#!/no/such/interpreter\n", 0o755);
    let missing = folder.path().join("missing");

    assert!(matches!(run(&missing), ProgramError::NotFound(path) if path == missing));
    let nowhere = run(Path::new("no-program-has-this-name"));
    assert!(matches!(nowhere, ProgramError::NotFound(_)), "{nowhere}");
    for path in [&plain, &garbage, &orphaned] {
        let error = run(path);
        assert!(matches!(&error, ProgramError::NotExecutable(found) if found == path), "{error}");
    }
    let error = run(folder.path());
    assert!(matches!(error, ProgramError::NotExecutable(_)), "a folder: {error}");

    // Through PATH, that of the program.
    let named = Program::new("plain").env("PATH", folder.path()).call().unwrap_err();
    assert!(matches!(&named, ProgramError::NotExecutable(found) if *found == plain), "{named}");
    let unnamed = Program::new("sh").env("PATH", folder.path()).call().unwrap_err();
    assert!(matches!(unnamed, ProgramError::NotFound(_)), "{unnamed}");

    let error = Program::new("true").current_dir(&missing).call().unwrap_err();
    assert!(matches!(&error, ProgramError::Folder(path) if *path == missing), "{error}");
}

#[test]
fn program_that_only_others_may_run_is_told_as_such() {
    // A user who is not root is told so; root may run whatever anybody may.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("of-others");
    std::fs::write(&path, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o001)).unwrap();
    let called = Program::new(&path).call();
    if rustix::process::getuid().is_root() {
        called.unwrap();
    } else {
        assert!(matches!(called, Err(ProgramError::PermissionDenied(_))), "{called:?}");
    }
}

#[test]
fn environment_and_folder_are_what_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let program = shell("pwd; echo $A; echo $B").env("A", "1").env("B", "2").env_remove("B");
    let output = program.current_dir(&folder).check_output().unwrap();
    assert_eq!(String::from_utf8(output).unwrap(), format!("{}\n1\n\n", folder.display()));
    let output = Program::new("/usr/bin/env").env("A", "1").env_clear().env("B", "2");
    assert_eq!(output.check_output().unwrap(), b"B=2\n");
}

#[test]
fn running_program_can_be_waited_for_with_others_and_ended() {
    let mut all = [(); 3].map(|()| Program::new("cat").stdin(Stdio::piped()).spawn().unwrap());
    assert_eq!(wait_any(&all, Deadline::now()).unwrap(), None);
    assert!(all[0].wait_timeout(Duration::from_millis(5)).unwrap().is_none());
    drop(all[1].take_stdin());
    assert_eq!(wait_any(&all, Deadline::NEVER).unwrap(), Some(1));
    assert_eq!(all[1].exit_status().unwrap(), Some(ExitStatus::Exited(0)));
    all[0].terminate().unwrap();
    assert_eq!(all[0].wait().unwrap().signal(), Some(libc::SIGTERM));
    assert_eq!(all[2].kill_tree().unwrap(), 1);
    assert_eq!(all[2].exit_status().unwrap().unwrap().signal(), Some(libc::SIGKILL));
    assert!(all.iter().all(|running| !running.is_alive()));
}

#[test]
fn pipes_can_be_taken_and_used_by_hand() {
    let mut running =
        Program::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (running.take_stdin().unwrap(), running.take_stdout().unwrap());
    assert!(running.take_stdin().is_none() && running.take_stderr().is_none());
    for text in [b"one", b"two"] {
        stdin.write_all(text).unwrap();
        let mut back = [0; 3];
        stdout.read_exact(&mut back).unwrap();
        assert_eq!(&back, text);
    }
    drop(stdin);
    assert!(running.wait().unwrap().success());
}

#[test]
fn pipeline_passes_everything_on() {
    let input = b"b\nc\na\nb\n".repeat(50_000);
    let pipeline = Program::new("sort") | Program::new("uniq").arg("-c") | shell("tr -d ' '");
    let output = pipeline.communicate(&input, None).unwrap();
    assert_eq!(output.stdout, b"50000a\n100000b\n50000c\n");
    assert_eq!(output.statuses, [ExitStatus::Exited(0); 3]);
}

#[test]
fn pipeline_whose_end_has_enough_ends() {
    let pipeline = Program::new("yes") | Program::new("head").args(["-n", "2"]);
    let output = pipeline.communicate(b"", None).unwrap();
    assert_eq!(output.stdout, b"y\ny\n");
    assert_eq!(output.statuses[0].signal(), Some(libc::SIGPIPE), "as in a shell");
}

#[test]
fn pipeline_that_cannot_be_run_or_takes_too_long_leaves_nobody() {
    let pipeline = Program::new("cat") | Program::new("no-program-has-this-name");
    assert!(matches!(pipeline.communicate(b"", None), Err(ProgramError::NotFound(_))));
    // Whoever lives has the pipe.
    let (mut reader, writer) = std::io::pipe().unwrap();
    let writer = Stdio::from(writer);
    let part = || shell("sleep 1000").stderr(writer.clone());
    let pipeline = part() | part() | shell("echo begun; exec sleep 1000").stderr(writer.clone());
    match pipeline.communicate(b"", Some(Duration::from_millis(200))) {
        Err(ProgramError::TimedOut(output)) => assert_eq!(output.stdout, b"begun\n"),
        other => panic!("{other:?}"),
    }
    drop(writer);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}
