//! Every edge has two ends, and every ordering above `Relaxed` is one of them.
//!
//! A module's docs list its edges in a table under `# Edges`, a row for each: `| E1 | … |`. The
//! code says `E1 acquire` and `E1 release` in comments, on the line of the operation or within
//! three lines above it. A file without a table of its own belongs to the table of its folder's
//! `mod.rs`, or of the next folder above that has one.
//!
//! The door is left out, since it only hands orderings on; so are compiler fences, which order
//! nothing between processors, and tests, whose counters are not part of any protocol.

use std::collections::BTreeMap;

use super::{
    Finding,
    source::{Kind, Source},
};

/// How many lines above an operation its label may stand.
const NEAR: usize = 3;

/// Where orderings are not ends of edges of ours.
const OUTSIDE: &[&str] = &["crates/ipc-core/src/primitive/", "crates/testkit/"];

/// The orderings above `Relaxed`.
const STRONG: &[&str] = &["Acquire", "Release", "AcqRel", "SeqCst"];

/// One of the two ends of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Acquire,
    Release,
}

impl Side {
    fn named(word: &str) -> Option<Self> {
        match word {
            "acquire" => Some(Self::Acquire),
            "release" => Some(Self::Release),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Acquire => "acquire",
            Self::Release => "release",
        }
    }
}

/// A label in a comment: one end of an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Label {
    line: usize,
    edge: String,
    side: Side,
}

/// An ordering above `Relaxed` in code.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Strong {
    line: usize,
    /// The line where the call it is an argument of begins.
    operation: usize,
    name: String,
}

impl Strong {
    /// Whether it can be this end of an edge.
    fn can_be(&self, side: Side) -> bool {
        match self.name.as_str() {
            "Acquire" => side == Side::Acquire,
            "Release" => side == Side::Release,
            _ => true,
        }
    }

    /// Whether a label on this line is meant for it.
    fn is_near(&self, line: usize) -> bool {
        (self.operation.saturating_sub(NEAR)..=self.line).contains(&line)
    }
}

/// How many edges the tables list.
pub(super) fn count(sources: &[Source]) -> usize {
    sources.iter().filter_map(table).map(|rows| rows.len()).sum()
}

/// Finds edges that lack an end, orderings without a label, and labels of no edge.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let tables: BTreeMap<&str, Vec<Row>> =
        sources.iter().filter_map(|source| Some((source.path.as_str(), table(source)?))).collect();
    let mut findings = vec![];
    let mut ends = vec![];
    for source in sources.iter().filter(|source| is_inside(source)) {
        let table = table_of(&source.path, &tables);
        let labels = labels(source);
        for strong in orderings(source) {
            let found = labels.iter().filter(|label| strong.is_near(label.line));
            let mut fitting = found.filter(|label| strong.can_be(label.side)).peekable();
            if fitting.peek().is_none() {
                let words = format!("`{}` without the label of an edge near it", strong.name);
                findings.push(Finding::new(&source.path, strong.line, words));
            }
            ends.extend(fitting.map(|label| (table, label.edge.clone(), label.side)));
        }
        for Label { line, edge, .. } in labels {
            if !table.is_some_and(|table| tables[table].iter().any(|row| row.edge == edge)) {
                let words = format!("{edge} is in no `# Edges` table of this module");
                findings.push(Finding::new(&source.path, line, words));
            }
        }
    }
    for (&path, rows) in &tables {
        for Row { line, edge } in rows {
            for side in [Side::Release, Side::Acquire] {
                if !ends.contains(&(Some(path), edge.clone(), side)) {
                    let words = format!("{edge} has no {} end in the code", side.name());
                    findings.push(Finding::new(path, *line, words));
                }
            }
            if rows.iter().filter(|row| row.edge == *edge).count() > 1 {
                findings.push(Finding::new(path, *line, format!("{edge} is listed twice")));
            }
        }
    }
    findings
}

/// Whether the orderings in a file are ends of edges.
fn is_inside(source: &Source) -> bool {
    source.path.starts_with("crates/")
        && !source.is_test()
        && !OUTSIDE.iter().any(|folder| source.path.starts_with(folder))
}

/// A row of an edge table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    line: usize,
    edge: String,
}

/// The edges that a file's docs list; nothing if they have no such table.
fn table(source: &Source) -> Option<Vec<Row>> {
    let mut rows = None;
    for comment in source.comments.iter().filter(|comment| comment.inner) {
        let text = comment.text.trim();
        if let Some(heading) = text.strip_prefix('#') {
            if heading.trim_matches(['#', ' ']) == "Edges" {
                rows.get_or_insert_with(Vec::new);
            } else if rows.is_some() {
                break;
            }
        } else if let Some(rows) = &mut rows
            && let Some(cell) = text.strip_prefix('|').and_then(|text| text.split('|').next())
            && is_edge(cell.trim())
        {
            rows.push(Row { line: comment.line, edge: cell.trim().to_owned() });
        }
    }
    rows
}

