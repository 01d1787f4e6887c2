//! Every file opens with `//!`: what it is, in the first line that a reader sees.

use super::{Finding, source::Source};

/// Finds files that open with anything else.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    sources
        .iter()
        .filter(|source| !opens_with_docs(&source.text))
        .map(|source| Finding::new(&source.path, 1, "the file does not open with `//!` docs"))
        .collect()
}

fn opens_with_docs(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    first.strip_prefix("//!").is_some_and(|docs| !docs.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&[Source::new("a.rs", text)]).len()
    }

    #[test]
    fn a_file_that_opens_with_docs_is_fine() {
        assert_eq!(found("//! What it is.\nfn main() {}"), 0);
        assert_eq!(found("\n//! What it is.\n"), 0);
    }

    #[test]
    fn a_file_that_opens_with_anything_else_is_found() {
        for text in ["", "fn main() {}", "// No docs.\n//! Docs.", "//!\n", "#![no_std]\n//! Late."]
        {
            assert_eq!(found(text), 1, "{text:?}");
        }
    }
}
