//! The program in memory: where it lies, and which one it is.
//!
//! # Safety
//!
//! The dynamic linker says where the parts of the program lie, and they lie there as long as the
//! process lives. Only parts that it maps readable are read.
#![expect(unsafe_code, reason = "reads the headers of the program that is running")]

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::slice;
use std::sync::OnceLock;

use crate::fingerprint::Fingerprint;

/// The program that this process runs, as it lies in memory.
#[derive(Debug)]
pub(crate) struct Image {
    /// What the addresses in its headers count from.
    base: usize,
    /// What of it is mapped.
    parts: Vec<Part>,
    /// Which program it is.
    identity: Vec<u8>,
    /// Where its list of functions to run before `main` lies.
    initializers: Option<Range<usize>>,
}

#[derive(Clone, Debug)]
struct Part {
    addresses: Range<usize>,
    readable: bool,
    executable: bool,
}

/// The program that this process runs; `None` if the dynamic linker does not tell.
pub(crate) fn program() -> Option<&'static Image> {
    static PROGRAM: OnceLock<Option<Image>> = OnceLock::new();

    PROGRAM.get_or_init(Image::find).as_ref()
}

impl Image {
    /// Which program this is: two processes with the same identity run the same one.
    pub(crate) fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// The address as a distance, if it lies in the program.
    pub(crate) fn offset_of<T>(&self, address: *const T) -> Option<u64> {
        let address = address.addr();
        self.part_at(address)?;
        u64::try_from(address.checked_sub(self.base)?).ok()
    }

    /// The address of code, if the distance leads to code.
    pub(crate) fn code_at(&self, offset: u64) -> Option<*const ()> {
        let address = self.base.checked_add(usize::try_from(offset).ok()?)?;
        self.part_at(address)?.executable.then(|| ptr_to(address))
    }

    /// Whether the address is one of code of the program.
    pub(crate) fn is_code(&self, address: *const ()) -> bool {
        self.part_at(address.addr()).is_some_and(|part| part.executable)
    }

    /// The address of a value, if the distance leads to room for one that can be read.
    pub(crate) fn value_at<T>(&self, offset: u64) -> Option<*const T> {
        let address = self.base.checked_add(usize::try_from(offset).ok()?)?;
        let part = self.part_at(address)?;
        let room = part.addresses.end - address;
        let fits =
            part.readable && room >= size_of::<T>() && address.is_multiple_of(align_of::<T>());
        fits.then(|| ptr_to(address).cast())
    }

    /// Where the list of functions to run before `main` lies.
    pub(crate) fn initializers(&self) -> Option<Range<usize>> {
        self.initializers.clone()
    }

    fn part_at(&self, address: usize) -> Option<&Part> {
        self.parts.iter().find(|part| part.addresses.contains(&address))
    }

    fn find() -> Option<Self> {
        let mut found: Option<Self> = None;
        // SAFETY: the function gets the pointer to the local above, which outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(first_object), (&raw mut found).cast()) };
        found
    }

    fn read(info: &libc::dl_phdr_info) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "an address of this process")]
        let base = info.dlpi_addr as usize;
        // SAFETY: the dynamic linker says that so many headers lie there; they are never changed.
        let headers =
            unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        let parts: Vec<Part> = headers
            .iter()
            .filter(|header| header.p_type == libc::PT_LOAD)
            .map(|header| Part {
                addresses: addresses(base, header),
                readable: header.p_flags & libc::PF_R != 0,
                executable: header.p_flags & libc::PF_X != 0,
            })
            .collect();
        let mut image = Self { base, parts, identity: Vec::new(), initializers: None };
        image.identity = image.build_id(headers).unwrap_or_else(|| image.fingerprint(headers));
        image.initializers = image.read_initializers(headers);
        image
    }

    /// What the linker wrote into the program to tell it from others.
    fn build_id(&self, headers: &[libc::Elf64_Phdr]) -> Option<Vec<u8>> {
        let notes = headers.iter().filter(|header| header.p_type == libc::PT_NOTE);
        notes.filter_map(|header| self.bytes(addresses(self.base, header))).find_map(build_id)
    }

    /// A number made of the program's headers and the ends of its code, if the linker wrote none.
    fn fingerprint(&self, headers: &[libc::Elf64_Phdr]) -> Vec<u8> {
        /// As much of each end of the code as is read.
        const READ: usize = 64 << 10;

        let mut fingerprint = Fingerprint::new();
        for header in headers {
            for number in [header.p_type, header.p_flags] {
                fingerprint.add(&number.to_le_bytes());
            }
            for number in [header.p_offset, header.p_vaddr, header.p_filesz, header.p_memsz] {
                fingerprint.add(&number.to_le_bytes());
            }
        }
        for part in self.parts.iter().filter(|part| part.executable && part.readable) {
            let code = self.bytes(part.addresses.clone()).unwrap_or_default();
            fingerprint.add(code.get(..READ).unwrap_or(code));
            fingerprint.add(code.get(code.len().saturating_sub(READ)..).unwrap_or(code));
        }
        fingerprint.value().to_le_bytes().to_vec()
    }

    fn read_initializers(&self, headers: &[libc::Elf64_Phdr]) -> Option<Range<usize>> {
        const DT_NULL: u64 = 0;
        const DT_INIT_ARRAY: u64 = 25;
        const DT_INIT_ARRAYSZ: u64 = 27;

        let header = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC)?;
        let (words, _) = self.bytes(addresses(self.base, header))?.as_chunks::<8>();
        let (mut start, mut size) = (None, None);
        let (entries, _) = words.as_chunks::<2>();
        for [tag, value] in entries.iter().map(|entry| entry.map(u64::from_le_bytes)) {
            match tag {
                DT_NULL => break,
                DT_INIT_ARRAY => start = usize::try_from(value).ok(),
                DT_INIT_ARRAYSZ => size = usize::try_from(value).ok(),
                _ => {}
            }
        }
        let start = self.base.checked_add(start?)?;
        Some(start..start.checked_add(size?)?)
    }

    /// The bytes at these addresses, if they are mapped to be read.
    ///
    /// Only for parts that are never written once the program runs.
    fn bytes(&self, wanted: Range<usize>) -> Option<&'static [u8]> {
        let part = self.part_at(wanted.start)?;
        if !part.readable || wanted.end > part.addresses.end {
            return None;
        }
        // SAFETY: the bytes lie within one readable part of the program, which stays mapped; they
        // are notes, code or the list of the dynamic linker, none of which is written any more.
        Some(unsafe { slice::from_raw_parts(ptr_to(wanted.start).cast(), wanted.len()) })
    }
}

