//! Every public name of Python's `multiprocessing` and `concurrent.futures` is in `docs/from-python.md`.
//!
//! The names are in `python-names.txt`, which `python-names.py` prints. A row names one, `a.b`, or
//! several, `a.{b, c}`.

use std::collections::BTreeMap;

use super::{Finding, tables::Table};

/// Where the names are told of.
pub(super) const PAGE: &str = "docs/from-python.md";

/// The names that there are.
const NAMES: &str = include_str!("python-names.txt");

/// The title of the column that has them.
const COLUMN: &str = "Python, by name";

/// Finds names that are missing, that are there twice or are none of Python's, and rows that say nothing.
pub(super) fn check(page: &str) -> Vec<Finding> {
    check_names(page, NAMES)
}

fn check_names(page: &str, names: &str) -> Vec<Finding> {
    let mut findings = vec![];
    let mut counts: BTreeMap<&str, u32> = names.lines().map(|name| (name, 0)).collect();
    for table in Table::with_column(page, COLUMN) {
        for row in &table.rows {
            if row.cell(table.column + 1).is_empty() {
                findings.push(Finding::new(PAGE, row.line, "says nothing of what is here"));
            }
            for name in row.codes(table.column).into_iter().flat_map(expanded) {
                match counts.get_mut(name.as_str()) {
                    Some(count) => *count += 1,
                    None => {
                        let words = format!("{name} is no name in xtask/src/tidy/python-names.txt");
                        findings.push(Finding::new(PAGE, row.line, words));
                    }
                }
            }
        }
    }
    let wrong = counts.into_iter().filter(|&(_, count)| count != 1);
    findings.extend(wrong.map(|(name, count)| {
        let how = if count == 0 { "missing" } else { "there twice" };
        Finding::new(PAGE, 0, format!("{name} is {how}"))
    }));
    findings
}

/// `a.{b, c}` as `a.b` and `a.c`.
fn expanded(code: &str) -> Vec<String> {
    match code.strip_suffix('}').and_then(|code| code.split_once('{')) {
        Some((before, names)) => {
            names.split(',').map(|name| format!("{before}{}", name.trim())).collect()
        }
        None => vec![code.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &str) -> Vec<String> {
        let page = format!("| Python, by name | here | why |\n|---|---|---|\n{rows}\n");
        let findings = check_names(&page, "m.a\nm.b\nm.c\n");
        findings.into_iter().map(|finding| finding.words).collect()
    }

    #[test]
    fn all_names_once_each_are_fine() {
        assert!(found("| `m.{a, b}` | x | |\n| `m.c` | – | none |").is_empty());
    }

    #[test]
    fn names_that_are_missing_doubled_unknown_or_unanswered_are_found() {
        assert_eq!(found("| `m.{a, b}` | x | |"), ["m.c is missing"]);
        assert_eq!(found("| `m.{a, b, c}` | x | |\n| `m.a` | x | |"), ["m.a is there twice"]);
        assert_eq!(found("| `m.{a, b, c}` | | |"), ["says nothing of what is here"]);
        let unknown = "m.d is no name in xtask/src/tidy/python-names.txt";
        assert_eq!(found("| `m.{a, b, c, d}` | x | |"), [unknown]);
    }
}
