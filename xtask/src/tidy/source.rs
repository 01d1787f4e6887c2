//! A Rust file as tokens and comments, each with its line.
//!
//! Enough of a lexer to tell code from comments and text, and to follow paths and brackets; it
//! does not parse. Whatever it cannot make sense of becomes a mark of one character.

use std::{iter::Peekable, str::CharIndices};

/// A file of the workspace.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path from the root of the workspace, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
    /// The code in it.
    pub(crate) tokens: Vec<Token>,
    /// The comments in it.
    pub(crate) comments: Vec<Comment>,
}

/// A piece of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// Its line, from 1.
    pub(crate) line: usize,
    /// What kind of piece.
    pub(crate) kind: Kind,
    /// Its text; of a literal, nothing.
    pub(crate) text: String,
}

/// Kinds of pieces of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or a keyword.
    Word,
    /// A text, a character, a number or a lifetime.
    Literal,
    /// One character of anything else; `::` counts as one.
    Mark,
}

/// One line of a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    /// Its line, from 1.
    pub(crate) line: usize,
    /// Whether it is `//!`.
    pub(crate) inner: bool,
    /// Its text, without the slashes.
    pub(crate) text: String,
}

impl Token {
    /// Whether this is the name or mark `text`.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text == text
    }
}

impl Source {
    /// Reads a file's text.
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let mut lexer = Lexer::new(&text);
        lexer.run();
        let Lexer { tokens, comments, .. } = lexer;
        Self { path: path.into(), tokens, comments, text }
    }

    /// Whether it is there for tests only.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// How many lines it has.
    pub(crate) fn len(&self) -> usize {
        self.text.lines().count()
    }

    /// Every path that the code names, `use` trees written out, each with its line.
    pub(crate) fn paths(&self) -> Vec<(usize, Vec<&str>)> {
        let mut found = vec![];
        let mut at = 0;
        while at < self.tokens.len() {
            if self.tokens[at].kind == Kind::Word || self.tokens[at].is("::") {
                at = self.tree(at, &mut vec![], &mut found);
            } else {
                at += 1;
            }
        }
        found
    }

    /// Follows one path, with the branches it ends in, from token `at` on; returns where it ends.
    fn tree<'s>(
        &'s self,
        mut at: usize,
        prefix: &mut Vec<&'s str>,
        found: &mut Vec<(usize, Vec<&'s str>)>,
    ) -> usize {
        let depth = prefix.len();
        let mut line = 0;
        while let Some(token) = self.tokens.get(at) {
            if token.is("::") {
                at += 1;
                // A branch follows only here; elsewhere a brace opens a block.
                if self.tokens.get(at).is_some_and(|token| token.is("{")) {
                    at = self.branches(at + 1, prefix, found);
                    prefix.truncate(depth);
                    return at;
                }
            } else if token.kind == Kind::Word && (line == 0 || self.tokens[at - 1].is("::")) {
                line = token.line;
                prefix.push(&token.text);
                at += 1;
            } else {
                break;
            }
        }
        if prefix.len() > depth {
            found.push((line, prefix.clone()));
            prefix.truncate(depth);
        }
        at
    }

    /// Follows each branch of a tree up to its closing brace.
    fn branches<'s>(
        &'s self,
        mut at: usize,
        prefix: &mut Vec<&'s str>,
        found: &mut Vec<(usize, Vec<&'s str>)>,
    ) -> usize {
        while let Some(token) = self.tokens.get(at) {
            if token.is("}") {
                return at + 1;
            }
            at = if token.kind == Kind::Word { self.tree(at, prefix, found) } else { at + 1 };
        }
        at
    }
}

struct Lexer<'t> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
    line: usize,
    tokens: Vec<Token>,
    comments: Vec<Comment>,
}

