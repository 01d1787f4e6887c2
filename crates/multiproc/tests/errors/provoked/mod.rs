//! Errors as programs meet them: they say what the page says.
//!
//! What cannot be met here without a hostile peer or a broken machine is met by a test of its own crate, where
//! one can be played; a test sees that each error is met in one of these ways.

mod manager;
mod pool;
mod processes;
mod queues;
mod scarce;
mod sync;
mod things;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use crate::{CRATES, all, root, sources_below, variants_below};

/// Errors that were met, by the path of each from `multiproc`, and what they said.
pub(crate) type Met = BTreeMap<String, String>;

/// Errors that no test meets, and why not.
const UNMET: &[(&str, &str)] = &[
    ("memory::wire::RecvError::Io", THE_SYSTEM),
    ("connection::AcceptError::Io", THE_SYSTEM),
    ("manager::Error::Io", THE_SYSTEM),
    ("queue::PutError::NoMemory", MEMORY),
    ("queue::GetError::NoMemory", MEMORY),
    ("sync::MemberError::Corrupt", SCRIBBLES),
    ("sync::BarrierError::Corrupt", SCRIBBLES),
    ("sync::OnceError::Corrupt", SCRIBBLES),
    ("queue::LeaseError::Lost", SCRIBBLES),
    ("connection::SendError::Torn", "it is handed on from `wire`, where it is met"),
    ("pool::PoolError::NotInProgram", A_LIBRARY),
    ("manager::StartError::Unnameable", A_LIBRARY),
    ("manager::StartError::Died", "it takes a kill at one moment of a start"),
    ("manager::ConnectError::OtherManager", "it comes in the words of the error of a decoding"),
    ("manager::Error::NoSuchObject", A_PROXY),
];

const THE_SYSTEM: &str = "the system refuses so only what it has no reason to refuse";
const MEMORY: &str = "it takes a machine without memory, in which other tests would fail";
const SCRIBBLES: &str =
    "scripts scribble any words there, and ask that each call returns: `hostile.rs`";
const A_LIBRARY: &str = "it takes a function of a library that is loaded at run time";
const A_PROXY: &str =
    "proxies do not let it come to that; hostile clients of the server are told so";

/// Notes the error of a result, which is to be of this form.
macro_rules! meets {
    ($met:expr, $result:expr, $pattern:pat) => {
        crate::provoked::notes!($met, &$result.err().unwrap(), $pattern)
    };
}
pub(crate) use meets;

/// Notes an error, which is to be of this form.
macro_rules! notes {
    ($met:expr, $error:expr, $pattern:pat) => {
        match $error {
            error => {
                assert!(matches!(error, $pattern), "{} is not: {error}", stringify!($pattern));
                $met.insert(crate::name_of(stringify!($pattern)), error.to_string());
            }
        }
    };
}
pub(crate) use notes;

/// All that are met; made once.
fn all_met() -> &'static Met {
    static ALL: OnceLock<Met> = OnceLock::new();
    ALL.get_or_init(|| {
        let parts: [fn() -> Met; 7] = [
            things::met,
            sync::met,
            queues::met,
            processes::met,
            pool::met,
            manager::met,
            scarce::met,
        ];
        parts.into_iter().flat_map(|part| part()).collect()
    })
}

#[test]
fn errors_say_what_the_page_says() {
    for (name, said) in all_met() {
        let row = all().iter().find(|row| row.name == *name).unwrap_or_else(|| panic!("{name}"));
        assert!(is_like(said, &row.message), "{name}: {said:?} is not as {:?}", row.message);
    }
}

#[test]
fn each_error_is_met_here_or_by_a_test_of_its_crate() {
    let mut wrong = vec![];
    for (module, package) in CRATES {
        let folder = root().join("crates").join(package);
        let tests = tests_of(&folder);
        for variant in variants_below(&folder.join("src")) {
            let names = [format!("{module}::{variant}"), format!("{module}::wire::{variant}")];
            let is_met = names.iter().any(|name| all_met().contains_key(name))
                || tests.iter().any(|text| has_word(text, &variant));
            let is_unmet = UNMET.iter().any(|(unmet, _)| names.iter().any(|name| name == unmet));
            if is_met == is_unmet {
                wrong.push((names, is_met));
            }
        }
    }
    assert!(wrong.is_empty(), "met, and listed as unmet, or neither: {wrong:#?}");
}

/// Whether something says the same of another case: with other numbers, names, paths and kinds, or with other
/// details after a colon.
fn is_like(said: &str, listed: &str) -> bool {
    let is_particular = |word: &&str| {
        word.contains(|c: char| c.is_ascii_digit() || c == '/')
            || word.contains("::")
            || word.starts_with("FILE:")
    };
    let words = |text: &str| -> Vec<String> {
        let words = text.split(' ').map(|word| if is_particular(&word) { "_" } else { word });
        words.map(Into::into).collect()
    };
    let before_colon = |text: &str| text.split_once(": ").map(|(before, _)| words(before));
    let (one, other) = (before_colon(said), before_colon(listed));
    words(said) == words(listed) || (one.is_some() && one == other)
}

/// The sources of a crate's tests, those among its modules too.
fn tests_of(folder: &Path) -> Vec<String> {
    let modules = sources_below(&folder.join("src")).into_iter().filter_map(|(path, text)| {
        if path.ends_with("tests.rs") {
            return Some(text);
        }
        text.split_once("#[cfg(test)]").map(|(_, tests)| tests.to_owned())
    });
    sources_below(&folder.join("tests")).into_iter().map(|(_, text)| text).chain(modules).collect()
}

/// Whether a text has a path such as `GetError::Empty`, and not as a part of a longer one.
fn has_word(text: &str, path: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(path).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + path.len()..].starts_with(is_part)
    })
}

#[test]
fn messages_are_compared_but_for_numbers_and_details() {
    assert!(is_like("4 bytes at 8", "4096 bytes at 64"));
    assert!(is_like("it is a lock/1, not an event/2", "it is a list/3, not an array/1"));
    assert!(is_like("refused: x", "refused: y z"));
    assert!(!is_like("refused: x", "denied: x"));
    assert!(!is_like("the queue is full", "the queue is empty"));
    assert!(has_word("Err(GetError::Empty)", "GetError::Empty"));
    assert!(!has_word("GetError::EmptyToo MyGetError::Empty", "GetError::Empty"));
}
