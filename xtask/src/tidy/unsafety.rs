//! Modules with unsafe code are few, known and listed.
//!
//! `unsafe_code` is denied; a module that needs it says so with an attribute. The list beside this
//! file names those that do, so that a new one is a visible change.

use std::{fmt::Write as _, fs, path::Path};

use super::{Finding, source::Source};
use crate::failure::{Failure, Result};

/// Where the list lies.
const LIST: &str = "xtask/src/tidy/unsafe-modules.txt";

/// The files that opt in to unsafe code.
pub(super) fn modules(sources: &[Source]) -> Vec<&str> {
    sources.iter().filter(|source| opts_in(source)).map(|source| source.path.as_str()).collect()
}

/// Whether `expect(… unsafe_code …)`, or `allow`, stands in the file.
fn opts_in(source: &Source) -> bool {
    source.tokens.iter().enumerate().any(|(at, token)| {
        // A method of the same name comes after a dot.
        let attribute = at > 0 && !source.tokens[at - 1].is(".");
        (token.is("expect") || token.is("allow"))
            && attribute
            && source.tokens[at..]
                .iter()
                .take_while(|token| !token.is("]"))
                .any(|token| token.is("unsafe_code"))
    })
}

/// Finds files that opt in and are not listed, and lines of the list that no longer hold.
pub(super) fn check(root: &Path, modules: &[&str]) -> Result<Vec<Finding>> {
    let list = match fs::read_to_string(root.join(LIST)) {
        Ok(list) => list,
        Err(error) => return Err(Failure::io(format_args!("read {LIST}"), &error)),
    };
    Ok(compare(&list, modules))
}

fn compare(list: &str, modules: &[&str]) -> Vec<Finding> {
    let listed: Vec<(usize, &str)> =
        (1..).zip(list.lines()).filter(|(_, line)| !line.starts_with('#')).collect();
    let unlisted = modules
        .iter()
        .filter(|module| !listed.iter().any(|(_, line)| line == *module))
        .map(|module| {
            let words = format!("unsafe code in a module that {LIST} does not name: {BLESS}");
            Finding::new(module, 0, words)
        });
    let stale = listed
        .iter()
        .filter(|(_, line)| !modules.contains(line))
        .map(|&(at, line)| Finding::new(LIST, at, format!("{line} has no unsafe code: {BLESS}")));
    unlisted.chain(stale).collect()
}

const BLESS: &str = "run `cargo xtask tidy --bless`, and argue for the change of the list";

/// Writes the list anew.
pub(super) fn write_list(root: &Path, modules: &[&str]) -> Result {
    let mut list =
        String::from("# Modules that opt in to unsafe code. `cargo xtask tidy --bless`.\n");
    for module in modules {
        // Writing to a string cannot fail.
        writeln!(list, "{module}").ok();
    }
    fs::write(root.join(LIST), list)
        .map_err(|error| Failure::io(format_args!("write {LIST}"), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_opts_in_and_a_mention_does_not() {
        let sources = [
            Source::new("a.rs", "#![expect(unsafe_code, reason = \"maps memory\")]"),
            Source::new("b.rs", "#[expect(\n    clippy::panic,\n    unsafe_code\n)]\nfn f() {}"),
            Source::new("c.rs", "#![cfg_attr(unix, allow(unsafe_code))] fn f() {}"),
            Source::new("d.rs", "//! expect(unsafe_code)\nlet a = \"expect(unsafe_code\";"),
            Source::new("e.rs", "#[expect(clippy::panic)] fn unsafe_code() {}"),
        ];
        assert_eq!(modules(&sources), ["a.rs", "b.rs", "c.rs"]);
    }

    #[test]
    fn the_list_must_name_exactly_those_that_opt_in() {
        assert_eq!(compare("# why\na.rs\nb.rs\n", &["a.rs", "b.rs"]), []);
        let findings = compare("# why\na.rs\nb.rs\n", &["b.rs", "c.rs"]);
        let places: Vec<_> = findings.iter().map(|f| (f.path.as_str(), f.line)).collect();
        assert_eq!(places, [("c.rs", 0), (LIST, 2)]);
    }
}
