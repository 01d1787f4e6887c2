//! `mproc doctor`: what it finds here, under limits, and of names that were left behind.

use std::fs;

use ipc_core::Segment;
use ipc_sync::Lock;
use serde_json::Value;

use crate::run::{Ran, command, own_pid};

fn examine(with: &[&str]) -> (i32, Value) {
    let ran = doctor(with);
    (ran.status, serde_json::from_str(&ran.stdout).unwrap())
}

/// Runs it in a shell, after these words.
fn doctor(words: &[&str]) -> Ran {
    let program = command(&[]).get_program().to_owned();
    let script = format!("{} exec \"$0\" doctor --json", words.join(" "));
    let output = std::process::Command::new("sh").arg("-c").arg(script).arg(program).output();
    let output = output.unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What it says of something.
fn of<'e>(examination: &'e Value, name: &str) -> Option<&'e Value> {
    let checks = examination["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"].as_str().unwrap().contains(name))
}

#[test]
fn what_programs_need_is_there() {
    let (status, examination) = examine(&[]);
    assert_eq!(examination["schema"], 1);
    assert_eq!(examination["well"], status == 0);
    let checks = examination["checks"].as_array().unwrap();
    for group in ["limits", "cgroup", "kernel", "names"] {
        assert!(checks.iter().any(|check| check["group"] == group), "{group}");
    }
    // All other tests of this workspace need it too.
    for check in checks.iter().filter(|check| check["group"] == "kernel") {
        assert_ne!(check["state"], "problem", "{check:#}");
    }
}

#[test]
fn a_limit_that_is_too_low_is_a_problem_with_advice() {
    let (status, examination) = examine(&["ulimit -n 48;"]);
    assert_eq!((status, &examination["well"]), (1, &false.into()));
    let found = of(&examination, "RLIMIT_NOFILE").unwrap();
    assert_eq!((&found["state"], &found["found"]), (&"problem".into(), &"48".into()));
    assert!(found["advice"].as_str().unwrap().contains("ulimit -n"));
    let (_, examination) = examine(&["ulimit -n 1000;"]);
    assert_eq!(of(&examination, "RLIMIT_NOFILE").unwrap()["state"], "hint");
}

#[test]
fn a_name_is_left_behind_only_if_nobody_has_it_open() {
    let name = format!("mproc-doctor-test-{}", own_pid());
    let lock = Lock::create_named(&name).unwrap();
    let while_open = examine(&[]).1;
    drop(lock);
    let (status, left) = examine(&[]);
    Segment::unlink(&name).unwrap();
    assert!(of(&while_open, &name).is_none());
    let found = of(&left, &name).unwrap();
    assert_eq!((status, &found["state"], &found["group"]), (1, &"problem".into(), &"names".into()));
    assert!(found["advice"].as_str().unwrap().ends_with(&format!("rm -- '/dev/shm/{name}'")));
    assert!(found["found"].as_str().unwrap().contains("4.0 KiB, user "), "{found}");
}

#[test]
fn somebody_elses_files_are_left_alone() {
    let path = format!("/dev/shm/mproc-not-ours-{}", own_pid());
    fs::write(&path, "something else").unwrap();
    let (_, examination) = examine(&[]);
    fs::remove_file(&path).unwrap();
    assert!(of(&examination, "mproc-not-ours").is_none());
}

#[test]
fn people_are_told_in_words() {
    let ran = crate::run::mproc(&["doctor"]);
    assert!([0, 1].contains(&ran.status));
    let last = ran.stdout.lines().last().unwrap();
    assert_eq!(last == "All is well.", ran.status == 0, "{last}");
    assert!(ran.stdout.contains("memory with a name (O_TMPFILE, linkat)"));
}
