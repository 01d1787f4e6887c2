//! The programs of the cookbook: what they print, and that the page shows what is run here.

#![expect(clippy::unwrap_used, reason = "tests end when something is wrong")]

#[path = "common/programs.rs"]
mod programs;

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const PAGE: &str = include_str!("../../../docs/cookbook.md");

/// What a program prints.
fn lines_of(name: &str, arguments: &[&str]) -> Vec<String> {
    let output = programs::command(name).args(arguments).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{name}: {}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// That the page says of a program what it has printed just now.
#[track_caller]
fn assert_shown(lines: &[String]) {
    let block = format!("```text\n{}\n```", lines.join("\n"));
    assert!(PAGE.contains(&block), "docs/cookbook.md does not show this output:\n{block}");
}

/// A program that goes on, and ends with the test.
struct Going {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Going {
    fn new(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What it prints next, behind these words.
    #[track_caller]
    fn next_behind(&mut self, words: &str) -> String {
        let line = self.lines.next().unwrap().unwrap();
        assert!(line.starts_with(words), "{line}");
        line[words.len()..].to_owned()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        // If it has ended already, all the better.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn the_page_shows_every_program_as_it_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cookbook");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let language = if path.extension().unwrap() == "rs" { "rust" } else { "python" };
        let program = std::fs::read_to_string(&path).unwrap();
        let block = format!("```{language}\n{program}```\n");
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(PAGE.contains(&block), "docs/cookbook.md does not show {name} as it is");
        assert!(PAGE.contains(&format!("examples/cookbook/{name}")), "{name} is not named");
        count += 1;
    }
    assert_eq!(count, 11, "ten tasks, one of them with a program in Python");
    assert_eq!(PAGE.matches("\n## ").count(), 10);
}

#[test]
fn crashing_parser() {
    let lines = lines_of("crashing_parser", &[]);
    assert_eq!(lines.len(), 4);
    assert_shown(&lines);
}

#[test]
fn solver_limit() {
    let lines = lines_of("solver_limit", &["2"]);
    assert_eq!(lines[1], "modulo 5: out of time");
    assert_shown(&lines);
}

#[test]
fn large_array() {
    let lines = lines_of("large_array", &["8"]);
    assert_eq!(lines, ["1048576 values, sum 524288"]);
    assert!(PAGE.contains("1342177280 values, sum 671088640"), "as many as are in 10 GiB");
}

#[test]
fn prefork() {
    let mut server = Going::new(programs::command("prefork").arg("127.0.0.1:0"));
    let address = server.next_behind("listening on ");
    let ask = |path: &str| {
        let mut client = TcpStream::connect(&address).unwrap();
        write!(client, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        // A worker that crashes may have left some of the request unread.
        client.read_to_string(&mut answer).ok();
        let pid = answer.split_once("from worker ").map(|(_, pid)| pid.trim().to_owned());
        pid.filter(|_| answer.starts_with("HTTP/1.0 200 OK\r\n"))
    };
    let mut pids = vec![ask("/").unwrap()];
    // Both of the first two, and whoever takes the place of the first to go.
    for _ in 0..3 {
        assert_eq!(ask("/crash"), None);
        server.next_behind("a worker ended: killed by SIGABRT");
        pids.push(ask("/").unwrap());
    }
    assert_ne!(pids[0], pids[3]);
    // However the server ends, nobody is left who listens; only workers have the socket.
    server.kill();
    while TcpStream::connect(&address).is_ok() {}
}

#[test]
fn progress() {
    let lines = lines_of("progress", &["10000"]);
    assert_eq!(lines, ["6171 takes 261 steps"]);
    assert_shown(&lines);
}

#[test]
fn stream() {
    let lines = lines_of("stream", &[]);
    assert_eq!(lines, ["1000 values, sum 249750; the producer: exit code 0"]);
    assert_shown(&lines);
    let lines = lines_of("stream", &["crash"]);
    assert_eq!(lines, ["500 values, sum 62375; the producer: killed by SIGABRT"]);
    assert_shown(&lines);
}

#[test]
fn supervise() {
    let lines = lines_of("supervise", &["echo fine", "exit 3", "kill -9 $$"]);
    let of = |words: &str| -> Vec<&str> {
        let said = lines.iter().map(String::as_str).filter(|line| line.starts_with(words));
        said.map(|line| line[words.len()..].trim_start_matches(", ")).collect()
    };
    let failed = ["attempt 1: ", "attempt 2: ", "attempt 3: "];
    let expected = |how: &str| {
        [failed.map(|it| it.to_owned() + how).to_vec(), vec![" is given up".to_owned()]].concat()
    };
    assert_eq!(of("fine"), [""]);
    assert_eq!(of("\"echo fine\""), ["attempt 1: exit code 0"]);
    assert_eq!(of("\"exit 3\""), expected("exit code 3"));
    assert_eq!(of("\"kill -9 $$\""), expected("killed by SIGKILL"));
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().all(|line| PAGE.contains(line)), "the page shows each line");
}

#[test]
fn named_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("count.txt");
    std::fs::write(&path, "0\n").unwrap();
    let name = format!("multiproc-cookbook-{}", multiproc::current().pid());
    let with = |times: &str| {
        let mut command = programs::command("named_lock");
        command.arg(&name).arg(&path).arg(times);
        Going::new(&mut command)
    };
    // One never comes to its end, and is killed somewhere.
    let mut doomed = with("1000000");
    let mut others: Vec<Going> = (0..3).map(|_| with("100")).collect();
    while std::fs::read_to_string(&path).unwrap().trim() == "0" {
        assert_eq!(doomed.child.try_wait().unwrap(), None);
    }
    doomed.kill();
    for other in &mut others {
        assert!(other.child.wait().unwrap().success());
        let said: Vec<String> = other.lines.by_ref().map(Result::unwrap).collect();
        assert_eq!(said.last().unwrap(), "added 100");
        assert!(said[..said.len() - 1].iter().all(|line| line == "somebody was killed here"));
    }
    // What it had begun when it was killed is not in the file; what it had done is.
    let count: u64 = std::fs::read_to_string(&path).unwrap().trim().parse().unwrap();
    assert!(count >= 300, "{count}");
    std::fs::write(&path, "0\n").unwrap();
    assert!(with("5").child.wait().unwrap().success());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "5\n");
    assert!(lines_of("named_lock", &[&name]).is_empty());
    let gone = programs::command("named_lock").arg(&name).stderr(Stdio::null()).status().unwrap();
    assert!(!gone.success(), "the name is given up already");
}

#[test]
fn remote_work() {
    const JOBS: u64 = 20_000;
    let mut serve = programs::command("remote_work");
    let mut server = Going::new(serve.args(["serve", "127.0.0.1:0", &JOBS.to_string()]));
    let address = server.next_behind("listening on ");
    let work = || {
        let mut command = programs::command("remote_work");
        Going::new(command.args(["work", &address]))
    };
    let mut workers = [work(), work(), work()];
    workers[0].kill();
    let sum = server.next_behind("sum of squares: ");
    assert_eq!(sum, (1..=JOBS).map(|n| n * n).sum::<u64>().to_string());
    assert!(server.child.wait().unwrap().success());
    for worker in &mut workers[1..] {
        // The server is gone, and it says so.
        assert!(worker.child.wait().unwrap().code().is_some());
    }
}

#[test]
fn remote_manager() {
    const TIMES: u64 = 30;
    let mut serve = programs::command("remote_manager");
    let mut server = Going::new(serve.args(["serve", "127.0.0.1:0"]));
    let address = server.next_behind("listening on ");
    let run = |arguments: &[&str]| {
        let mut command = programs::command("remote_manager");
        Going::new(command.args(arguments))
    };
    let names = ["ada", "bob", "eve"];
    let counting = names.map(|name| run(&["count", &address, name, &TIMES.to_string()]));
    let mut said = names.map(|_| server.next_behind(""));
    said.sort();
    assert_eq!(said, names.map(|name| format!("{name} has counted to {TIMES}")));
    for mut program in counting {
        assert!(program.child.wait().unwrap().success());
    }
    assert!(run(&["stop", &address]).child.wait().unwrap().success());
    let expected = r#"[("ada", 30), ("all", 90), ("bob", 30), ("eve", 30)]"#;
    assert_eq!(server.next_behind(""), expected);
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn from_python() {
    let lines = lines_of("from_python", &[]);
    assert_eq!(lines, ["[(2, 1), (3, 2), (4, 3), (5, 1), (6, 1), (9, 1)]", "40"]);
    assert_shown(&lines);
}