/// The file whose table holds for `path`.
fn table_of<'t>(path: &str, tables: &BTreeMap<&'t str, Vec<Row>>) -> Option<&'t str> {
    let known = |path: &str| tables.get_key_value(path).map(|(&path, _)| path);
    if let Some(own) = known(path) {
        return Some(own);
    }
    let mut folder = path;
    while let Some((above, _)) = folder.rsplit_once('/') {
        for face in ["mod.rs", "lib.rs"] {
            if let Some(table) = known(&format!("{above}/{face}")) {
                return Some(table);
            }
        }
        folder = above;
    }
    None
}

/// Whether this is the name of an edge: `E` and a number.
fn is_edge(word: &str) -> bool {
    word.strip_prefix('E').is_some_and(|number| {
        !number.is_empty() && number.chars().all(|char| char.is_ascii_digit())
    })
}

/// The labels in a file's comments: `E1 acquire`, or `E1 and E2 release`.
fn labels(source: &Source) -> Vec<Label> {
    let mut labels = vec![];
    for comment in source.comments.iter().filter(|comment| !comment.inner) {
        let mut edges: Vec<&str> = vec![];
        let words = comment.text.split(|char: char| !char.is_alphanumeric());
        for word in words.filter(|word| !word.is_empty()) {
            if is_edge(word) {
                edges.push(word);
            } else if let Some(side) = Side::named(word) {
                labels.extend(edges.drain(..).map(|edge| Label {
                    line: comment.line,
                    edge: edge.to_owned(),
                    side,
                }));
            } else if word != "and" {
                edges.clear();
            }
        }
    }
    labels
}

/// The orderings above `Relaxed` that a file's code names.
fn orderings(source: &Source) -> Vec<Strong> {
    let imported = imported(source);
    let mut found = vec![];
    let mut open: Vec<usize> = vec![];
    let mut in_use = false;
    for (at, token) in source.tokens.iter().enumerate() {
        if token.is("use") {
            in_use = true;
        } else if token.is(";") {
            in_use = false;
        } else if token.is("(") {
            open.push(at);
        } else if token.is(")") {
            open.pop();
        } else if token.kind == Kind::Word
            && !in_use
            && STRONG.contains(&token.text.as_str())
            && is_ordering(source, at, &imported)
        {
            let called = open.last().and_then(|&at| at.checked_sub(1));
            let called = called.map(|at| &source.tokens[at]);
            if called.is_some_and(|token| token.is("compiler_fence")) {
                continue;
            }
            let operation = called.map_or(token.line, |called| called.line);
            found.push(Strong { line: token.line, operation, name: token.text.clone() });
        }
    }
    found
}

/// Whether the word at `at` means the ordering: by its path, or because it was imported so.
fn is_ordering(source: &Source, at: usize, imported: &[&str]) -> bool {
    match source.tokens[..at].last_chunk() {
        Some([owner, colons]) if colons.is("::") => owner.is("Ordering"),
        _ => imported.contains(&source.tokens[at].text.as_str()),
    }
}

