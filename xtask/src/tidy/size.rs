//! The longest files: a hint to ask whether one of them does two jobs.

use super::source::Source;

/// A file of up to this many lines is not worth a hint.
const LONG: usize = 400;

/// How many are named.
const NAMED: usize = 10;

/// The longest files, the longest first, with their lines.
pub(super) fn longest(sources: &[Source]) -> Vec<(usize, &str)> {
    let mut long: Vec<_> = sources
        .iter()
        .map(|source| (source.len(), source.path.as_str()))
        .filter(|&(lines, _)| lines > LONG)
        .collect();
    long.sort_by(|a, b| b.cmp(a));
    long.truncate(NAMED);
    long
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_files_are_named_and_the_longest_first() {
        let sources = [
            Source::new("short.rs", "\n".repeat(LONG)),
            Source::new("long.rs", "\n".repeat(LONG + 1)),
            Source::new("longer.rs", "\n".repeat(LONG + 2)),
        ];
        assert_eq!(longest(&sources), [(LONG + 2, "longer.rs"), (LONG + 1, "long.rs")]);
    }
}
