//! Every edge has two ends, and every ordering above `Relaxed` is one of them.
//!
//! A module's docs list its edges in a table under `# Edges`, a row for each: `| E1 | … |`. The
//! code says `E1 acquire` and `E1 release` in comments, on the line of the operation or within
//! three lines above it. A file without a table of its own belongs to the table of its folder's
//! `mod.rs`, or of the next folder above that has one.
//!
//! An operation may name several orderings; one label that fits one of them is enough. The
//! definition of a constant `ACQUIRE` or `RELEASE` is no operation, and its use counts as what its
//! name says. The door is left out, since it only hands orderings on; so are compiler fences, which
//! order nothing between processors, and tests, whose counters are not part of any protocol.

#[cfg(test)]
mod tests;

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

/// Constants that stand for an ordering: a build with a planted bug has another.
const CONSTANTS: &[&str] = &["ACQUIRE", "RELEASE"];

/// Operations of the door that are ordered and name no ordering.
const ORDERED: &[&str] = &["swap_and_fence", "fence_after_exchange", "fence_light", "fence_heavy"];

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

/// An operation that is ordered above `Relaxed`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ordered {
    /// The line where the call begins.
    first: usize,
    /// The line of the last ordering in it.
    last: usize,
    /// The orderings, as the code has them.
    names: Vec<String>,
}

impl Ordered {
    /// Whether it can be this end of an edge.
    fn can_be(&self, side: Side) -> bool {
        self.names.iter().any(|name| match name.as_str() {
            "Acquire" | "ACQUIRE" => side == Side::Acquire,
            "Release" | "RELEASE" => side == Side::Release,
            _ => true,
        })
    }

    /// Whether a label on this line is meant for it.
    fn is_near(&self, line: usize) -> bool {
        (self.first.saturating_sub(NEAR)..=self.last).contains(&line)
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
        for ordered in operations(source) {
            let found = labels.iter().filter(|label| ordered.is_near(label.line));
            let mut fitting = found.filter(|label| ordered.can_be(label.side)).peekable();
            if fitting.peek().is_none() {
                let names = ordered.names.join("`, `");
                let words = format!("`{names}` without the label of an edge near it");
                findings.push(Finding::new(&source.path, ordered.last, words));
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

/// The operations in a file's code that are ordered above `Relaxed`.
fn operations(source: &Source) -> Vec<Ordered> {
    let imported = imported(source);
    // Each with the place of the bracket that it is an argument in: one call is one operation.
    let mut found: Vec<(Option<usize>, Ordered)> = vec![];
    let mut open: Vec<usize> = vec![];
    let mut in_statement_without = false;
    for (at, token) in source.tokens.iter().enumerate() {
        let next_is = |text: &str| source.tokens.get(at + 1).is_some_and(|next| next.is(text));
        if token.is("use") || token.is("const") && CONSTANTS.iter().any(|&name| next_is(name)) {
            in_statement_without = true;
        } else if token.is(";") {
            in_statement_without = false;
        } else if token.is("(") {
            open.push(at);
        } else if token.is(")") {
            open.pop();
        } else if token.kind == Kind::Word && !in_statement_without {
            let name = token.text.as_str();
            let ordered = ORDERED.contains(&name) && next_is("(");
            if !ordered && !is_ordering(source, at, &imported) {
                continue;
            }
            let bracket = if ordered { Some(at + 1) } else { open.last().copied() };
            let called = bracket.and_then(|at| at.checked_sub(1)).map(|at| &source.tokens[at]);
            if called.is_some_and(|token| token.is("compiler_fence")) {
                continue;
            }
            match found.last_mut() {
                Some((same, operation)) if bracket.is_some() && *same == bracket => {
                    operation.last = token.line;
                    operation.names.push(name.to_owned());
                }
                _ => {
                    let first = called.map_or(token.line, |called| called.line);
                    let names = vec![name.to_owned()];
                    found.push((bracket, Ordered { first, last: token.line, names }));
                }
            }
        }
    }
    found.into_iter().map(|(_, operation)| operation).collect()
}

/// Whether the word at `at` means an ordering: by its path, or because it was imported so.
fn is_ordering(source: &Source, at: usize, imported: &[&str]) -> bool {
    let name = source.tokens[at].text.as_str();
    if CONSTANTS.contains(&name) {
        return true;
    }
    STRONG.contains(&name)
        && match source.tokens[..at].last_chunk() {
            Some([owner, colons]) if colons.is("::") => owner.is("Ordering"),
            _ => imported.contains(&name),
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