impl<'t> Lexer<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            chars: text.char_indices().peekable(),
            line: 1,
            tokens: vec![],
            comments: vec![],
        }
    }

    fn run(&mut self) {
        while let Some((at, char)) = self.next() {
            match char {
                '/' if self.rest().starts_with('/') => self.line_comment(),
                '/' if self.rest().starts_with('*') => self.block_comment(),
                '"' => self.string(),
                '\'' => self.quote(),
                'r' | 'b' | 'c' if self.opens_string(at) => self.prefixed_string(at),
                _ if char.is_alphabetic() || char == '_' => self.word(at),
                _ if char.is_ascii_digit() => self.number(),
                ':' if self.rest().starts_with(':') => {
                    self.next();
                    self.push(Kind::Mark, "::");
                }
                _ if char.is_whitespace() => {}
                _ => self.push(Kind::Mark, char.encode_utf8(&mut [0; 4])),
            }
        }
    }

    fn next(&mut self) -> Option<(usize, char)> {
        let next = self.chars.next();
        if let Some((_, '\n')) = next {
            self.line += 1;
        }
        next
    }

    /// What has not been read yet.
    fn rest(&mut self) -> &'t str {
        let at = self.chars.peek().map_or(self.text.len(), |&(at, _)| at);
        &self.text[at..]
    }

    fn push(&mut self, kind: Kind, text: &str) {
        self.tokens.push(Token { line: self.line, kind, text: text.to_owned() });
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.chars.peek().is_some_and(|&(_, char)| wanted(char)) {
            self.next();
        }
    }

    fn line_comment(&mut self) {
        let line = self.line;
        let rest = self.rest();
        let text = rest.lines().next().unwrap_or_default();
        self.skip_while(|char| char != '\n');
        let inner = text.starts_with("/!");
        let text = text.trim_start_matches('/').trim_start_matches('!').to_owned();
        self.comments.push(Comment { line, inner, text });
    }

    fn block_comment(&mut self) {
        let first = self.line;
        let start = self.rest();
        let mut depth = 1;
        self.next();
        while depth > 0 {
            let rest = self.rest();
            if rest.starts_with("*/") {
                depth -= 1;
                self.next();
            } else if rest.starts_with("/*") {
                depth += 1;
                self.next();
            }
            if self.next().is_none() {
                break;
            }
        }
        let length = start.len() - self.rest().len();
        for (line, text) in (first..).zip(start[..length].lines()) {
            self.comments.push(Comment { line, inner: false, text: text.to_owned() });
        }
    }

    /// Reads up to the closing quote; the opening one is read.
    fn string(&mut self) {
        self.push(Kind::Literal, "");
        while let Some((_, char)) = self.next() {
            match char {
                '\\' => drop(self.next()),
                '"' => return,
                _ => {}
            }
        }
    }

    /// A character or a lifetime; the quote is read.
    fn quote(&mut self) {
        self.push(Kind::Literal, "");
        let mut ahead = self.rest().chars();
        match (ahead.next(), ahead.next()) {
            (Some('\\'), _) => {
                self.next();
                self.next();
                self.skip_while(|char| char != '\'');
                self.next();
            }
            (Some(_), Some('\'')) => {
                self.next();
                self.next();
            }
            _ => self.skip_while(|char| char.is_alphanumeric() || char == '_'),
        }
    }

    /// Whether a text with a prefix, as `br#"` or `b'`, begins at `at`.
    fn opens_string(&self, at: usize) -> bool {
        let rest = &self.text[at..];
        let bare = rest.trim_start_matches(['r', 'b', 'c']);
        let prefix = rest.len() - bare.len();
        let raw = rest[..prefix].contains('r');
        let quoted = if raw { bare.trim_start_matches('#') } else { bare };
        prefix <= 2 && (quoted.starts_with('"') || (rest.starts_with("b'")))
    }

    fn prefixed_string(&mut self, at: usize) {
        self.skip_while(|char| matches!(char, 'r' | 'b' | 'c'));
        if self.rest().starts_with('\'') {
            self.next();
            return self.quote();
        }
        let raw = self.text[at..].starts_with('r') || self.text[at + 1..].starts_with('r');
        if !raw {
            self.next();
            return self.string();
        }
        self.push(Kind::Literal, "");
        let rest = self.rest();
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let close = format!("\"{}", "#".repeat(hashes));
        let body = &rest[hashes + 1..];
        let end = body.find(&close).map_or(rest.len(), |end| hashes + 1 + end + close.len());
        let stop = self.text.len() - rest.len() + end;
        while self.chars.peek().is_some_and(|&(at, _)| at < stop) {
            self.next();
        }
    }

    fn word(&mut self, at: usize) {
        self.skip_while(|char| char.is_alphanumeric() || char == '_');
        let end = self.text.len() - self.rest().len();
        let text = &self.text[at..end];
        // `r#name` is the name.
        if text == "r" && self.rest().starts_with('#') {
            self.next();
            return;
        }
        self.push(Kind::Word, text);
    }

    fn number(&mut self) {
        self.skip_while(|char| char.is_alphanumeric() || char == '_');
        self.push(Kind::Literal, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let source = Source::new("a.rs", text);
        source.tokens.into_iter().filter(|t| t.kind == Kind::Word).map(|t| t.text).collect()
    }

    #[test]
    fn texts_and_comments_are_not_code() {
        let text = r####"
            a "b \" c" r"d" r#"e " f"# b"g" br##"h"# i"## c"j" 'k' '\'' '\u{6c}' b'm' 'n: // o
            /* p /* q */ r */ s 0xff t1 r#u
        "####;
        assert_eq!(words(text), ["a", "s", "t1", "u"]);
    }

    #[test]
    fn tokens_and_comments_know_their_lines() {
        let source = Source::new("a.rs", "//! x\n\nlet a = \"\n\";\n/* y\nz */ b // w\n");
        let b = source.tokens.iter().find(|token| token.is("b")).unwrap();
        assert_eq!(b.line, 6);
        let lines: Vec<_> = source.comments.iter().map(|c| (c.line, c.inner)).collect();
        assert_eq!(lines, [(1, true), (5, false), (6, false), (6, false)]);
        assert_eq!(source.comments[0].text, " x");
    }

    #[test]
    fn use_trees_are_written_out() {
        let source = Source::new("a.rs", "use a::{b::{self, c}, d as e};\nf::g(h);");
        let paths: Vec<String> = source.paths().iter().map(|(_, path)| path.join("::")).collect();
        for path in ["a::b::self", "a::b::c", "a::d", "f::g", "h"] {
            assert!(paths.iter().any(|found| found == path), "{path} in {paths:?}");
        }
        assert_eq!(source.paths().last().unwrap().0, 2);
    }
}
