//! What the program's own symbols call a function: for errors, which are to say which task failed.
//!
//! A function pointer has no name, but the file of the program has one for the place where the function
//! lies, unless they were stripped. It is looked for when an error is made, and at no other time.
//!
//! Closures without captures have none either that tells anything: what lies at their place is what the
//! compiler makes of all of them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rustc_demangle::demangle;

/// What the function is called that lies so far behind the program's beginning, if that is known.
pub(crate) fn name_at(offset: u64) -> Option<Arc<str>> {
    let name = whole_name_at(offset)?;
    // What calls the function of a user, and what stands between a closure and its pointer, is not it.
    let is_ours = name.starts_with(concat!(env!("CARGO_PKG_NAME"), "::"));
    let is_shim = name.contains("FnOnce") && name.ends_with("call_once");
    (!is_ours && !is_shim).then(|| name.into())
}

/// The same of any function.
fn whole_name_at(offset: u64) -> Option<String> {
    let mangled = Symbols::of_program().ok()??.name_at(offset)?;
    Some(format!("{:#}", demangle(&mangled)))
}

/// The symbols of a file, and their names.
struct Symbols {
    symbols: Vec<u8>,
    names: Vec<u8>,
}

/// A part of a file.
#[derive(Clone, Copy)]
struct Section {
    kind: u32,
    /// Which section belongs to it.
    link: u32,
    at: u64,
    len: u64,
}

/// The kind of the section that has the symbols.
const SYMBOLS: u32 = 2;

const SYMBOL_BYTES: usize = 24;

/// What the low half of a symbol's description says of functions.
const FUNCTION: u8 = 2;

/// No table of a program is larger: what says so is no program.
const MOST_BYTES: u64 = 1 << 30;

impl Symbols {
    /// Those of this program; `None` if it has none.
    fn of_program() -> io::Result<Option<Self>> {
        Self::read(&File::open("/proc/self/exe")?)
    }

    /// Those of a file, which is a program of 64 bits.
    fn read(file: &File) -> io::Result<Option<Self>> {
        let mut header = [0; 64];
        file.read_exact_at(&mut header, 0)?;
        let (Some(table), Some(each), Some(n)) =
            (number(&header, 0x28), short(&header, 0x3a), short(&header, 0x3c))
        else {
            return Ok(None);
        };
        let mut sections = bytes(file, table, u64::from(each) * u64::from(n))?;
        let sections: Vec<_> = sections.chunks_exact_mut(usize::from(each).max(1)).collect();
        let sections: Vec<_> =
            sections.iter().filter_map(|section| Section::read(section)).collect();
        let symbols = sections.iter().find(|section| section.kind == SYMBOLS);
        let Some(symbols) = symbols else { return Ok(None) };
        let names = usize::try_from(symbols.link).ok().and_then(|at| sections.get(at));
        let Some(names) = names else { return Ok(None) };
        let [symbols, names] = [symbols, names].map(|section| bytes(file, section.at, section.len));
        Ok(Some(Self { symbols: symbols?, names: names? }))
    }

    /// The name of the function at this place, as the compiler has it.
    fn name_at(&self, offset: u64) -> Option<String> {
        let (symbols, _) = self.symbols.as_chunks::<SYMBOL_BYTES>();
        let is_it = |symbol: &&[u8; SYMBOL_BYTES]| {
            number(*symbol, 8) == Some(offset)
                && symbol.get(4).is_some_and(|description| description & 0xf == FUNCTION)
                // Those that lie in no section lie elsewhere.
                && short(*symbol, 6) != Some(0)
        };
        let at = usize::try_from(word(symbols.iter().find(is_it)?, 0)?).ok()?;
        let name = self.names.get(at..)?.split(|byte| *byte == 0).next()?;
        String::from_utf8(name.to_vec()).ok()
    }
}

impl Section {
    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            kind: word(bytes, 4)?,
            link: word(bytes, 40)?,
            at: number(bytes, 24)?,
            len: number(bytes, 32)?,
        })
    }
}

fn bytes(file: &File, at: u64, len: u64) -> io::Result<Vec<u8>> {
    let len = len.min(MOST_BYTES).min(file.metadata()?.len());
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|number| u64::from_ne_bytes(*number))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|short| u16::from_ne_bytes(*short))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::FileExt as _;

    use testkit::seed::Rng;

    use super::{Symbols, name_at, whole_name_at};
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
            if let Ok(Some(symbols)) = Symbols::read(&file) {
                let _name = symbols.name_at(rng.next_u64());
            }
        }
    }
}
