//! The first bytes of a segment: who made it, what lies in it, how long it is.
//!
//! ```text
//!   0       8        12       16     24     32      40         48      56    128
//!   | magic | layout  | kind    | kind | type | body   | pid       | room   | 0 | body …
//!   |       | version | version | name | hash | length | namespace | length |   |
//! ```
//!
//! The header is written before anybody else can see the segment and never changed after. It is
//! copied out with one read, checked, and kept privately: a peer that scribbles over it later
//! changes nothing for those who have the segment open.
//!
//! Behind the body, from the next page on, lies the *room* if there is any (`room.rs`).

use std::fmt;

use bytemuck::{Pod, Zeroable};

use crate::error::SegmentError;
use crate::sys::memory;

/// How many bytes lie before the body: a multiple of every alignment that a body may ask for.
pub(crate) const HEADER_LEN: usize = size_of::<Header>();

/// The first eight bytes of every segment.
const MAGIC: u64 = u64::from_le_bytes(*b"ipc-segm");

/// The version of the drawing above.
const LAYOUT_VERSION: u32 = 2;

const _: () = assert!(HEADER_LEN == 128, "the drawing says so");
const _: () = assert!(HEADER_LEN.is_multiple_of(align_of::<Header>()), "an array of headers");

/// What lies in a segment, and in which version: the first thing that an opener checks.
///
/// # Examples
///
/// ```
/// use ipc_core::Kind;
///
/// const COUNTER: Kind = Kind::new(*b"counter\0", 1);
/// assert_eq!(COUNTER.to_string(), "counter/1");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Eight bytes that name it, for people to read in a dump too; zeros at the end are fill.
    pub name: [u8; 8],
    /// The version of its layout: changes when the layout does. The highest bit says that the
    /// segment is [exclusive](Kind::exclusive).
    pub version: u32,
}

impl Kind {
    /// The bit of the version that says: exclusive.
    const EXCLUSIVE: u32 = 1 << 31;

    /// Names what lies in a segment.
    ///
    /// # Panics
    ///
    /// If the version has more than 31 bits.
    #[must_use]
    pub const fn new(name: [u8; 8], version: u32) -> Self {
        assert!(version < Self::EXCLUSIVE, "a version has 31 bits");
        Self { name, version }
    }

    /// Names what lies in a segment whose bytes are lent as plain references.
    ///
    /// Safe code cannot place anything else in such a segment: only who promises to know what lies
    /// there can, with [`Segment::place_exclusive`](crate::Segment::place_exclusive).
    ///
    /// # Panics
    ///
    /// If the version has more than 31 bits.
    #[must_use]
    pub const fn exclusive(name: [u8; 8], version: u32) -> Self {
        let open = Self::new(name, version);
        Self { version: open.version | Self::EXCLUSIVE, ..open }
    }

    /// Whether safe code can place nothing in a segment of this kind.
    #[must_use]
    pub const fn is_exclusive(self) -> bool {
        self.version & Self::EXCLUSIVE != 0
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let name = self.name.get(..end).unwrap_or(&[]).escape_ascii();
        write!(formatter, "{name}/{}", self.version & !Self::EXCLUSIVE)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Kind({self})")
    }
}

/// What a checked header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) kind: Kind,
    pub(crate) type_hash: u64,
    /// How long the parts are. With the header they are what the file has.
    pub(crate) extent: Extent,
}

/// How long the parts of a segment are; a number is a body without any room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The length of the body, which is mapped and has its memory from the beginning.
    pub body: usize,
    /// The length of the room behind it, which is neither until somebody asks for a part of it.
    pub room: u64,
}

impl Extent {
    /// Whether this process may make a segment with such parts: none is longer than its files may be
    /// (`RLIMIT_FSIZE`, `ulimit -f`). Whether there is the memory is another question.
    #[must_use]
    pub fn is_allowed(self) -> bool {
        self.size().is_some_and(|size| size <= memory::greatest_size())
    }

    /// The length of header and body together, if memory can be that long.
    fn mapped_size(self) -> Option<usize> {
        self.body.checked_add(HEADER_LEN).filter(|size| isize::try_from(*size).is_ok())
    }