/// Called by the dynamic linker for each object in memory; the first is the program.
///
/// # Safety
///
/// `info` must be the dynamic linker's description of an object, `found` a pointer to the place for
/// the result.
unsafe extern "C" fn first_object(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    found: *mut c_void,
) -> c_int {
    // SAFETY: the dynamic linker passes a description that is valid during this call.
    let info = unsafe { &*info };
    // SAFETY: `find` passed a pointer to a local of this type, and nothing else uses it now.
    let found = unsafe { &mut *found.cast::<Option<Image>>() };
    *found = Some(Image::read(info));
    1
}

#[expect(clippy::cast_possible_truncation, reason = "addresses of this process")]
fn addresses(base: usize, header: &libc::Elf64_Phdr) -> Range<usize> {
    let start = base.saturating_add(header.p_vaddr as usize);
    start..start.saturating_add(header.p_memsz as usize)
}

fn ptr_to(address: usize) -> *const () {
    std::ptr::with_exposed_provenance(address)
}

/// Finds the identity that the linker wrote among a program's notes.
fn build_id(mut notes: &[u8]) -> Option<Vec<u8>> {
    const NT_GNU_BUILD_ID: u32 = 3;

    loop {
        let (name_len, rest) = take_number(notes)?;
        let (id_len, rest) = take_number(rest)?;
        let (kind, rest) = take_number(rest)?;
        let (name, rest) = take_padded(rest, name_len)?;
        let (id, rest) = take_padded(rest, id_len)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" && !id.is_empty() {
            return Some(id.to_vec());
        }
        notes = rest;
    }
}

fn take_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}

/// Takes so many bytes, and the padding that follows them.
fn take_padded(bytes: &[u8], len: u32) -> Option<(&[u8], &[u8])> {
    let len = usize::try_from(len).ok()?;
    let taken = bytes.get(..len)?;
    let padded = len.checked_next_multiple_of(4)?.min(bytes.len());
    Some((taken, bytes.get(padded..)?))
}

#[cfg(test)]
mod tests {
    use super::{build_id, program};

    fn note(kind: u32, name: &[u8], id: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [u32::try_from(name.len()).unwrap(), u32::try_from(id.len()).unwrap(), kind] {
            bytes.extend(number.to_le_bytes());
        }
        for part in [name, id] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn build_id_is_found_behind_other_notes() {
        let notes = [note(5, b"GNU\0", &[1; 7]), note(3, b"GNU\0", &[7; 20])].concat();
        assert_eq!(build_id(&notes), Some(vec![7; 20]));
    }

    #[test]
    fn no_build_id_is_found_in_cut_or_foreign_notes() {
        let whole = note(3, b"GNU\0", &[7; 20]);
        for len in 0..whole.len() {
            assert_eq!(build_id(&whole[..len]), None, "of {len} bytes");
        }
        assert_eq!(build_id(&note(3, b"Other\0", &[7; 20])), None);
        let mut endless = note(1, b"GNU\0", &[]);
        endless[0..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(build_id(&endless), None);
    }

    #[test]
    fn code_and_data_of_this_program_are_told_apart() {
        static DATA: u64 = 5;
        let image = program().unwrap();
        #[expect(clippy::fn_to_numeric_cast_any, reason = "where it lies is what we want to know")]
        let function = program as *const ();
        let offset = image.offset_of(function).unwrap();
        assert_eq!(image.code_at(offset), Some(function));
        let offset = image.offset_of(&raw const DATA).unwrap();
        assert_eq!(image.value_at::<u64>(offset), Some(&raw const DATA));
        assert_eq!(image.code_at(offset), None, "data is not code");
        assert_eq!(image.value_at::<u64>(offset + 1), None, "not aligned");
        let local = 1_u8;
        assert_eq!(image.offset_of(&raw const local), None, "the stack is not the program");
        assert_eq!(image.code_at(u64::MAX), None);
        assert_eq!(image.value_at::<u64>(u64::MAX / 2), None);
    }

    #[test]
    fn fingerprint_of_the_program_is_stable_and_not_empty() {
        let again = super::Image::find().unwrap();
        assert_eq!(program().unwrap().identity(), again.identity());
        assert!(!again.identity().is_empty());
    }
}
