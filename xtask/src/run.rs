//! Running programs: said aloud, ended when the time is up.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::complaints::Complaints;
use crate::failure::{Failure, Result};

/// When the programs of this run are ended; never, if nobody said so.
static END: OnceLock<Instant> = OnceLock::new();

/// Ends every program that still runs at `end`.
///
/// Only the first call counts: a command inside another does not get more time than that.
pub(crate) fn end_by(end: Instant) {
    END.get_or_init(|| end);
}

/// Runs a program that prints for itself.
pub(crate) fn program(program: &mut Command) -> Result {
    say(program);
    let child = start(program)?;
    finish(program, child)
}

/// Runs a program, prints each line of its standard output and hands it on.
pub(crate) fn lines(program: &mut Command, mut each: impl FnMut(&str)) -> Result {
    say(program);
    capture(program, |line| {
        println!("{line}");
        each(line);
    })
}

/// Runs a program full of tests; a failure says what failed, and why.
pub(crate) fn tests(program: &mut Command) -> Result {
    // Panics are part of what is tested: their backtraces would bury the others.
    program.env("RUST_BACKTRACE", "0");
    say(program);
    let mut child = start(program.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut complaints = Complaints::default();
    let Complaints { said, cried } = &mut complaints;
    let ended = under_watch(program, child, END.get().copied(), || {
        thread::scope(|scope| {
            let aside = scope.spawn(|| {
                stderr.map_or(Ok(()), |stderr| {
                    for_each_line(stderr, &mut |line| {
                        println!("{line}");
                        cried.hear(line);
                    })
                })
            });
            let read = stdout.map_or(Ok(()), |stdout| {
                for_each_line(stdout, &mut |line| {
                    println!("{line}");
                    said.hear(line);
                })
            });
            aside.join().unwrap_or(Ok(())).and(read)
        })
    });
    ended.map_err(|failure| match complaints.is_empty() {
        true => failure,
        false => Failure::new(format!("{failure}\n{complaints}")),
    })
}

/// Runs a program and hands on each line of its standard output, which nobody else sees.
pub(crate) fn capture(program: &mut Command, mut each: impl FnMut(&str)) -> Result {
    let mut child = start(program.stdout(Stdio::piped()))?;
    let stdout = child.stdout.take();
    under_watch(program, child, END.get().copied(), move || {
        stdout.map_or(Ok(()), |stdout| for_each_line(stdout, &mut each))
    })
}

/// Runs a program and hands on each line of its standard error, which nobody else sees.
pub(crate) fn errors(program: &mut Command, mut each: impl FnMut(&str)) -> Result {
    say(program);
    let mut child = start(program.stderr(Stdio::piped()))?;
    let stderr = child.stderr.take();
    under_watch(program, child, END.get().copied(), move || {
        stderr.map_or(Ok(()), |stderr| for_each_line(stderr, &mut each))
    })
}

/// The command line as one would type it.
pub(crate) fn said(program: &Command) -> String {
    let name = std::path::Path::new(program.get_program()).file_name();
    let name = name.unwrap_or(program.get_program());
    let mut words = vec![];
    for (key, value) in program.get_envs() {
        // What cargo tells every program is not worth telling anybody.
        if let Some(value) = value.filter(|_| key != "CARGO_MANIFEST_DIR") {
            words.push(format!("{}={}", key.display(), quoted(&value.to_string_lossy())));
        }
    }
    words.push(name.to_string_lossy().into_owned());
    words.extend(program.get_args().map(|arg| quoted(&arg.to_string_lossy())));
    words.join(" ")
}

fn say(program: &Command) {
    println!("    $ {}", said(program));
}

fn quoted(word: &str) -> String {
    if word.contains([' ', '\u{1f}', '*', '\'']) { format!("{word:?}") } else { word.to_owned() }
}

fn start(program: &mut Command) -> Result<Child> {
    program.spawn().map_err(|error| Failure::io(format!("run `{}`", said(program)), &error))
}

fn finish(program: &Command, child: Child) -> Result {
    under_watch(program, child, END.get().copied(), || Ok(()))
}

/// Does `work` and waits for the child, which is ended at `end`.
fn under_watch(
    program: &Command,
    mut child: Child,
    end: Option<Instant>,
    work: impl FnOnce() -> std::io::Result<()>,
) -> Result {
    let (done, watched) = mpsc::channel::<()>();
    let pid = child.id();
    let watch = end.map(|end| {
        thread::spawn(move || {
            let left = end.saturating_duration_since(Instant::now());
            let late = watched.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                kill_tree(pid);
            }
            late
        })
    });
    let worked = work();
    let status = child.wait();
    drop(done);
    let late = watch.is_some_and(|watch| watch.join().unwrap_or(false));
    if late {
        return Err(Failure::new(format!("`{}` ran out of time and was ended", said(program))));
    }
    worked.map_err(|error| Failure::io(format!("read from `{}`", said(program)), &error))?;
    let status =
        status.map_err(|error| Failure::io(format!("wait for `{}`", said(program)), &error))?;
    judge(program, status)
}

