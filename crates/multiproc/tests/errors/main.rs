//! Each public error says what is wrong, and `docs/errors.md` what to do.
//!
//! `WRITE_ERRORS=1 cargo test --package multiproc --test errors` writes the page anew.

#![expect(clippy::unwrap_used, reason = "tests end when something is wrong")]
#![expect(clippy::exit, reason = "a process that is to end so")]

mod objects;
mod processes;
mod provoked;
mod shared;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// An error: its path from `multiproc`, what it says, and what whoever meets it does.
pub(crate) struct Row {
    name: String,
    message: String,
    advice: &'static str,
}

impl Row {
    /// The row of an error, given as it is written down in code.
    pub(crate) fn new(code: &str, error: &dyn std::error::Error, advice: &'static str) -> Self {
        Self { name: name_of(code), message: error.to_string(), advice }
    }
}

/// The path of an error that is written down in code, as a value or as a pattern.
pub(crate) fn name_of(code: &str) -> String {
    let mut name = code.to_owned();
    // What it is about is no part of its name.
    if let (Some(from), Some(to)) = (name.find("::<"), name.find(">::")) {
        name.replace_range(from..=to, "");
    }
    name.split(['(', '{']).next().unwrap_or_default().trim().to_owned()
}

/// Rows of errors, each with what to do.
macro_rules! rows {
    ($($error:expr => $advice:literal,)*) => {
        vec![$($crate::Row::new(stringify!($error), &$error, $advice)),*]
    };
}
pub(crate) use rows;

/// The crates, by the names that they have here.
const CRATES: &[(&str, &str)] = &[
    ("memory", "ipc-core"),
    ("process", "proc-core"),
    ("sync", "ipc-sync"),
    ("queue", "ipc-queue"),
    ("connection", "ipc-pipe"),
    ("value", "shm-value"),
    ("pool", "pool"),
    ("manager", "manager"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All rows; made once, for some errors have to be provoked.
fn all() -> &'static [Row] {
    static ALL: OnceLock<Vec<Row>> = OnceLock::new();
    ALL.get_or_init(|| {
        [shared::rows(), processes::rows(), objects::rows()].into_iter().flatten().collect()
    })
}

/// The page that the rows make.
fn page() -> String {
    let mut page = String::from(
        "# Errors\n\nWhat each error says, and what whoever meets it does. Paths begin at `multiproc`. An error that \
         only hands another on\nsays what that one says, and is not listed. This page is made by a test \
         (`crates/multiproc/tests/errors`), which sees\nthat no error is missing, and that those which a program can \
         meet without harm to the machine say this when\nthey are met. What no test meets is named there, with the \
         reason.\n",
    );
    for (module, package) in CRATES {
        let prefix = format!("{module}::");
        write!(page, "\n## `{module}` (`{package}`)\n\n").unwrap();
        page.push_str("| error | says | what to do |\n|---|---|---|\n");
        for Row { name, message, advice } in
            all().iter().filter(|row| row.name.starts_with(&prefix))
        {
            let name = name.strip_prefix(&prefix).unwrap();
            writeln!(page, "| `{name}` | {message} | {advice} |").unwrap();
        }
    }
    page
}

#[test]
fn the_page_says_what_the_errors_say() {
    let path = root().join("docs/errors.md");
    if std::env::var_os("WRITE_ERRORS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap();
    let page = page();
    for (is, should) in there.lines().zip(page.lines()) {
        assert_eq!(is, should, "docs/errors.md: write it anew, as the top of this file says");
    }
    assert_eq!(there.len(), page.len());
}

#[test]
fn no_error_is_missing() {
    let listed: BTreeSet<&str> = all().iter().map(|row| row.name.as_str()).collect();
    let mut missing = vec![];
    for (module, package) in CRATES {
        for variant in variants_below(&root().join("crates").join(package).join("src")) {
            let names = [format!("{module}::{variant}"), format!("{module}::wire::{variant}")];
            if !names.iter().any(|name| listed.contains(name.as_str())) {
                missing.push(names);
            }
        }
    }
    assert!(missing.is_empty(), "crates/multiproc/tests/errors lists none of {missing:?}");
}

/// The variants of all public errors in the files of a folder.
fn variants_below(folder: &Path) -> Vec<String> {
    sources_below(folder).iter().flat_map(|(_, text)| variants_in(text)).collect()
}

/// The files of Rust in a folder and those in it, with what they say.
fn sources_below(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// The variants of all public errors in a file, but those that only hand another on.
fn variants_in(text: &str) -> Vec<String> {
    let mut found = vec![];
    let mut inside = None;
    let mut hands_on = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("pub enum ") {
            let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            inside = Some(name).filter(|name| name.ends_with("Error"));
        } else if line == "}" {
            inside = None;
        } else if let Some(error) = &inside {
            hands_on |= line.contains("#[error(transparent)]");
            let variant = line.strip_prefix("    ").unwrap_or_default();
            if variant.starts_with(|first: char| first.is_ascii_uppercase()) {
                let name: String =
                    variant.chars().take_while(char::is_ascii_alphanumeric).collect();
                if !std::mem::take(&mut hands_on) {
                    found.push(format!("{error}::{name}"));
                }
            }
        }
    }
    found
}

#[test]
fn variants_are_found_where_they_are() {
    let text = "pub enum AError {\n    /// X.\n    #[error(\"x\")]\n    X {\n        y: u8,\n    },\n    \
                #[error(transparent)]\n    Y(u8),\n    Z,\n}\npub enum B {\n    C,\n}\n";
    assert_eq!(variants_in(text), ["AError::X", "AError::Z"]);
}
