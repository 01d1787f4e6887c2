//! Each promise of `docs/guarantees.md` and of the pages `docs/semantics-*.md` names a test, and the test is there.
//!
//! A test is named as `CRATE/PATH::NAME`: the function `NAME` in `crates/CRATE/tests/PATH.rs`, or in a
//! file below the folder of that name. It has to be run, too: as a `#[test]`, or because a list of
//! scenarios names it.

use super::{
    Finding,
    source::{Source, Token},
    tables::Table,
};

/// Where the promises are.
pub(super) const PAGES: [&str; 5] = [
    "docs/guarantees.md",
    "docs/semantics-proc.md",
    "docs/semantics-queue.md",
    "docs/semantics-manager.md",
    "docs/semantics-pool.md",
];

/// The title of the column that names tests.
const COLUMN: &str = "proved by";

/// Finds promises of a page without a test, and tests that are not there.
pub(super) fn check(page: &str, text: &str, sources: &[Source]) -> Vec<Finding> {
    let tables = Table::with_column(text, COLUMN);
    let mut findings = vec![];
    for table in &tables {
        for row in &table.rows {
            let names = row.codes(table.column);
            if names.is_empty() {
                findings.push(Finding::new(page, row.line, "no test is named that proves it"));
            }
            findings.extend(names.into_iter().filter_map(|name| {
                let why = missing(name, sources)?;
                Some(Finding::new(page, row.line, format!("`{name}`: {why}")))
            }));
        }
    }
    if tables.is_empty() {
        findings.push(Finding::new(page, 0, format!("no table has a column {COLUMN:?}")));
    }
    findings
}

/// What is wrong with the name of a test, if anything.
fn missing(name: &str, sources: &[Source]) -> Option<&'static str> {
    let parts = name.split_once("::").and_then(|(place, function)| {
        let (package, path) = place.split_once('/')?;
        Some((package, path, function))
    });
    let Some((package, path, function)) = parts else {
        return Some("a test is named as CRATE/PATH::NAME");
    };
    let tests = format!("crates/{package}/tests/");
    let (file, folder) = (format!("{tests}{path}.rs"), format!("{tests}{path}/"));
    let mut places = sources.iter().filter(|it| it.path == file || it.path.starts_with(&folder));
    let Some(before) = places.find_map(|source| before_definition(&source.tokens, function)) else {
        return Some("there is no such test");
    };
    let is_test = ends_with_attribute(before);
    let is_listed = || {
        let all = sources.iter().filter(|source| source.path.starts_with(&tests));
        all.flat_map(|source| source.tokens.windows(2))
            .any(|pair| pair[1].is(function) && !pair[0].is("fn"))
    };
    (!is_test && !is_listed()).then_some("this function is never run")
}

/// The tokens before the definition of a function, if it is defined among these.
fn before_definition<'s>(tokens: &'s [Token], function: &str) -> Option<&'s [Token]> {
    let at = tokens.windows(2).position(|pair| pair[0].is("fn") && pair[1].is(function))?;
    Some(&tokens[..at])
}

/// Whether the last tokens are `#[test]`.
fn ends_with_attribute(tokens: &[Token]) -> bool {
    let last = &tokens[tokens.len().saturating_sub(4)..];
    last.len() == 4 && last.iter().zip(["#", "[", "test", "]"]).all(|(token, text)| token.is(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(proof: &str) -> Vec<String> {
        let sources = [
            Source::new("crates/a/tests/lock/main.rs", "fn main() { run(&[holders::waits]) }"),
            Source::new("crates/a/tests/lock/holders.rs", "pub(crate) fn waits() {} fn idle() {}"),
            Source::new("crates/a/tests/kill.rs", "#[test]\nfn dies() {}"),
            Source::new("crates/b/tests/lock.rs", "fn run() { idle() }"),
        ];
        let page = format!("| type | proved by |\n|---|---|\n| `T` | {proof} |\n");
        check(PAGES[0], &page, &sources).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn a_test_that_is_there_and_is_run_is_fine() {
        assert!(found("`a/lock::waits`, `a/kill::dies`, `a/lock/holders::waits`").is_empty());
    }

    #[test]
    fn what_is_not_named_not_there_or_not_run_is_found() {
        for (proof, why) in [
            ("", "no test is named that proves it"),
            ("`waits`", "`waits`: a test is named as CRATE/PATH::NAME"),
            ("`b/lock::waits`", "`b/lock::waits`: there is no such test"),
            ("`a/kill::waits`", "`a/kill::waits`: there is no such test"),
            ("`a/lock::idle`", "`a/lock::idle`: this function is never run"),
        ] {
            assert_eq!(found(proof), [format!("docs/guarantees.md:3: {why}")]);
        }
        assert_eq!(check(PAGES[0], "no table", &[]).len(), 1);
    }
}
