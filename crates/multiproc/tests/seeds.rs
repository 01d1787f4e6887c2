//! The programs of the seed articles: what they print.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests end when something is wrong")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The programs by their names, built once.
fn programs() -> &'static BTreeMap<String, PathBuf> {
    static PROGRAMS: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "multiproc", "--examples"]);
        build.args(["--message-format", "json"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = build.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).unwrap();
        let messages = messages.lines().flat_map(serde_json::from_str::<Value>);
        let named = messages.filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, PathBuf::from(message["executable"].as_str()?)))
        });
        named.collect()
    })
}

fn command(name: &str) -> Command {
    let mut command = Command::new(&programs()[name]);
    command.env("SEEDS_SECOND", "100");
    command
}

/// What a program prints, with everybody it leaves behind.
fn lines_of(name: &str) -> (u32, Vec<String>) {
    let child = command(name).stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name}: {}", output.status);
    (pid, String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// The number that stands behind the words.
#[track_caller]
fn number_after(line: &str, words: &str) -> u32 {
    let (_, rest) = line.split_once(words).unwrap_or_else(|| panic!("{line:?}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn p01_fork() {
    let (pid, lines) = lines_of("p01");
    assert_eq!(lines[0], format!("Process ({pid}) start..."), "once");
    let rest = sorted(lines[1..].to_vec());
    let child = number_after(&rest[0], "created a child process (");
    assert_eq!(rest[0], format!("I ({pid}) just created a child process ({child})."));
    // Its parent may have ended meanwhile, and it have another one.
    assert!(rest[1].starts_with(&format!("I am child process ({child}) and my parent is ")));
    assert_eq!(rest.len(), 2);
}

#[test]
fn p02_process() {
    let (pid, lines) = lines_of("p02");
    let child = number_after(&lines[2], "(");
    assert_ne!(child, pid);
    let expected = [
        format!("Parent process {pid}."),
        "Child process will start.".to_owned(),
        format!("Run child process test ({child})..."),
        "Child process end.".to_owned(),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn p07_pipe() {
    let (pid, lines) = lines_of("p07");
    let sent: Vec<_> = lines.iter().filter(|line| line.contains("send:")).collect();
    let received: Vec<_> = lines.iter().filter(|line| line.contains("rev:")).collect();
    assert_eq!((sent.len(), received.len(), lines.len()), (10, 10, 21));
    let (sender, receiver) = (number_after(sent[0], "("), number_after(received[0], "("));
    assert!(sender != receiver && sender != pid && receiver != pid);
    for (n, (sent, received)) in sent.into_iter().zip(received).enumerate() {
        assert_eq!(*sent, format!("process({sender}) send:url_{n}"));
        assert_eq!(*received, format!("Process({receiver}) rev:url_{n}"));
    }
    // Where Python's program hangs, for the receiver has the other end too.
    assert_eq!(lines.last().unwrap(), "Both have ended.");
}

#[test]
fn p08_call() {
    let (_, lines) = lines_of("p08");
    let expected = [
        "$ echo www.python.org",
        "www.python.org",
        "Exit code: 0",
        "$ exit 3",
        "Exit code: 3",
        "$ kill -9 $$",
        "It was killed by SIGKILL",
        "$ no-such-tool",
        "there is no program no-such-tool",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn p09_communicate() {
    let (_, lines) = lines_of("p09");
    assert_eq!(lines, ["$ cat", "set q=mx", "python.org", "exit", "Exit code: 0"]);
}

#[test]
fn p10_branches() {
    let (_, lines) = lines_of("p10");
    assert_eq!(sorted(lines), ["Child process executing", "Parent process executing"]);
}

#[test]
fn p11_common_code() {
    let (pid, lines) = lines_of("p11");
    let common = "Both processes execute this code";
    assert_eq!(lines.iter().filter(|line| *line == common).count(), 2);
    let rest = sorted(lines.into_iter().filter(|line| line != common).collect());
    let child = number_after(&rest[0], "pid=");
    assert!(rest[0].starts_with(&format!("Child process: pid={child}, parent=")));
    assert_eq!(rest[1..], [format!("Parent process: pid={pid}, child={child}")]);
}

#[test]
fn p12_wait() {
    let (pid, lines) = lines_of("p12");
    let (first, last) = lines.split_at(6);
    let mut first = first.to_vec();
    // The first two come in any order.
    first.sort_by_key(|line| !line.starts_with("Parent"));
    assert_eq!(first[0], format!("Parent {pid} waiting..."));
    let child = number_after(&first[1], "Child ");
    assert_eq!(first[1..], vec![format!("Child {child} working..."); 5]);
    assert_eq!(last, [format!("Reclaimed child: {child}, status: 0"), "Cleanup complete".into()]);
}

#[test]
fn p13_orphan() {
    let mut command = command("p13");
    let child = command.env("SEEDS_SECOND", "1").stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let (of_parent, of_child): (Vec<_>, Vec<_>) =
        text.lines().partition(|line| line.starts_with("Parent"));
    assert_eq!(of_parent, [format!("Parent {pid} completed")]);
    assert_eq!(of_child.len(), 100);
    assert_ne!(number_after(of_child[99], "parent "), pid, "it has another parent");
}

#[test]
fn p14_zombie() {
    let mut parent = command("p14").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut exiting = None;
    let has_zombie = |line: &str, pid: u32| line.ends_with(&format!("has zombies: [{pid}]"));
    for line in lines {
        if line.starts_with("Child") {
            exiting = Some(number_after(&line, "Child "));
        }
        if exiting.is_some_and(|pid| has_zombie(&line, pid)) {
            break;
        }
    }
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", exiting.unwrap())).unwrap();
    assert!(stat.contains(") Z "), "{stat}");
    parent.kill().unwrap();
    parent.wait().unwrap();
}

#[test]
fn p15_counters() {
    let (_, lines) = lines_of("p15");
    assert_eq!(lines, ["Child process: counter=1", "Parent process: counter=1"]);
}

#[test]
fn p16_task() {
    let (pid, lines) = lines_of("p16");
    let child = number_after(&lines[2], "pid=");
    let expected = [
        format!("Parent process: {pid}"),
        "Child process starting".to_owned(),
        format!("Child process running: name=test, pid={child}"),
        "Child process finished".to_owned(),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn p17_terminate() {
    let (_, lines) = lines_of("p17");
    let (last, rounds) = lines.split_last().unwrap();
    assert_eq!(
        last,
        "Child process terminated: the process was killed by SIGTERM before its function returned"
    );
    // Two in an idle machine; the last one may be cut in the middle.
    assert!(rounds.len() <= 20, "{lines:?}");
    for (n, line) in rounds.iter().enumerate() {
        match n % 2 {
            0 => assert!(line.starts_with("Child running: name=test, age=18, pid="), "{line}"),
            _ => assert_eq!(line, r#"Extra args: {"m": 20}"#),
        }
    }
}

#[test]
fn p18_attributes() {
    // At its own speed: who is first shall not hang on how busy the machine is.
    let output = command("p18").env_remove("SEEDS_SECOND").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let place = |words: &str| {
        let found = lines.iter().position(|line| line.starts_with(words));
        found.unwrap_or_else(|| panic!("{words}: {lines:?}"))
    };
    place("p2 running: true");
    place("p1.name=Process-1, p1.pid=");
    place("p2.name=WorkerTwo, p2.pid=");
    place("Worker 1 starting, pid=");
    assert!(place("Worker 2 completed after 1.00") < place("Worker 1 completed after 2.00"));
    assert_eq!(lines.last(), Some(&"p1 still running: false"));
    assert_eq!(lines.len(), 8);
}

#[test]
fn p19_object() {
    let (pid, lines) = lines_of("p19");
    assert_eq!(lines[0], "Main process");
    let mut middle = lines[1..3].to_vec();
    middle.sort();
    let child = number_after(&middle[0], "Child ");
    assert_eq!(middle[0], format!("Child {child} starting, parent: {pid}"));
    assert_eq!(middle[1], "Its name: CustomProcess-1");
    assert_eq!(lines[3], format!("{child} finished in 2.00s"));
    let total = lines[4].strip_prefix("Total time: ").and_then(|rest| rest.strip_suffix('s'));
    assert!(total.unwrap().parse::<f64>().unwrap() >= 0.2);
}

#[test]
fn p26_names() {
    let (_, lines) = lines_of("p26");
    let expected: Vec<String> =
        (0..4).map(|n| format!("Child process worker-{n} is running")).collect();
    assert_eq!(sorted(lines), expected);
}

#[test]
fn p28_pipe() {
    let (_, lines) = lines_of("p28");
    assert_eq!(lines, ["Received message: Hello from sender!"]);
}

#[test]
fn p36_all_of_a_pipe() {
    let (_, lines) = lines_of("p36");
    let expected = [
        "poll: false",
        "poll: true",
        "recv: data",
        "recv_bytes: \"some bytes\"",
        "recv_bytes_into: 10 \"more bytes..\"",
        "fileno: true",
        "closed: true",
        "recv: the other end is closed",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn p29_value_and_array() {
    let (_, lines) = lines_of("p29");
    assert_eq!(lines, ["1", "[2.0, 4.0, 6.0]"]);
}

#[test]
fn p39_what_can_be_shared() {
    let (_, lines) = lines_of("p39");
    let expected = [
        "value: 10",
        "array: [11, 0, 0]",
        "map: {1: 0.5}",
        "vec: [12]",
        "list: [Str(\"first\"), Str(\"text\")]",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn sums_of_parts_come_to_the_whole() {
    let output = command("sum").arg("1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let million = 1_u64 << 20;
    assert!(text.contains(&format!("processes: {}, in ", million * (million - 1) / 2)), "{text}");
}
