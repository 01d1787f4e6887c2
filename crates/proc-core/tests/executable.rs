//! The program finds itself, however it was started and whatever became of its file.
//!
//! Each test runs a copy of this very program, with a filter that selects the one test which starts
//! processes and says so.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::start;
use proc_core::{Process, Start, StartError};

const WAIT: &str = "EXECUTABLE_TEST_WAITS";

/// Run by the other tests, and by itself.
#[test]
fn starts_processes() {
    if std::env::var_os(WAIT).is_some() {
        println!("ready");
        // Until whoever started us has done what it wants with the file.
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
    for way in [Start::Spawn, Start::ForkServer] {
        assert_eq!(start(way, |x: u32| x + 1, 6).join().unwrap(), 7);
    }
}

/// A folder with a copy of this program in it.
fn folder_with_program() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&std::env::current_exe().unwrap(), &folder.path().join("program"));
    folder
}

/// Copies a program by means of another process.
///
/// Had this process the copy open for writing, so would every process that another test's thread
/// forks meanwhile, until it runs its program; and what is open for writing cannot be run.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

fn select(command: &mut Command) -> &mut Command {
    command.args(["--exact", "starts_processes", "--nocapture", "--test-threads=1"])
}

#[track_caller]
fn assert_it_passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    // Once: no child has run the program's own main.
    assert_eq!(text.matches("1 passed").count(), 1, "{text}\n{errors}");
    assert_eq!(text.matches("running 1 test").count(), 1, "{text}\n{errors}");
}

#[test]
fn program_started_by_a_relative_path_starts_processes() {
    let folder = folder_with_program();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let mut command = Command::new("../program");
    let output = select(command.current_dir(folder.path().join("sub"))).output().unwrap();
    assert_it_passed(&output);
}

#[test]
fn program_found_through_path_starts_processes() {
    let folder = folder_with_program();
    let mut command = Command::new("program");
    let output = select(command.env("PATH", folder.path())).output().unwrap();
    assert_it_passed(&output);
}

#[test]
fn program_started_through_a_symlink_starts_processes() {
    let folder = folder_with_program();
    let link = folder.path().join("link");
    symlink("program", &link).unwrap();
    assert_it_passed(&select(&mut Command::new(link)).output().unwrap());
}

/// Starts the program, lets `change` happen to its file, and lets it go on.
fn run_with_change(change: impl FnOnce(&Path)) -> Output {
    let folder = folder_with_program();
    let path = folder.path().join("program");
    let mut command = Command::new(&path);
    let mut child = select(command.env(WAIT, "1"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"ready\n") {
        let mut byte = [0];
        std::io::Read::read_exact(&mut stdout, &mut byte).unwrap();
        text.push(byte[0]);
    }
    change(&path);
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    std::io::Read::read_to_end(&mut stdout, &mut text).unwrap();
    Output { stdout: text, ..child.wait_with_output().unwrap() }
}

#[test]
fn program_whose_file_was_deleted_starts_processes() {
    assert_it_passed(&run_with_change(|path| fs::remove_file(path).unwrap()));
}

#[test]
fn program_whose_file_was_replaced_starts_processes() {
    assert_it_passed(&run_with_change(|path| {
        let other = path.with_extension("new");
        copy(Path::new("/bin/false"), &other);
        fs::rename(&other, path).unwrap();
    }));
}

#[test]
fn program_whose_folder_was_moved_starts_processes() {
    let elsewhere = tempfile::tempdir().unwrap();
    assert_it_passed(&run_with_change(|path| {
        fs::rename(path.parent().unwrap(), elsewhere.path().join("moved")).unwrap();
    }));
}

#[test]
fn program_started_with_its_outputs_closed_starts_processes() {
    let folder = folder_with_program();
    let program = folder.path().join("program");
    let script = r#""$0" --exact starts_processes --test-threads=1 >&- 2>&- <&-"#;
    let status = Command::new("sh").args(["-c", script]).arg(&program).status().unwrap();
    assert!(status.success(), "{status}");
}

/// Run by the next test.
#[test]
fn tells_what_it_may() {
    const AT_SECURE: usize = 23;
    let vector = fs::read("/proc/self/auxv").unwrap();
    let (words, _) = vector.as_chunks::<{ size_of::<usize>() }>();
    let mut entries = words.chunks(2).map(|entry| [entry[0], entry[1]].map(usize::from_ne_bytes));
    let is_secure = entries.any(|entry| entry == [AT_SECURE, 1]);
    let started = Process::spawn(|()| (), ());
    let is_refused = matches!(started, Err(StartError::NoEntrance));
    assert_eq!(is_refused, is_secure, "{started:?}");
    println!("secure: {is_secure}");
}

/// Whoever starts it must not be able to tell it what to do with rights that are not theirs.
#[test]
fn program_with_rights_of_its_own_obeys_no_mark() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can make such a program for another user.
    }
    let folder = folder_with_program();
    let program = folder.path().join("program");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let mut command = Command::new(&program);
    command.args(["--exact", "tells_what_it_may", "--nocapture"]).env("MULTIPROC_CHILD", "3");
    let output = command.uid(65534).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let no_rights_here = rustix::fs::statvfs(folder.path())
        .is_ok_and(|folder| folder.f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID))
        || fs::read_to_string("/proc/self/status").unwrap().contains("NoNewPrivs:\t1");
    assert_eq!(text.contains("secure: true"), !no_rights_here, "{text}");
}

/// What a child was told must come from its parent, or it does nothing at all.
#[test]
fn program_with_a_forged_mark_neither_runs_main_nor_obeys() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let folder = folder_with_program();
    // The parent of the program is a shell, and the socket is not of its making.
    let script = r#""$0" --exact starts_processes; echo "ended with $?""#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(folder.path().join("program"));
    command.env("MULTIPROC_CHILD", "3").stdin(Stdio::from(OwnedFd::from(theirs)));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "ended with 254\n", "{}", String::from_utf8_lossy(&output.stderr));
    drop(ours);
}