fn judge(program: &Command, status: ExitStatus) -> Result {
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("`{}` failed: {status}", said(program))))
    }
}

/// Calls `each` for every line, whatever bytes are in it.
fn for_each_line(from: impl Read, each: &mut impl FnMut(&str)) -> std::io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = vec![];
    while from.read_until(b'\n', &mut line)? > 0 {
        each(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        line.clear();
    }
    Ok(())
}

/// Kills a child of ours and everything that descends from it.
fn kill_tree(root: u32) {
    // What is started between this look and the kill escapes. Such a process has lost all that it
    // worked for, and the tests' own watchdogs end it.
    let mut doomed = vec![root];
    let parents = parents();
    let mut next = 0;
    while let Some(&pid) = doomed.get(next) {
        doomed.extend(parents.iter().filter(|&(_, &parent)| parent == pid).map(|(&pid, _)| pid));
        next += 1;
    }
    for pid in doomed {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        // One that has ended meanwhile is as good as killed.
        pid.map(|pid| kill_process(pid, Signal::KILL).ok());
    }
}

/// Each process of this machine, and its parent.
fn parents() -> HashMap<u32, u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((pid, parent_in(&stat)?))
        })
        .collect()
}

/// The parent that a line of `/proc/PID/stat` names.
///
/// The name of the program comes before it, in brackets, and may hold brackets and blanks.
fn parent_in(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_an_odd_name() {
        assert_eq!(parent_in("42 (a) (b c) S 7 42 42 0"), Some(7));
        assert_eq!(parent_in("42 no brackets"), None);
    }

    #[test]
    fn a_program_that_fails_is_a_failure() {
        assert!(program(&mut Command::new("true")).is_ok());
        let failure = program(&mut Command::new("false")).unwrap_err();
        assert!(failure.to_string().starts_with("`false` failed"), "{failure}");
        assert!(program(&mut Command::new("/no/such/program")).is_err());
    }

    #[test]
    fn every_line_is_handed_on_even_the_last_without_an_end() {
        let mut seen = vec![];
        let mut echo = Command::new("printf");
        capture(echo.arg("one\\ntwo \\377\\nthree"), |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one", "two \u{fffd}", "three"]);
    }

    #[test]
    fn the_lines_of_both_outputs_are_told_apart() {
        let (mut out, mut err) = (vec![], vec![]);
        let shell = || {
            let mut shell = Command::new("sh");
            shell.args(["-c", "echo said; echo complained >&2"]);
            shell
        };
        capture(shell().stderr(Stdio::null()), |line| out.push(line.to_owned())).unwrap();
        errors(shell().stdout(Stdio::null()), |line| err.push(line.to_owned())).unwrap();
        assert_eq!((out, err), (vec!["said".to_owned()], vec!["complained".to_owned()]));
    }

    #[test]
    fn killing_a_tree_ends_the_grandchildren_too() {
        // The grandchild holds the pipe; the read ends only when it is dead as well.
        let mut shell = Command::new("sh");
        let mut child =
            shell.args(["-c", "sleep 1000 & wait"]).stdout(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        while !parents().values().any(|&parent| parent == pid) {
            thread::yield_now();
        }
        kill_tree(pid);
        let mut rest = vec![];
        child.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_program_that_runs_out_of_time_is_ended() {
        let mut sleep = Command::new("sleep");
        let child = start(sleep.arg("1000")).unwrap();
        let failure = under_watch(&sleep, child, Some(Instant::now()), || Ok(())).unwrap_err();
        assert_eq!(failure.to_string(), "`sleep 1000` ran out of time and was ended");
        let child = start(&mut Command::new("true")).unwrap();
        let end = Instant::now() + std::time::Duration::from_secs(1000);
        assert!(under_watch(&sleep, child, Some(end), || Ok(())).is_ok());
    }

    #[test]
    fn a_command_is_said_as_one_would_type_it() {
        let mut command = Command::new("/somewhere/cargo");
        command.args(["test", "--cfg x"]).env("A", "1");
        assert_eq!(said(&command), "A=1 cargo test \"--cfg x\"");
    }
}
