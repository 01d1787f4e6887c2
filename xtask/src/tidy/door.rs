//! Nothing but the door names an atomic, a cell or a spin.
//!
//! Clippy refuses them too, where the lints are on; this check needs no lints, and sees code that
//! is compiled in no world. What never leaves the process may be an ordinary atomic: such a place
//! has an `#[expect(clippy::disallowed_types, reason = "…")]` that says so.

use super::{Finding, source::Source};

/// The door itself, and the kit, which counts what its children do.
const DOOR: &[&str] = &["crates/ipc-core/src/primitive/", "crates/testkit/"];

/// Workspaces of their own: rivals bring what they need.
const OUTSIDE: &[&str] = &["benches/compare/", "fuzz/"];

/// The models, a file or a folder of them, which use loom's cells to see that an edge carries what
/// it should.
const MODELS: &[&str] = &["/tests/model.rs", "/tests/model/"];

/// How many lines above a name an attribute may stand.
const NEAR: usize = 8;

/// Finds names that only the door may name.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = vec![];
    for source in sources {
        if DOOR.iter().chain(OUTSIDE).any(|folder| source.path.starts_with(folder)) {
            continue;
        }
        let excuses = excuses(source);
        for (line, path) in source.paths() {
            let modelled = path.first() == Some(&"loom") && is_model(&source.path);
            if is_behind_the_door(&path)
                && !modelled
                && !excuses.iter().any(|excuse| excuse.covers(line))
            {
                let words =
                    format!("`{}` is behind the door: ipc_core::primitive", path.join("::"));
                findings.push(Finding::new(&source.path, line, words));
            }
        }
    }
    findings
}

/// Whether a file is a model or lies in a folder of them.
fn is_model(path: &str) -> bool {
    MODELS.iter().any(|model| path.contains(model))
}

/// Whether only the door may name this.
fn is_behind_the_door(path: &[&str]) -> bool {
    match path {
        ["core" | "std" | "loom", "sync", "atomic", "Ordering", ..] => false,
        ["core" | "std" | "loom", "sync", "atomic", ..]
        | ["core" | "std" | "loom", "cell", "UnsafeCell", ..]
        | ["core" | "std" | "loom", "hint", "spin_loop"] => true,
        _ => false,
    }
}

/// An attribute that expects the names.
#[derive(Clone, Copy, Debug)]
enum Excuse {
    /// For the file.
    File,
    /// For what follows this line.
    Below(usize),
}

impl Excuse {
    fn covers(self, line: usize) -> bool {
        match self {
            Self::File => true,
            Self::Below(from) => (from..=from + NEAR).contains(&line),
        }
    }
}

/// The attributes of a file that expect such names.
fn excuses(source: &Source) -> Vec<Excuse> {
    let mut excuses = vec![];
    for (at, token) in source.tokens.iter().enumerate() {
        if !token.is("expect") || at < 2 || !source.tokens[at - 1].is("[") {
            continue;
        }
        let mut inside = source.tokens[at..].iter().take_while(|token| !token.is("]"));
        if inside.any(|token| token.is("disallowed_types") || token.is("disallowed_methods")) {
            let inner = source.tokens[at - 2].is("!");
            excuses.push(if inner { Excuse::File } else { Excuse::Below(token.line) });
        }
    }
    excuses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        check(&[Source::new(path, text)]).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn names_behind_the_door_are_found_however_they_are_written() {
        let path = "crates/ipc-sync/src/word.rs";
        for text in [
            "use std::sync::atomic::AtomicU32;",
            "use std::{sync::{Arc, atomic::{AtomicU32, Ordering}}};",
            "use core::sync::atomic;",
            "static A: core::sync::atomic::AtomicBool = b();",
            "use std::cell::{Cell, UnsafeCell};",
            "fn f() { core::hint::spin_loop(); }",
            "use std::{hint::spin_loop};",
        ] {
            assert_eq!(found(path, text), [1], "{text}");
        }
    }

    #[test]
    fn what_is_not_behind_the_door_is_fine() {
        let path = "crates/ipc-sync/src/word.rs";
        for text in [
            "use std::sync::{Arc, Mutex};",
            "use std::sync::atomic::Ordering::{Acquire, Release};",
            "use ipc_core::primitive::{AtomicU32, Ordering};",
            "// std::sync::atomic::AtomicU32",
            "const A: &str = \"std::cell::UnsafeCell\";",
            "use std::cell::Cell;",
        ] {
            assert_eq!(found(path, text), [] as [usize; 0], "{text}");
        }
    }

    #[test]
    fn the_door_itself_may_name_them() {
        let text = "use core::sync::atomic::AtomicU32;";
        assert!(found("crates/ipc-core/src/primitive/real.rs", text).is_empty());
        assert!(found("crates/testkit/src/seed.rs", text).is_empty());
        assert_eq!(found("crates/ipc-core/src/segment.rs", text), [1]);
    }

    #[test]
    fn a_model_may_name_cells_of_loom_and_no_others() {
        for path in ["crates/ipc-queue/tests/model.rs", "crates/ipc-sync/tests/model/lock.rs"] {
            assert!(found(path, "use loom::cell::UnsafeCell;").is_empty());
            assert_eq!(found(path, "use std::cell::UnsafeCell;"), [1]);
        }
        assert_eq!(found("crates/ipc-queue/src/ring/mod.rs", "use loom::cell::UnsafeCell;"), [1]);
    }

    #[test]
    fn an_expectation_excuses_what_is_near_it() {
        let path = "crates/pool/src/pool.rs";
        let expect = "[expect(clippy::disallowed_types, reason = \"…\")]\n";
        let atomic = "use core::sync::atomic::AtomicU32;";
        assert!(found(path, &format!("#{expect}{atomic}")).is_empty());
        assert!(found(path, &format!("#!{expect}{}{atomic}", "\n".repeat(100))).is_empty());
        assert_eq!(found(path, &format!("#{expect}{}{atomic}", "\n".repeat(NEAR))), [NEAR + 2]);
        assert_eq!(found(path, &format!("#[expect(clippy::panic)]\n{atomic}")), [2]);
    }
}
