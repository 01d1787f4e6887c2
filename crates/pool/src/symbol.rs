//! What the program's own symbols call a function: for errors, which are to say which task failed.
//!
//! A function pointer has no name, but the file of the program has one for the place where the function
//! lies, unless they were stripped. It is looked for when an error is made, and once for each function.
//!
//! Closures without captures have none either that tells anything: what lies at their place is what the
//! compiler makes of all of them.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use object::{Object as _, ObjectSymbol as _, ReadCache, SymbolKind};
use rustc_demangle::demangle;

/// What functions are called, by how far they lie behind the program's beginning. There are no more of
/// them than the program has functions.
type Names = HashMap<u64, Option<Arc<str>>>;

/// What the function is called that lies so far behind the program's beginning, if that is known.
pub(crate) fn name_at(offset: u64) -> Option<Arc<str>> {
    static NAMES: LazyLock<Mutex<Names>> = LazyLock::new(Mutex::default);

    // Nothing in here panics.
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.entry(offset).or_insert_with(|| name_of_a_users(offset)).clone()
}

/// The same, looked for.
fn name_of_a_users(offset: u64) -> Option<Arc<str>> {
    let name = whole_name_at(offset)?;
    // What calls the function of a user, and what stands between a closure and its pointer, is not it.
    let is_ours = name.starts_with(concat!(env!("CARGO_PKG_NAME"), "::"));
    let is_shim = name.contains("FnOnce") && name.ends_with("call_once");
    (!is_ours && !is_shim).then(|| name.into())
}

/// The same of any function.
fn whole_name_at(offset: u64) -> Option<String> {
    let mangled = mangled_in(File::open("/proc/self/exe").ok()?, offset)?;
    Some(format!("{:#}", demangle(&mangled)))
}

/// What a program calls its function at this place, as the compiler has it.
///
/// Of its file, which can be anything, only what is looked at is read, and no part is larger than it.
fn mangled_in(program: File, offset: u64) -> Option<String> {
    let program = ReadCache::new(program);
    let program = object::File::parse(&program).ok()?;
    let symbol = program.symbols().find(|symbol| {
        symbol.address() == offset && symbol.kind() == SymbolKind::Text && symbol.is_definition()
    });
    Some(symbol?.name().ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::FileExt as _;

    use testkit::seed::Rng;

    use super::{mangled_in, name_at, whole_name_at};
    use crate::find::Named;

    fn some_function(x: u32) -> u32 {
        std::hint::black_box(x) * 0x1234_5677
    }

    #[test]
    fn function_is_found_by_its_place_and_what_has_no_name_is_not() {
        let place = Named::of(some_function as fn(u32) -> u32).number();
        let name = whole_name_at(place).unwrap();
        assert!(name.starts_with("pool::symbol::tests::"), "{name}");
        assert_eq!(name_at(place), None, "users have no functions here");
        assert_eq!(whole_name_at(0), None);
        assert_eq!(whole_name_at(place + 1), None, "no function begins there");
        assert_eq!(name_at(Named::of((|x| x) as fn(u8) -> u8).number()), None, "a closure");
    }

    #[test]
    fn file_that_is_no_program_or_a_broken_one_has_no_symbols_and_does_no_harm() {
        let mut rng = Rng::of_run("broken programs");
        let program = std::fs::File::open("/proc/self/exe").unwrap();
        let mut header = [0; 64];
        program.read_exact_at(&mut header, 0).unwrap();
        for _ in 0..300 {
            let mut file = tempfile::tempfile().unwrap();
            let mut bytes = vec![0; 4096];
            bytes.fill_with(|| u8::try_from(rng.range(0..256)).unwrap());
            if rng.chance(2) {
                bytes[..64].copy_from_slice(&header);
                // The sections lie within.
                bytes[0x28..0x30].copy_from_slice(&rng.range(0..4096).to_ne_bytes());
            }
            file.write_all(&bytes).unwrap();
            let _name = mangled_in(file, rng.next_u64());
        }
    }
}