    /// Where the room begins in the file.
    fn room_start(self) -> Option<u64> {
        Some(self.mapped_size()?.checked_next_multiple_of(PAGE)? as u64)
    }

    /// The length of everything together, if a file can be that long.
    fn size(self) -> Option<u64> {
        match self.room {
            0 => Some(self.mapped_size()? as u64),
            room => {
                let size = self.room_start()?.checked_add(room)?;
                (i64::try_from(size).is_ok()).then_some(size)
            }
        }
    }
}

impl From<usize> for Extent {
    fn from(body: usize) -> Self {
        Self { body, room: 0 }
    }
}

/// What a room begins at a multiple of, and what its parts are given and given back in.
pub const PAGE: usize = 4096;

impl Contents {
    /// The length of header and body together, if memory can be that long.
    pub(crate) fn mapped_size(&self) -> Option<usize> {
        self.extent.mapped_size()
    }

    /// Where the room begins in the file.
    pub(crate) fn room_start(&self) -> Option<u64> {
        self.extent.room_start()
    }

    /// The length of everything together, if a file can be that long.
    pub(crate) fn size(&self) -> Option<u64> {
        self.extent.size()
    }

    /// Whether this is what somebody expects.
    pub(crate) fn check(&self, kind: Kind, type_hash: u64) -> Result<(), SegmentError> {
        if self.kind.name != kind.name {
            return Err(SegmentError::WrongKind { expected: kind, found: self.kind });
        }
        if self.kind.version != kind.version {
            return Err(SegmentError::WrongKindVersion { expected: kind, found: self.kind });
        }
        if self.type_hash != type_hash {
            return Err(SegmentError::WrongType { expected: type_hash, found: self.type_hash });
        }
        Ok(())
    }
}

/// The bytes themselves.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Header {
    magic: u64,
    layout_version: u32,
    kind_version: u32,
    kind_name: [u8; 8],
    type_hash: u64,
    body_len: u64,
    pid_namespace: u64,
    room_len: u64,
    zero: [u64; 9],
}

/// The header of a segment that this process is about to make.
pub(crate) fn write(contents: &Contents, pid_namespace: u64) -> [u8; HEADER_LEN] {
    bytemuck::cast(Header {
        magic: MAGIC,
        layout_version: LAYOUT_VERSION,
        kind_version: contents.kind.version,
        kind_name: contents.kind.name,
        type_hash: contents.type_hash,
        body_len: contents.extent.body as u64,
        pid_namespace,
        room_len: contents.extent.room,
        zero: [0; 9],
    })
}

