//! `mproc top`: rows for programs, and what it says where it cannot draw.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Stdio};
use std::time::Duration;

use ipc_sync::Lock;
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use serde_json::Value;
use testkit::Watchdog;

use crate::run::{command, mproc, signal};

#[test]
fn each_look_is_a_row() {
    let lock = Lock::new().unwrap();
    let _held = lock.lock().unwrap();
    let ran = mproc(&["top", "--json", "--count", "3", "--interval", "10ms"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let rows: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    let id = lock.segment().id().to_string();
    for row in rows {
        assert_eq!(row["schema"], 1);
        assert!(row["processes"].is_array());
        let objects = row["objects"].as_array().unwrap();
        let seen = objects.iter().find(|object| object["id"] == *id).unwrap();
        assert_eq!((&seen["what"], &seen["depth"]), (&"Lock".into(), &1.into()));
    }
}

#[test]
fn rows_go_on_until_a_signal_comes() {
    let _watch = Watchdog::start(Duration::from_secs(60), "a run of mproc top");
    let mut child =
        command(&["top", "--json", "--interval", "10ms"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut rows = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        assert!(rows.next().unwrap().unwrap().starts_with(r#"{"schema":1,"#));
    }
    signal(child.id(), Signal::TERM);
    // Whoever writes must not wait for us.
    rows.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn where_there_is_no_terminal_it_says_what_else_to_do() {
    let ran = mproc(&["top"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.starts_with("mproc: this is no terminal: `mproc ps`"), "{}", ran.stderr);
}

/// A terminal with the program on it, and us at it.
struct Sitting {
    keys: File,
    screen: File,
    child: Child,
    before: Termios,
    _watch: Watchdog,
}

/// Starts it on a terminal of so many columns and rows, and waits until it has drawn something with these
/// words.
fn sit_down(columns: u16, rows: u16, words: &str) -> Sitting {
    let watch = Watchdog::start(Duration::from_secs(60), "a run of mproc top on a terminal");
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let screen = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&screen, size).unwrap();
    let before = tcgetattr(&screen).unwrap();
    let child = command(&["top", "--interval", "50ms"])
        .stdin(screen.try_clone().unwrap())
        .stdout(screen.try_clone().unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut sitting = Sitting { keys: File::from(ours), screen, child, before, _watch: watch };
    sitting.read_until(words);
    sitting
}

impl Sitting {
    /// Reads what it draws until it has drawn these words.
    fn read_until(&mut self, words: &str) {
        let (mut text, mut bytes) = (String::new(), [0; 4096]);
        while !text.contains(words) {
            let count = self.keys.read(&mut bytes).unwrap();
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// Waits for its end, and checks that the terminal is as it was.
    fn end(mut self) -> Option<i32> {
        const LEAVE_THE_OTHER_SCREEN: &str = "\x1b[?1049l";

        self.read_until(LEAVE_THE_OTHER_SCREEN);
        let status = self.child.wait().unwrap();
        let after = tcgetattr(&self.screen).unwrap();
        assert_eq!(
            (after.local_modes, after.input_modes, after.output_modes),
            (self.before.local_modes, self.before.input_modes, self.before.output_modes)
        );
        status.code()
    }
}

#[test]
fn keys_quit_and_the_terminal_is_as_it_was() {
    for key in [b"q", b"\x03"] {
        let mut sitting = sit_down(120, 30, "mproc top");
        let raw = tcgetattr(&sitting.screen).unwrap();
        assert_ne!(raw.local_modes, sitting.before.local_modes);
        sitting.keys.write_all(key).unwrap();
        assert_eq!(sitting.end(), Some(0));
    }
}

#[test]
fn a_signal_quits_and_the_terminal_is_as_it_was() {
    let sitting = sit_down(120, 30, "mproc top");
    signal(sitting.child.id(), Signal::TERM);
    assert_eq!(sitting.end(), Some(143));
}

#[test]
fn a_terminal_that_is_too_small_is_told_to_be_so() {
    let mut sitting = sit_down(30, 5, "small");
    sitting.keys.write_all(b"q").unwrap();
    assert_eq!(sitting.end(), Some(0));
}
