//! `mproc map`: what jobs print, how they end, and that none of them outlives it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use ipc_core::{Deadline, DeathWatch, ProcessId};
use rustix::process::Signal;
use serde_json::Value;
use testkit::Watchdog;

use crate::run::{Ran, command, signal as kill};

/// Runs it with an input.
fn map(input: &str, arguments: &[&str]) -> Ran {
    let _watch = Watchdog::start(Duration::from_secs(120), "a run of mproc map");
    let arguments = [&["map"], arguments].concat();
    let mut child = command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // It may not read all of it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn numbers(range: std::ops::RangeInclusive<u32>) -> String {
    range.map(|number| format!("{number}\n")).collect()
}

fn rows(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_line_is_run_once() {
    let ran = map(&numbers(1..=200), &["-j3", "echo", "line", "{}."]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let found: BTreeSet<&str> = ran.stdout.lines().collect();
    let expected: Vec<String> = (1..=200).map(|number| format!("line {number}.")).collect();
    assert_eq!(ran.stdout.lines().count(), 200);
    assert_eq!(found, expected.iter().map(String::as_str).collect());
}

#[test]
fn order_is_kept_if_that_is_asked_for() {
    // The later a line, the sooner its job ends.
    let script = "i=$1; while [ $i -lt 40 ]; do i=$((i + 1)); true & wait; done; echo {}";
    let ran = map(&numbers(1..=40), &["-j4", "--keep-order", "--shell", script]);
    assert_eq!((ran.status, ran.stdout), (0, numbers(1..=40)));
}

#[test]
fn output_of_jobs_is_never_mixed() {
    let script = "for i in 1 2 3 4 5 6 7 8; do echo out $1; echo err $1 >&2; done";
    let ran = map(&numbers(1..=30), &["-j4", "--shell", script]);
    assert_eq!(ran.status, 0);
    for (text, word) in [(&ran.stdout, "out"), (&ran.stderr, "err")] {
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 240);
        for eight in lines.chunks(8) {
            assert!(eight[0].starts_with(word), "{eight:?}");
            assert!(eight.iter().all(|line| *line == eight[0]), "{eight:?}");
        }
    }
}

#[test]
fn no_line_is_read_as_a_command() {
    let nasty = "$(echo bad)\n`echo bad`\na'b\"c\n; echo bad\n-n\n* $HOME \\\n";
    let quoted = map(nasty, &["-k", "--shell", "printf '%s\\n' {}"]);
    assert_eq!((quoted.status, quoted.stdout.as_str()), (0, nasty));
    // Within quotes of either sort the line may be split, but is not read.
    let within = map("$(echo bad)`echo bad`\n", &["--shell", "printf '%s\\n' \"<{}>\""]);
    let read: String = within.stdout.split_whitespace().collect();
    assert_eq!((within.status, read.as_str()), (0, "<$(echobad)`echobad`>"));
    let plain = map(nasty, &["-k", "printf", "%s\\n", "{}"]);
    assert_eq!((plain.status, plain.stdout.as_str()), (0, nasty));
}

#[test]
fn lines_can_end_with_zero_bytes() {
    let ran = map("a\nb\0c d\0", &["-0", "-k", "printf", "<%s>"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "<a\nb><c d>"));
    let ran = map("a\0b\n", &["echo"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("line 1: the line has a zero byte in it"), "{}", ran.stderr);
}

#[test]
fn failures_are_listed_with_their_codes() {
    let ran = map("0\n3\n", &["-k", "--shell", "echo ran {}; exit {}"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, "ran 0\nran 3\n"));
    assert_eq!(ran.stderr, "mproc: 1 of 2 jobs failed:\n  line 2: exit code 3: 3\n");
    let ran = map("x\n", &["no-such-program"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("line 1: there is no program no-such-program"), "{}", ran.stderr);
}

#[test]
fn jobs_are_told_of_as_json() {
    let script = "echo $1; echo e >&2; case $1 in 1) ;; 2) exit 9;; 3) kill -TERM $$;; esac";
    let ran = map("1\n2\n3\n", &["--json", "-k", "--shell", script]);
    let rows = rows(&ran);
    assert_eq!((ran.status, rows.len()), (1, 4));
    for row in &rows {
        assert_eq!(row["schema"], 1);
    }
    let of = |row: &Value| {
        ["job", "outcome", "code", "signal", "stdout", "stderr", "attempts"]
            .map(|field| row[field].to_string())
            .join(" ")
    };
    assert_eq!(of(&rows[0]), r#"1 "exited" 0 null "1\n" "e\n" 1"#);
    assert_eq!(of(&rows[1]), r#"2 "exited" 9 null "2\n" "e\n" 1"#);
    assert_eq!(of(&rows[2]), r#"3 "killed" null 15 "3\n" "e\n" 1"#);
    assert_eq!((&rows[3]["jobs"], &rows[3]["failed"]), (&3.into(), &2.into()));
    assert_eq!(rows[3]["stopped"], Value::Null);
}

#[test]
fn what_fails_is_tried_again_as_often_as_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tries").display().to_string();
    // The third time it works.
    let script = format!("echo x >> {file}; [ $(wc -l < {file}) -ge 3 ]");
    let ran = map("a\n", &["--json", "--retries", "5", "--shell", &script]);
    assert_eq!((ran.status, &rows(&ran)[0]["attempts"]), (0, &3.into()));
    let ran = map("a\n", &["--json", "--retries", "1", "false"]);
    assert_eq!((ran.status, &rows(&ran)[0]["attempts"]), (1, &2.into()));
}

#[test]
fn a_job_that_takes_too_long_is_killed_with_all_that_it_started() {
    let script = "echo $$; sleep 1000 & echo $!; setsid sleep 1000 & echo $!; wait";
    let ran = map("a\n", &["--json", "--timeout", "300ms", "--shell", script]);
    let rows = rows(&ran);
    assert_eq!((ran.status, &rows[0]["outcome"]), (1, &"timed-out".into()));
    let pids: Vec<u32> =
        rows[0]["stdout"].as_str().unwrap().lines().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 3);
    for pid in pids {
        assert!(!is_running_sleep(pid), "{pid}");
    }
}

#[test]
fn what_a_job_leaves_in_the_background_ends_with_it() {
    let ran = map("a\n", &["--shell", "sleep 1000 & echo $!; (setsid sleep 1000 & echo $!)"]);
    assert_eq!(ran.status, 0);
    assert_eq!(ran.stdout.lines().count(), 2);
    for pid in ran.stdout.lines() {
        assert!(!is_running_sleep(pid.parse().unwrap()), "{pid}");
    }
}

#[test]
fn first_failure_ends_all_if_that_is_asked_for() {
    // Without a halt this input has no end.
    let mut child = start(&["-j2", "--halt-on-error", "--shell", "[ $1 -ne 2 ] || exit 4"]);
    let mut stdin = child.process.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        // Until nobody reads any more.
        for number in 1_u64.. {
            if writeln!(stdin, "{number}").is_err() {
                break;
            }
        }
    });
    let (status, _, stderr) = child.end();
    writer.join().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("stopped: a job failed"), "{stderr}");
    assert!(stderr.contains("line 2: exit code 4: 2"), "{stderr}");
}

#[test]
fn results_come_while_the_input_goes_on() {
    let mut child = start(&["-j2", "echo"]);
    let mut stdin = child.process.stdin.take().unwrap();
    let mut out = BufReader::new(child.process.stdout.take().unwrap());
    for word in ["one", "two", "three"] {
        writeln!(stdin, "{word}").unwrap();
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), word);
    }
    drop(stdin);
    assert_eq!(child.end().0.code(), Some(0));
}

