//! Each rule about edges, kept and broken.

use super::*;

const TABLE: &str = "//! The word.\n//!\n//! # Edges\n//!\n//! | edge | release | acquire |\n\
    //! |---|---|---|\n//! | E1 | `free` | `take` |\n//!\n//! # Invariants\n\
    use ipc_core::primitive::Ordering::{AcqRel, Acquire, Release, Relaxed};\n";

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
fn one_label_is_enough_for_one_operation() {
    let both = "fn f() {\n// E1 release.\nw.compare_exchange(0, 1, AcqRel, Acquire);\n\n\n\n\n\
        // E1 acquire.\nw.load(Acquire);\n}";
    assert_eq!(found_in(both), [] as [&str; 0]);
    let bare = format!("{ENDS}\n\n\nfn g() {{ w.compare_exchange(0, 1, AcqRel, Acquire); }}");
    assert_eq!(found_in(&bare), ["`AcqRel`, `Acquire` without the label of an edge near it"]);
}

#[test]
fn constants_count_where_they_are_used_and_not_where_they_are_made() {
    let made = "const ACQUIRE: Ordering = if x { Ordering::Relaxed } else { Ordering::Acquire };";
    assert_eq!(found_in(&format!("{made}\n{ENDS}")), [] as [&str; 0]);
    let used = ENDS.replace("Acquire", "ACQUIRE").replace("Release", "RELEASE");
    assert_eq!(found_in(&used), [] as [&str; 0]);
    let bare = format!("{ENDS}\n\n\nfn g() {{ w.load(ACQUIRE); }}");
    assert_eq!(found_in(&bare), ["`ACQUIRE` without the label of an edge near it"]);
}

#[test]
fn an_operation_of_the_door_may_be_ordered_without_saying_so() {
    let ends = ENDS.replace("store(0, Release)", "swap_and_fence(0)");
    assert_eq!(found_in(&ends), [] as [&str; 0]);
    let bare = format!("{ENDS}\n\n\nfn g() {{ w.swap_and_fence(0); }}");
    assert_eq!(found_in(&bare), ["`swap_and_fence` without the label of an edge near it"]);
}

#[test]
fn tests_and_the_door_are_left_out() {
    let bare = "use x::Ordering::Acquire;\nfn g() { w.load(Acquire); }";
    assert_eq!(found(&[("crates/a/src/ring/slot.rs", bare)]).len(), 1);
    for path in
        ["crates/a/tests/t.rs", "crates/a/src/tests.rs", "crates/ipc-core/src/primitive/real.rs"]
    {
        assert_eq!(found(&[(path, bare)]), [] as [&str; 0], "{path}");
    }
}