/// The orderings above `Relaxed` that a file imports by name.
fn imported(source: &Source) -> Vec<&str> {
    source
        .paths()
        .into_iter()
        .filter_map(|(_, path)| match *path.as_slice() {
            [.., "Ordering", name] => Some(name),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "//! The word.\n//!\n//! # Edges\n//!\n//! | edge | release | acquire |\n\
        //! |---|---|---|\n//! | E1 | `free` | `take` |\n//!\n//! # Invariants\n\
        use ipc_core::primitive::Ordering::{Acquire, Release, Relaxed};\n";

    const ENDS: &str = "fn f() {\n// E1 release.\nw.store(0, Release);\n// E1 acquire.\n\
        w.swap(1, Acquire);\n}\n";

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> = files.iter().map(|&(path, text)| Source::new(path, text)).collect();
        let mut words: Vec<_> = check(&sources).into_iter().map(|finding| finding.words).collect();
        words.sort();
        words
    }

    fn found_in(code: &str) -> Vec<String> {
        found(&[("crates/a/src/word.rs", &format!("{TABLE}{code}"))])
    }

    #[test]
    fn an_edge_with_both_ends_is_fine() {
        assert_eq!(found_in(ENDS), [] as [&str; 0]);
    }

    #[test]
    fn an_edge_that_lacks_an_end_is_found() {
        let one = "fn f() {\n// E1 release.\nw.store(0, Release);\n}";
        assert_eq!(found_in(one), ["E1 has no acquire end in the code"]);
        assert_eq!(
            found_in(""),
            ["E1 has no acquire end in the code", "E1 has no release end in the code"]
        );
    }

    #[test]
    fn a_label_without_an_operation_is_no_end() {
        let floating = format!("{}// E1 acquire.\nfn g() {{}}", &ENDS[..39]);
        assert!(found_in(&floating).contains(&"E1 has no acquire end in the code".to_owned()));
    }

    #[test]
    fn an_ordering_without_a_label_is_found() {
        let bare = format!("{ENDS}\n\n\nfn g() {{ w.store(1, Release); }}");
        assert_eq!(found_in(&bare), ["`Release` without the label of an edge near it"]);
        let wrong_side = format!("{ENDS}\n\n\nfn g() {{\n// E1 acquire\nw.store(1, Release); }}");
        assert_eq!(found_in(&wrong_side), ["`Release` without the label of an edge near it"]);
        let path = format!("{ENDS}\n\n\nfn g() {{ w.load(Ordering::SeqCst); }}");
        assert_eq!(found_in(&path), ["`SeqCst` without the label of an edge near it"]);
    }

    #[test]
    fn a_label_stands_near_the_line_where_the_call_begins() {
        let long = "fn f() {\n// E1 release\nw.store(\n0,\n\n\n\nRelease,\n);\n// E1 acquire\n\
            w.load(Acquire);\n}";
        assert_eq!(found_in(long), [] as [&str; 0]);
        let far = format!("{ENDS}// E1 release\n\n\n\n\nfn g() {{ w.store(0, Release); }}");
        assert_eq!(found_in(&far), ["`Release` without the label of an edge near it"]);
    }

    #[test]
    fn a_label_of_no_edge_is_found() {
        let unknown = format!("{ENDS}fn g() {{\n// E2 acquire\nw.load(Acquire); }}");
        assert_eq!(found_in(&unknown), ["E2 is in no `# Edges` table of this module"]);
        let no_table = "use x::Ordering::Acquire;\nfn g() {\n// E1 acquire\nw.load(Acquire); }";
        assert_eq!(
            found(&[("crates/a/src/b.rs", no_table)]),
            ["E1 is in no `# Edges` table of this module"]
        );
    }

    #[test]
    fn an_edge_listed_twice_is_found() {
        let table = TABLE.replace("//!\n//! # Inv", "//! | E1 | a | b |\n//!\n//! # Inv");
        let words = found(&[("crates/a/src/word.rs", &format!("{table}{ENDS}"))]);
        assert_eq!(words, ["E1 is listed twice", "E1 is listed twice"]);
    }

    #[test]
    fn a_folder_shares_the_table_of_its_face() {
        let ends = format!("use x::Ordering::{{Acquire, Release}};\n{ENDS}");
        let files = [("crates/a/src/ring/mod.rs", TABLE), ("crates/a/src/ring/slot.rs", &ends)];
        assert_eq!(found(&files), [] as [&str; 0]);
        let files = [("crates/a/src/ring/mod.rs", TABLE), ("crates/a/src/other.rs", &ends)];
        assert_eq!(found(&files).len(), 4);
    }

    #[test]
    fn one_comment_may_label_two_edges() {
        let source = Source::new("a.rs", "// E1 and E2 release, E3 acquire; E4 is no acquire");
        let labels: Vec<_> =
            labels(&source).into_iter().map(|label| (label.edge, label.side)).collect();
        let expected = [("E1", Side::Release), ("E2", Side::Release), ("E3", Side::Acquire)];
        assert_eq!(labels, expected.map(|(edge, side)| (edge.to_owned(), side)));
    }

    #[test]
    fn compiler_fences_and_other_words_are_no_ends() {
        let text = format!("{ENDS}\n\n\nfn g() {{ compiler_fence(SeqCst); Step::Acquire; }}");
        assert_eq!(found_in(&text), [] as [&str; 0]);
    }

    #[test]
    fn tests_and_the_door_are_left_out() {
        let bare = "use x::Ordering::Acquire;\nfn g() { w.load(Acquire); }";
        assert_eq!(found(&[("crates/a/src/ring/slot.rs", bare)]).len(), 1);
        for path in [
            "crates/a/tests/t.rs",
            "crates/a/src/tests.rs",
            "crates/ipc-core/src/primitive/real.rs",
        ] {
            assert_eq!(found(&[(path, bare)]), [] as [&str; 0], "{path}");
        }
    }
}