#[test]
fn progress_is_told() {
    let ran = map(&numbers(1..=3), &["--progress", "true"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, "3 done, 0 failed\n"));
}

#[test]
fn a_worker_that_is_killed_costs_its_job_a_try_and_nothing_is_left_of_it() {
    let mut child = start(&["--json", "-j1", "--retries", "1", "--shell", SLEEPERS]);
    let jobs = child.begin(1);
    // The shell's parent is the worker.
    let worker = parent_of(jobs[0].pid()).unwrap();
    kill(worker, Signal::KILL);
    wait_for_all(&jobs);
    // The second try.
    let again = child.begin_more(1);
    kill(parent_of(again[0].pid()).unwrap(), Signal::KILL);
    drop(child.process.stdin.take());
    let (status, stdout, _) = child.end();
    wait_for_all(&again);
    assert_eq!(status.code(), Some(1));
    let row: Value = serde_json::from_str(stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&row["outcome"], &row["attempts"]), (&"lost".into(), &2.into()));
}

#[test]
fn a_signal_ends_all_jobs() {
    for (name, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut child = start(&["-j3", "--shell", SLEEPERS]);
        let jobs = child.begin(3);
        kill(child.process.id(), name);
        let (status, _, stderr) = child.end();
        assert_eq!((status.code(), stderr.as_str()), (Some(code), "mproc: stopped: a signal\n"));
        wait_for_all(&jobs);
    }
}

