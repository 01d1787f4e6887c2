//! The programs of the seed articles: what they print.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests end when something is wrong")]

#[path = "common/programs.rs"]
mod programs;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

fn command(name: &str) -> Command {
    let mut command = programs::command(name);
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

/// The lines of a pool's tasks: how many ran at the same time at most, in which order they began, and
/// in how many processes.
fn tasks_of(lines: &[String], begins: &str, ends: &str) -> (usize, Vec<u32>, usize) {
    let (mut running, mut most, mut order) = (0_usize, 0, Vec::new());
    let mut pids = BTreeSet::new();
    for line in lines.iter().filter(|line| line.contains("ask ")) {
        if line.contains(begins) {
            running += 1;
            order.push(number_after(line, "ask "));
            let mut numbers =
                line.split(|at: char| !at.is_ascii_digit()).filter(|it| !it.is_empty());
            pids.insert(numbers.next_back().unwrap());
        } else {
            assert!(line.contains(ends), "{line}");
            running = running.checked_sub(1).unwrap_or_else(|| panic!("{lines:?}"));
        }
        most = most.max(running);
    }
    assert_eq!(running, 0, "{lines:?}");
    (most, order, pids.len())
}

#[test]
fn p03_pool() {
    let (pid, lines) = lines_of("p03");
    assert_eq!(lines[0], format!("Parent process {pid}."));
    assert!(lines.iter().any(|line| line == "Waiting for all subprocesses done..."));
    assert_eq!(lines.last().unwrap(), "All subprocesses done.");
    let (_, mut order, _) = tasks_of(&lines, "Run task", "runs");
    order.sort_unstable();
    assert_eq!((order, lines.len()), (vec![0, 1, 2, 3, 4], 13));
}

#[test]
fn p04_pool_of_four() {
    let (_, lines) = lines_of("p04");
    let (most, order, n_pids) = tasks_of(&lines, "Run task", "runs");
    assert!(most <= 4 && n_pids <= 4, "{lines:?}");
    assert_eq!(*order.last().unwrap(), 4, "the fifth waits for a worker");
    let ended = lines.iter().position(|line| line.contains("runs")).unwrap();
    let fifth = lines.iter().position(|line| line.contains("Run task 4")).unwrap();
    assert!(ended < fifth, "{lines:?}");
    assert_eq!(lines.last().unwrap(), "All subprocesses done.");
}

/// A writer, a reader that is ended, and what they say of three letters.
fn assert_queue(lines: &[String]) {
    let of = |what: &str| -> Vec<&String> {
        lines.iter().filter(|line| line.starts_with(what) && line.contains("queue")).collect()
    };
    assert_eq!(of("Put "), ["A", "B", "C"].map(|it| format!("Put {it} to queue...")).each_ref());
    assert_eq!(of("Get "), ["A", "B", "C"].map(|it| format!("Get {it} from queue.")).each_ref());
    for it in ["A", "B", "C"] {
        let at = |line: String| lines.iter().position(|it| *it == line).unwrap();
        assert!(at(format!("Put {it} to queue...")) < at(format!("Get {it} from queue.")));
    }
    let ends = &lines[lines.len() - 2..];
    assert_eq!(ends, ["writer: exit code 0", "reader: killed by SIGTERM"]);
}

#[test]
fn p05_queue() {
    let (_, lines) = lines_of("p05");
    assert_eq!(lines.len(), 8);
    assert_queue(&lines);
}

#[test]
fn p06_queue() {
    let (_, lines) = lines_of("p06");
    assert_eq!(lines.len(), 10);
    assert_queue(&lines);
    let pid = |words| number_after(lines.iter().find(|it| it.starts_with(words)).unwrap(), words);
    assert_ne!(pid("Process to write: "), pid("Process to read: "));
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
fn p20_ten_tasks() {
    let (_, lines) = lines_of("p20");
    let (most, mut order, n_pids) = tasks_of(&lines, "starting", "done");
    assert!(most <= 3 && n_pids <= 3, "{lines:?}");
    order.sort_unstable();
    assert_eq!(order, (0..10).collect::<Vec<_>>());
    assert!(lines[..7].iter().any(|line| line == "=== Pool started ==="), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "=== All tasks finished ===");
    assert_eq!(lines.len(), 22);
}

#[test]
fn p21_one_after_the_other() {
    let (_, lines) = lines_of("p21");
    let (most, order, n_pids) = tasks_of(&lines, "starting", "done");
    assert_eq!((most, order, lines.len()), (1, (0..10).collect(), 20));
    assert!(n_pids <= 3);
}

#[test]
fn p22_callback() {
    let (pid, lines) = lines_of("p22");
    let worker = number_after(&lines[0], "Pool process: pid=");
    assert_ne!(worker, pid);
    let expected = [
        format!("Pool process: pid={worker}, parent={pid}"),
        "Working on 0".to_owned(),
        "Working on 1".to_owned(),
        "Working on 2".to_owned(),
        format!("Callback executing in: pid={pid}"),
        "Result: completed".to_owned(),
        format!("Main process: pid={pid}"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn p23_full_queue() {
    let (_, lines) = lines_of("p23");
    let full = "Queue full, current size: 3";
    assert_eq!(lines, ["false", "true", full, full, "Message 1", "Message 2", "Message 3"]);
}

#[test]
fn p24_producer_then_consumer() {
    let (_, lines) = lines_of("p24");
    let mut expected: Vec<_> = ["A", "B", "C"].map(|it| format!("Producing: {it}")).into();
    expected.extend(["A", "B", "C"].map(|it| format!("Consumed: {it}")));
    expected.push("All data produced and consumed".to_owned());
    assert_eq!(lines, expected);
}

#[test]
fn p25_queue_of_a_manager() {
    let (pid, lines) = lines_of("p25");
    assert_eq!(lines[0], format!("Main process: {pid}"));
    for (line, who) in [(1, "Writer"), (2, "Reader")] {
        let worker = number_after(&lines[line], "pid=");
        assert_eq!(lines[line], format!("{who} started: pid={worker}, parent={pid}"));
        assert_ne!(worker, pid);
    }
    assert_eq!(lines[3..9], ["P", "y", "t", "h", "o", "n"].map(|it| format!("Read: {it}")));
    assert_eq!(lines[9..], ["Done"]);
}

#[test]
fn p26_names() {
    let (_, lines) = lines_of("p26");
    let expected: Vec<String> =
        (0..4).map(|n| format!("Child process worker-{n} is running")).collect();
    assert_eq!(sorted(lines), expected);
}

#[test]
fn p27_end_of_the_queue() {
    let (_, lines) = lines_of("p27");
    for what in ["Produced", "Consumed"] {
        let said: Vec<_> = lines.iter().filter(|line| line.starts_with(what)).cloned().collect();
        assert_eq!(said, (0..5).map(|it| format!("{what} {it}")).collect::<Vec<_>>());
    }
    assert_eq!(lines[10..], ["exit code 0, exit code 0"]);
}

#[test]
fn p28_pipe() {
    let (_, lines) = lines_of("p28");
    assert_eq!(lines, ["Received message: Hello from sender!"]);
}

#[test]
fn p30_results() {
    let (_, lines) = lines_of("p30");
    let squares = "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]";
    assert_eq!(lines, [squares, "400", "0", "1", "4", "9", "16"]);
}

#[test]
fn p31_lock() {
    let (_, lines) = lines_of("p31");
    let mut found: Vec<_> =
        lines.iter().map(|line| line.split_once(" prints: ").unwrap()).collect();
    found.sort_by_key(|(_, item)| *item);
    let items: Vec<_> = found.iter().map(|(_, item)| *item).collect();
    assert_eq!(items, ["A", "B", "C", "D"]);
    for (number, (name, _)) in (1..).zip(found) {
        assert_eq!(name, format!("Process Process-{number}"));
    }
}

#[test]
fn p32_dict_and_list_of_a_manager() {
    let (_, lines) = lines_of("p32");
    let (last, entries) = lines.split_last().unwrap();
    // The manager has taken number 1.
    let expected: Vec<_> = (2..=5).map(|n| format!("Process-{n}: value")).collect();
    assert_eq!(sorted(entries.to_vec()), expected);
    assert_eq!(last, "4 pids, all of the children: true");
}

#[test]
fn p33_as_many_as_processors() {
    let (_, lines) = lines_of("p33");
    let count = number_after(&lines[0], "");
    assert!(count > 0);
    assert_eq!(lines, [format!("{count} processors, {count} workers")]);
}

#[test]
fn p34_locks_taken_again() {
    let (_, lines) = lines_of("p34");
    let (seconds, said) = lines.split_last().unwrap();
    assert!(seconds.parse::<f64>().unwrap() > 0.0);
    let mut numbers = Vec::new();
    for pair in said.iter().enumerate().filter(|(_, line)| *line == "start").map(|(at, _)| at) {
        // `end` is said behind the locks, so it may come between; nobody's `start` does.
        let run = said[pair + 1..].iter().find(|line| *line != "end").unwrap();
        numbers.push(number_after(run, "run---- "));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..12).collect::<Vec<_>>());
    assert_eq!(said.iter().filter(|line| *line == "end").count(), 12);
}

#[test]
fn p35_event() {
    let (_, lines) = lines_of("p35");
    let mut expected = Vec::new();
    for number in 0..10_usize {
        expected.extend(std::iter::repeat_n("clear", 5_usize.saturating_sub(number)));
        expected.extend(std::iter::repeat_n("set", 11 - number.max(5)));
        expected.push("exit");
    }
    assert_eq!(lines, expected);
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
fn p37_reader_that_is_ended() {
    let (_, lines) = lines_of("p37");
    let of = |what: &str| -> Vec<u32> {
        let said = lines.iter().filter(|line| line.starts_with(what));
        said.map(|line| number_after(line, ": ")).collect()
    };
    assert_eq!(of("insert"), (0..10).collect::<Vec<_>>());
    let released = of("release");
    assert_eq!(released, (0..).take(released.len()).collect::<Vec<_>>());
    assert!(lines.iter().any(|line| line == "reader: killed by SIGTERM"), "{lines:?}");
    // One may have been taken, and not been said.
    let left = of("left")[0] as usize;
    assert!((9..=10).contains(&(left + released.len())), "{lines:?}");
}

#[test]
fn p38_semaphore() {
    let (_, lines) = lines_of("p38");
    assert_eq!(lines, ["2", "3", "3", "4"]);
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
fn one_pool_works_for_three_programs() {
    let (_, lines) = lines_of("shared_pool");
    let expected =
        ["Ada: [0, 1, 4, 9]", "Bob: [16, 25, 36, 49]", "Cleo: it panicked", "all by 2 workers"];
    assert_eq!(lines, expected);
}

#[test]
fn accounts_lose_no_money() {
    let (_, lines) = lines_of("accounts");
    assert_eq!(lines, ["5 accounts with 500 in all", "one more: there is no account 7"]);
}

#[test]
fn sightings_are_counted_in_shared_memory() {
    let (_, lines) = lines_of("sightings");
    let expected =
        ["12 squares with 4000 sightings in all", "4 reports; one more: false", "afterwards: None"];
    assert_eq!(lines, expected);
}

#[test]
fn sums_of_parts_come_to_the_whole() {
    let output = command("sum").arg("1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let million = 1_u64 << 20;
    assert!(text.contains(&format!("processes: {}, in ", million * (million - 1) / 2)), "{text}");
}
