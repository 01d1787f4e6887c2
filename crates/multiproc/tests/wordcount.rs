//! The example `wordcount`, on trees whose words are known.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// The program, built once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "multiproc", "--example", "wordcount"]);
        build.args(["--message-format", "json"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = build.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).unwrap();
        let executable = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find_map(|message| message["executable"].as_str().map(PathBuf::from));
        executable.unwrap()
    })
}

fn run(args: &[&str], path: &Path) -> Output {
    Command::new(program()).args(args).arg(path).output().unwrap()
}

/// The report, without what differs from run to run.
fn count(args: &[&str], path: &Path) -> (Value, String) {
    let output = run(&[args, &["--json"]].concat(), path);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let fields = report.as_object_mut().unwrap();
    assert!(fields.remove("seconds").unwrap().as_f64().unwrap() > 0.0);
    assert!(fields.remove("workers_replaced").unwrap().is_u64());
    (report, errors)
}

/// What the report should be, counted in the plainest way.
fn expected(texts: &[&str], n_skipped: u64) -> Value {
    let mut counts = BTreeMap::<String, u64>::new();
    for text in texts {
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    let words: u64 = counts.values().sum();
    let mut top: Vec<(&String, &u64)> = counts.iter().collect();
    // Stable, so that equal counts stay in alphabetical order.
    top.sort_by(|a, b| b.1.cmp(a.1));
    top.truncate(20);
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    serde_json::json!({
        "files": texts.len(), "skipped": n_skipped, "words": words, "distinct": counts.len(),
        "bytes": bytes, "top": top,
    })
}

/// A text in which some words are much longer than others, and not all letters are one byte long.
fn text(n_words: usize, seed: u64) -> String {
    let mut random = seed | 1;
    let mut next = |n: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % n
    };
    let letters: Vec<char> = "aeinrstÄÖßΣσя中٣9".chars().collect();
    let gaps = [" ", "\n", ", ", "—", "_", "\u{3000}"];
    let mut text = String::new();
    for _ in 0..n_words {
        for _ in 0..=next(5) {
            text.push(letters[usize::try_from(next(letters.len() as u64)).unwrap()]);
        }
        text.push_str(gaps[usize::try_from(next(gaps.len() as u64)).unwrap()]);
    }
    text
}

#[test]
fn counts_are_right_with_and_without_chaos() {
    let folder = TempDir::new().unwrap();
    let mut texts: Vec<String> =
        (0..150).map(|n| text(usize::try_from(n).unwrap() * 3, n + 1)).collect();
    // Longer than a piece, than several, and with a word that is.
    texts.push(text(30_000, 1_000));
    texts.push(text(200_000, 1_001));
    texts.push(format!("short {} {}", "Ä".repeat(150_000), "end"));
    texts.push("x".repeat(200_000));
    for (n, text) in texts.iter().enumerate() {
        let place = folder.path().join(format!("{}/{}", n % 7, n % 3));
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join(format!("{n}.txt")), text).unwrap();
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let expected = expected(&texts, 0);
    for args in [
        &["--workers", "2"][..],
        &["--workers", "3", "--chaos", "20"],
        &["--workers", "1", "--chaos", "60"],
    ] {
        let (report, errors) = count(args, folder.path());
        assert_eq!(report, expected, "{args:?}");
        assert_eq!(errors, "", "{args:?}");
    }
}

#[test]
fn hidden_ones_and_linked_folders_do_not_count_and_unreadable_ones_are_told() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.txt"), "one two").unwrap();
    fs::write(path("empty"), "").unwrap();
    fs::write(path(".hidden"), "not this").unwrap();
    fs::create_dir(path(".git")).unwrap();
    fs::write(path(".git/config"), "nor this").unwrap();
    fs::create_dir(path("sub")).unwrap();
    fs::write(path("sub/b.txt"), "Two three").unwrap();
    symlink(path("sub"), path("link-to-folder")).unwrap();
    symlink(path("a.txt"), path("link-to-file")).unwrap();
    symlink(path("a.txt"), path(".hidden-link")).unwrap();
    symlink(path("nothing"), path("link-to-nothing")).unwrap();
    // Whoever opens one to read waits for somebody to write.
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    symlink(path("pipe"), path("link-to-pipe")).unwrap();
    symlink("/dev/zero", path("link-to-device")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    fs::write(path("binary"), b"one \xff two").unwrap();
    // The fault comes late, when much was counted already.
    fs::write(path("late"), ["word ".repeat(100_000).as_bytes(), b"\xc3"].concat()).unwrap();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"odd-\xff-name"));
    fs::write(odd, "three").unwrap();

    let (report, errors) = count(&["--workers", "2"], folder.path());
    assert_eq!(report, expected(&["one two", "one two", "", "Two three", "three"], 3));
    assert_eq!(errors.lines().count(), 3, "{errors}");
    assert!(errors.contains("link-to-nothing: "), "{errors}");
    assert!(errors.contains("binary: not UTF-8") && errors.contains("late: not UTF-8"), "{errors}");

    // A file may be named itself, a hidden one too; what is not there is told.
    let (report, _) = count(&[], &path(".hidden"));
    assert_eq!(report, expected(&["not this"], 0));
    for name in ["nowhere", "pipe", "link-to-pipe", "link-to-device"] {
        let (report, errors) = count(&[], &path(name));
        assert_eq!(report, expected(&[], 1));
        assert!(errors.contains(name), "{errors}");
    }
}

#[test]
fn report_for_people_has_the_top_words_and_the_totals() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a"), "b a b c b a").unwrap();
    let output = run(&["--workers", "1"], folder.path());
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(lines[..4], ["3  b", "2  a", "1  c", "1 files, 0 skipped, 6 words, 3 distinct"]);
    assert!(lines[4].starts_with("11 bytes in ") && lines[4].ends_with(" 0 workers replaced"));
}

#[test]
fn nobody_who_listens_is_no_failure() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a"), "b a b c b a").unwrap();
    fs::write(folder.path().join("binary"), b"\xff").unwrap();
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    for json in [&["--json"][..], &[]] {
        let mut program = Command::new(program());
        let output = program.args(json).arg(folder.path()).stdout(closed()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        // It has told of the one file, and of nothing else.
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{output:?}");

        let mut deaf = Command::new(self::program());
        let output = deaf.args(json).arg(folder.path()).stderr(closed()).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn progress_is_shown_only_if_the_output_is_a_terminal() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a"), "b a b c b a").unwrap();
    // A terminal for the standard error, and one or none for the standard output.
    let run = |redirection: &str| {
        let line = format!("{} {} {redirection}", program().display(), folder.path().display());
        let mut script = Command::new("script");
        let output = script.args(["-qec", &line, "/dev/null"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(run("").contains("/1 files, "));
    assert_eq!(run("> /dev/null"), "");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for args in [&["--workers", "0"][..], &["--chaos", "0"], &["--nonsense"]] {
        let output = run(args, Path::new("."));
        assert!(!output.status.success(), "{args:?}");
        assert!(output.stdout.is_empty());
        assert!(!output.stderr.is_empty());
    }
}