#[test]
fn a_kill_of_mproc_ends_all_jobs() {
    let mut child = start(&["-j3", "--shell", SLEEPERS]);
    let jobs = child.begin(3);
    kill(child.process.id(), Signal::KILL);
    child.end();
    wait_for_all(&jobs);
}

#[test]
fn a_kill_of_the_keeper_ends_all_jobs() {
    let mut child = start(&["-j3", "--shell", SLEEPERS]);
    let jobs = child.begin(3);
    let worker = parent_of(jobs[0].pid()).unwrap();
    let keeper = parent_of(worker).unwrap();
    assert_eq!(parent_of(keeper), Some(child.process.id()));
    kill(keeper, Signal::KILL);
    let (status, _, stderr) = child.end();
    assert_eq!(status.code(), Some(2));
    assert!(stderr.contains("ended too early"), "{stderr}");
    // By then nothing is left, not even for a moment.
    for job in jobs {
        assert!(!ipc_core::is_alive(job).unwrap(), "{job}");
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    for wrong in [&["map"][..], &["map", "-j0", "x"], &["map", "--timeout", "never", "x"]] {
        let ran = crate::run::mproc(wrong);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{wrong:?}");
    }
}

/// A job that tells of the processes that it consists of, in a file, and never ends: itself, a child, one
/// in a session of its own, and an orphan.
const SLEEPERS: &str = "sleep 1000 & echo $! >> $PIDS; setsid sleep 1000 & echo $! >> $PIDS; \
    (setsid sleep 1000 & echo $! >> $PIDS); echo $$ >> $PIDS; wait";

/// A run that is still going on.
struct Started {
    process: Child,
    folder: tempfile::TempDir,
    n_seen: usize,
    _watch: Watchdog,
}

fn start(arguments: &[&str]) -> Started {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&["map"], arguments].concat();
    let process = command(&arguments)
        .env("PIDS", folder.path().join("pids"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let watch = Watchdog::start(Duration::from_secs(120), "a run of mproc map");
    Started { process, folder, n_seen: 0, _watch: watch }
}

impl Started {
    /// Has so many jobs begin, and waits until each is all there.
    fn begin(&mut self, jobs: u32) -> Vec<ProcessId> {
        let stdin = self.process.stdin.as_mut().unwrap();
        stdin.write_all(numbers(1..=jobs).as_bytes()).unwrap();
        self.begin_more(jobs)
    }

    /// Waits until so many more jobs are all there; the shell of the last is the first.
    fn begin_more(&mut self, jobs: u32) -> Vec<ProcessId> {
        let wanted = self.n_seen + 4 * jobs as usize;
        let found = loop {
            let text = fs::read_to_string(self.folder.path().join("pids")).unwrap_or_default();
            let found: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
            if text.ends_with('\n') && found.len() >= wanted {
                break found;
            }
            std::thread::yield_now();
        };
        let new = found[self.n_seen..].iter().rev();
        let ids: Vec<ProcessId> = new.map(|pid| ProcessId::of(*pid).unwrap().unwrap()).collect();
        self.n_seen = wanted;
        ids
    }

    /// Waits for its end; its status, and what it wrote.
    fn end(mut self) -> (ExitStatus, String, String) {
        let read = |pipe: Option<&mut dyn std::io::Read>| {
            let mut text = String::new();
            pipe.map(|pipe| pipe.read_to_string(&mut text).unwrap());
            text
        };
        let stdout = read(self.process.stdout.as_mut().map(|pipe| pipe as _));
        let stderr = read(self.process.stderr.as_mut().map(|pipe| pipe as _));
        (self.process.wait().unwrap(), stdout, stderr)
    }
}

/// Waits until all of them have ended; the watchdog knows for how long.
fn wait_for_all(processes: &[ProcessId]) {
    let _watch = Watchdog::start(Duration::from_secs(60), "the end of all jobs");
    for process in processes {
        if let Some(watch) = DeathWatch::open(*process).unwrap() {
            assert!(watch.wait(Deadline::NEVER).unwrap());
        }
    }
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

/// Whether the process lives, and is one of ours: the number may be another's by now.
fn is_running_sleep(pid: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    ["sleep\n", "sh\n"].contains(&name.as_str()) && !status.contains("State:\tZ")
}