/// Checks a header that somebody else has written, against the size of the file it was read from.
///
/// `bytes` is what could be read of the header: less than all of it if the file ends before.
pub(crate) fn read(
    bytes: &[u8],
    file_size: u64,
    pid_namespace: u64,
) -> Result<Contents, SegmentError> {
    let whole: [u8; HEADER_LEN] = bytes.try_into().map_err(|_| SegmentError::Truncated {
        expected: HEADER_LEN as u64,
        found: bytes.len() as u64,
    })?;
    let header: Header = bytemuck::cast(whole);
    if header.magic != MAGIC {
        return Err(SegmentError::WrongMagic);
    }
    if header.layout_version != LAYOUT_VERSION {
        return Err(SegmentError::WrongLayoutVersion {
            expected: LAYOUT_VERSION,
            found: header.layout_version,
        });
    }
    if header.pid_namespace != pid_namespace {
        return Err(SegmentError::OtherPidNamespace);
    }
    // Any version may be there, also that of an exclusive kind.
    let kind = Kind { name: header.kind_name, version: header.kind_version };
    // A body that does not fit the address space is longer than any file that could have it.
    let body = usize::try_from(header.body_len).unwrap_or(usize::MAX);
    let extent = Extent { body, room: header.room_len };
    let contents = Contents { kind, type_hash: header.type_hash, extent };
    let expected = contents.size().unwrap_or(u64::MAX);
    if file_size < expected {
        return Err(SegmentError::Truncated { expected, found: file_size });
    }
    if file_size > expected {
        return Err(SegmentError::TooLong { expected, found: file_size });
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::{Contents, Extent, HEADER_LEN, Kind, PAGE, read, write};
    use crate::SegmentError;

    const CONTENTS: Contents = Contents {
        kind: Kind::new(*b"test\0\0\0\0", 7),
        type_hash: 0xfeed,
        extent: Extent { body: 4096, room: 0 },
    };
    const FILE_SIZE: u64 = 4096 + HEADER_LEN as u64;

    fn scribbled(at: usize) -> Result<Contents, SegmentError> {
        let mut bytes = write(&CONTENTS, 5);
        bytes[at] ^= 0xff;
        read(&bytes, FILE_SIZE, 5)
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(read(&write(&CONTENTS, 5), FILE_SIZE, 5).unwrap(), CONTENTS);
    }

    #[test]
    fn an_exclusive_kind_is_read_as_it_was_written() {
        let contents = Contents { kind: Kind::exclusive(*b"test\0\0\0\0", 7), ..CONTENTS };
        let found = read(&write(&contents, 5), FILE_SIZE, 5).unwrap();
        assert_eq!(found, contents);
        assert!(found.kind.is_exclusive());
    }

    #[test]
    fn any_byte_may_be_another() {
        for at in 0..HEADER_LEN {
            // What is not looked at, or is for the opener to check, is read as it is.
            let is_read = matches!(at, 12..32 | 56..HEADER_LEN);
            assert_eq!(scribbled(at).is_ok(), is_read, "byte {at}");
        }
    }

    #[test]
    fn every_field_that_is_wrong_has_an_error_of_its_own() {
        assert!(matches!(scribbled(0), Err(SegmentError::WrongMagic)));
        assert!(matches!(
            scribbled(8),
            Err(SegmentError::WrongLayoutVersion { expected: 2, found: 0xfd })
        ));
        assert!(matches!(scribbled(33), Err(SegmentError::Truncated { .. })));
        assert!(matches!(scribbled(40), Err(SegmentError::OtherPidNamespace)));
        assert!(matches!(scribbled(49), Err(SegmentError::Truncated { .. })));
        let bytes = write(&CONTENTS, 5);
        assert!(matches!(read(&bytes, FILE_SIZE + 1, 5), Err(SegmentError::TooLong { .. })));
        assert!(matches!(read(&bytes[..100], 100, 5), Err(SegmentError::Truncated { .. })));
        assert!(matches!(read(&[], 0, 5), Err(SegmentError::Truncated { found: 0, .. })));
    }

    #[test]
    fn a_length_that_overflows_is_truncated_and_not_wrapped() {
        for extent in [
            Extent::from(usize::MAX),
            Extent { body: 1, room: u64::MAX },
            Extent { body: usize::MAX, room: u64::MAX },
        ] {
            let huge = Contents { extent, ..CONTENTS };
            assert_eq!(huge.size(), None);
            let bytes = write(&huge, 5);
            let small = HEADER_LEN as u64 - 1;
            assert!(matches!(read(&bytes, small, 5), Err(SegmentError::Truncated { .. })));
        }
    }

    #[test]
    fn a_room_begins_at_the_page_behind_the_body() {
        let extent = Extent { body: PAGE, room: 5 };
        let contents = Contents { extent, ..CONTENTS };
        assert_eq!(contents.room_start(), Some(2 * PAGE as u64));
        assert_eq!(contents.size(), Some(2 * PAGE as u64 + 5));
        let bytes = write(&contents, 5);
        assert_eq!(read(&bytes, 2 * PAGE as u64 + 5, 5).unwrap(), contents);
        assert!(matches!(read(&bytes, FILE_SIZE, 5), Err(SegmentError::Truncated { .. })));
    }

    #[test]
    fn contents_are_checked_name_first_then_version_then_type() {
        let other = Kind::new(*b"other\0\0\0", 7);
        let newer = Kind::new(*b"test\0\0\0\0", 8);
        assert!(matches!(CONTENTS.check(other, 0xfeed), Err(SegmentError::WrongKind { .. })));
        assert!(matches!(CONTENTS.check(newer, 0), Err(SegmentError::WrongKindVersion { .. })));
        assert!(matches!(
            CONTENTS.check(CONTENTS.kind, 1),
            Err(SegmentError::WrongType { expected: 1, found: 0xfeed })
        ));
        assert!(CONTENTS.check(CONTENTS.kind, 0xfeed).is_ok());
    }
}
