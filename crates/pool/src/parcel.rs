//! Parcels: what a ring cannot carry.
//!
//! A value has bytes and handles. Few bytes go through the ring. Many lie on a [shelf](crate::shelf), and
//! where they lie goes through the ring; or, if there is no room, or the value has handles, they are put
//! into a file in memory, whose descriptor is one more handle. Handles go through the worker's socket,
//! *before* the record that speaks of them is put into the ring: so whoever gets the record finds the
//! parcel there. A parcel has the ticket of its task on it. One whose record was never put, since its sender
//! died or gave up in between, is recognized by its ticket and dropped, or goes with the socket. So is one
//! whose record was taken back; its worker is told, so that its handles do not stay open until the next
//! comes.
//!
//! The message that a socket carries is a few bytes and some descriptors, whatever the value, so its
//! buffer does not fill up.

use std::io;
use std::mem;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use ipc_core::Deadline;
use ipc_core::wire::{
    self, DecodeError, Draft, EncodeError, Limits, MessageSocket, Pieces, RecvError, SendError,
    Sink,
};
use memmap2::Mmap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::chunk::MOST_ITEM_BYTES;
use crate::few::Few;
use crate::scratch::with_scratch;
use crate::shelf::growing::Growing;
use crate::shelf::{Lying, Shelf, Slot};
use crate::sys;

/// So many bytes of a value go through a ring.
///
/// Above, making a file, passing it and reading it costs less than slot after slot.
pub(crate) const MOST_INLINE: usize = 16 << 10;

/// How much of a value goes by another way than through the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freight {
    /// Nothing.
    None,
    /// Its handles, through the socket.
    Handles,
    /// Its handles, and as the last one a file with its bytes, through the socket.
    File,
    /// Its bytes, which lie on a shelf; through the ring goes where. It has no handles.
    Shelf,
}

/// An encoded value that is ready to be sent any number of times, or that was received.
///
/// Many bytes are put on the shelf at once, if there is room; or else when the value is to be sent, if there
/// is room then. Only what finds none is put into a file, while it travels: a file has a descriptor, of which
/// a process may have fewer than it has values.
#[derive(Debug)]
pub(crate) struct Parcel {
    bytes: Bytes,
    handles: Box<[OwnedFd]>,
    /// The file with its bytes, if it was made.
    file: Option<OwnedFd>,
}

/// The bytes of a value.
#[derive(Debug)]
enum Bytes {
    /// They go through the ring.
    Few(Few),
    /// They are to go on a shelf or in a file, to which they can be copied without holding up who else needs
    /// the parcel.
    Many(Arc<Vec<u8>>),
    /// They lie on a shelf, and nowhere else.
    Shelved(Box<Slot>),
    /// They were copied from a worker's shelf.
    Copied(Pieces),
}

/// What many bytes are in when they can be sent.
#[derive(Debug)]
pub(crate) enum Packed {
    Shelved(Slot),
    File(OwnedFd),
}

impl Parcel {
    /// Encodes a value.
    pub(crate) fn pack<T: Serialize>(
        value: &T,
        shelf: Option<&Arc<Shelf>>,
    ) -> Result<Self, EncodeError> {
        with_scratch(|scratch| {
            scratch.clear();
            let mut growing = shelf.map(Growing::on);
            let sink = growing.as_mut().map(|growing| -> &mut dyn Sink { growing });
            let mut draft = Draft::new(scratch, sink);
            let handles = wire::encode_into(value, &mut draft)?;
            if !handles.is_empty() {
                draft.take_back();
            }
            let is_shelved = draft.finish();
            let shelf = shelf.filter(|_| handles.is_empty());
            let bytes = if let Some(slot) = growing.filter(|_| is_shelved).and_then(Growing::finish)
            {
                Bytes::Shelved(Box::new(slot))
            } else if scratch.len() <= MOST_INLINE {
                Bytes::Few(Few::copy(scratch))
            } else if let Some(slot) = shelf.and_then(|shelf| shelf.put(scratch)) {
                Bytes::Shelved(Box::new(slot))
            } else {
                let mut bytes = mem::take(scratch);
                bytes.shrink_to_fit();
                Bytes::Many(Arc::new(bytes))
            };
            Ok(Self { bytes, handles: handles.into(), file: None })
        })
    }

    /// Puts together what came through a ring and what came by other ways; an error is that the bytes
    /// cannot be had. Those that lie on a shelf are copied from the sheet of a worker, long runs of them to where they
    /// can stay.
    pub(crate) fn of_parts(
        freight: Freight,
        mut bytes: Vec<u8>,
        mut handles: Vec<OwnedFd>,
        sheet: Option<&OwnedFd>,
    ) -> io::Result<Self> {
        let bytes = match freight {
            Freight::None | Freight::Handles => Bytes::Few(bytes.into()),
            Freight::File => {
                unload(&mut handles, &mut bytes)?;
                Bytes::Few(bytes.into())
            }
            Freight::Shelf => {
                let (sheet, lying) =
                    sheet.zip(Lying::read(&bytes)).ok_or(io::ErrorKind::InvalidData)?;
                Bytes::Copied(lying.copy_out(sheet)?)
            }
        };
        Ok(Self { bytes, handles: handles.into(), file: None })
    }

    /// A value without handles whose bytes came through a ring.
    pub(crate) fn of_bytes(bytes: Few) -> Self {
        Self { bytes: Bytes::Few(bytes), handles: Box::default(), file: None }
    }

    /// Decodes a value that was received.
    pub(crate) fn unpack<T: DeserializeOwned>(self) -> Result<T, DecodeError> {
        let Self { bytes, handles, .. } = self;
        let handles = handles.into_vec();
        match bytes {
            Bytes::Few(bytes) => wire::decode_parts(&bytes, handles),
            Bytes::Many(bytes) => wire::decode_parts(&bytes, handles),
            // They had no handles.
            Bytes::Copied(pieces) => wire::decode_pieces(pieces),
            // What was received is never so.
            Bytes::Shelved(_) => wire::decode_parts(&[], handles),
        }
    }

    /// Whether it is too large to travel with others, or has handles.
    pub(crate) fn goes_alone(&self) -> bool {
        let len = match &self.bytes {
            Bytes::Few(bytes) => bytes.len(),
            Bytes::Many(bytes) => bytes.len(),
            Bytes::Shelved(slot) => slot.len(),
            Bytes::Copied(pieces) => pieces.len(),
        };
        len > MOST_ITEM_BYTES || !self.handles.is_empty()
    }

    /// Whether this, the outcome of a call, is what a function returned: of an enum the number of the
    /// variant comes first.
    pub(crate) fn is_returned(&self) -> bool {
        let first = match &self.bytes {
            Bytes::Copied(pieces) => pieces.first(),
            _ => self.bytes().first().copied(),
        };
        first == Some(0)
    }

    /// The bytes that must be [packed](pack_many) before it can be sent, if there are such, and whether they
    /// may lie on a shelf.
    pub(crate) fn unpacked(&self) -> Option<(Arc<Vec<u8>>, bool)> {
        match &self.bytes {
            Bytes::Many(bytes) if self.file.is_none() => {
                Some((Arc::clone(bytes), self.handles.is_empty()))
            }
            _ => None,
        }
    }

    /// Whether these are its bytes.
    pub(crate) fn is_of(&self, bytes: &Arc<Vec<u8>>) -> bool {
        matches!(&self.bytes, Bytes::Many(own) if Arc::ptr_eq(own, bytes))
    }

    /// Gives it what its bytes were packed in.
    pub(crate) fn take_packed(&mut self, packed: Packed) {
        match packed {
            Packed::Shelved(slot) => self.bytes = Bytes::Shelved(Box::new(slot)),
            Packed::File(file) => self.file = Some(file),
        }
    }

    /// It was sent, so its file is not needed; to be sent again, it needs another.
    pub(crate) fn drop_file(&mut self) {
        self.file = None;
    }

    /// What goes through the ring.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Few(bytes) => bytes,
            // What was received is not sent.
            Bytes::Many(_) | Bytes::Copied(_) => &[],
            Bytes::Shelved(slot) => slot.mark(),
        }
    }

    /// What goes through the socket.
    pub(crate) fn handles(&self) -> Vec<BorrowedFd<'_>> {
        self.handles.iter().chain(&self.file).map(OwnedFd::as_fd).collect()
    }

    pub(crate) fn freight(&self) -> Freight {
        match self.bytes {
            Bytes::Many(_) => Freight::File,
            Bytes::Shelved(_) => Freight::Shelf,
            Bytes::Few(_) | Bytes::Copied(_) if self.handles.is_empty() => Freight::None,
            Bytes::Few(_) | Bytes::Copied(_) => Freight::Handles,
        }
    }
}

/// Puts many bytes where they can be sent from: on a shelf, if they may lie there and there is room, or else
/// into a file.
pub(crate) fn pack_many(bytes: &[u8], shelf: Option<&Arc<Shelf>>) -> io::Result<Packed> {
    match shelf.and_then(|shelf| shelf.put(bytes)) {
        Some(slot) => Ok(Packed::Shelved(slot)),
        None => sys::file_in_memory(bytes).map(Packed::File),
    }
}

/// Puts the bytes of a value into a file, whose handle becomes the last, if they are many.
pub(crate) fn load(
    bytes: &[u8],
    are_many: bool,
    handles: &mut Vec<OwnedFd>,
) -> io::Result<Freight> {
    if are_many {
        handles.push(sys::file_in_memory(bytes)?);
        return Ok(Freight::File);
    }
    Ok(if handles.is_empty() { Freight::None } else { Freight::Handles })
}

/// Maps the bytes of a value that are in the file that is the last of its handles.
pub(crate) fn map(handles: &mut Vec<OwnedFd>) -> io::Result<Mmap> {
    sys::map_whole(&handles.pop().ok_or(io::ErrorKind::InvalidData)?)
}

/// Reads the bytes of a value from the file that is the last of its handles.
pub(crate) fn unload(handles: &mut Vec<OwnedFd>, bytes: &mut Vec<u8>) -> io::Result<()> {
    let file = handles.pop().ok_or(io::ErrorKind::InvalidData)?;
    sys::read_whole(file, bytes)
}

/// Sends handles with the ticket of the task that they belong to.
pub(crate) fn send(
    socket: &MessageSocket,
    ticket: u64,
    handles: &[BorrowedFd<'_>],
    deadline: Deadline,
) -> Result<(), SendError> {
    socket.send_parts(&ticket.to_le_bytes(), handles, deadline)
}

/// Receives the handles that belong to a ticket; those of other tickets before it are dropped.
pub(crate) fn receive(socket: &MessageSocket, ticket: u64) -> Result<Vec<OwnedFd>, RecvError> {
    let limits = Limits { max_bytes: size_of::<u64>(), max_handles: usize::MAX };
    for _ in 0..MOST_STALE {
        // It was sent before its record was put, so there is nothing to wait for.
        match socket.recv(&limits, Deadline::now())? {
            Some(message) if message.bytes == ticket.to_le_bytes() => return Ok(message.handles),
            Some(_) => {}
            None => break,
        }
    }
    Err(RecvError::Truncated)
}

/// Drops the parcels up to that of this ticket; returns the ticket of the last one that was dropped.
pub(crate) fn drop_up_to(socket: &MessageSocket, ticket: u64) -> Option<u64> {
    let limits = Limits { max_bytes: size_of::<u64>(), max_handles: usize::MAX };
    let mut last = None;
    while last.is_none_or(|last| last < ticket) {
        let Ok(Some(message)) = socket.recv(&limits, Deadline::now()) else { break };
        let Ok(bytes) = message.bytes.try_into() else { break };
        last = Some(u64::from_le_bytes(bytes));
    }
    last
}

/// More parcels than this that belong to no task, one after the other, were not sent in good faith.
const MOST_STALE: usize = 1024;

impl Freight {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Handles => 1,
            Self::File => 2,
            Self::Shelf => 3,
        }
    }

    /// Whether something goes through the socket.
    pub(crate) const fn needs_socket(self) -> bool {
        matches!(self, Self::Handles | Self::File)
    }

    pub(crate) const fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Handles),
            2 => Some(Self::File),
            3 => Some(Self::Shelf),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd as _, OwnedFd};
    use std::sync::Arc;

    use ipc_core::Deadline;
    use ipc_core::wire::{self, Handle, MessageSocket};
    use proc_core::{Outcome, PanicInfo};
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::{Freight, MOST_INLINE, Parcel, drop_up_to, pack_many, receive, send, unload};
    use crate::shelf::{RESULT_BYTES, Shelf};
    use crate::sys::{blank_sheet, file_in_memory};

    type Value = (String, Vec<Handle>);

    fn value(len: usize, n_handles: usize) -> Value {
        let null = || Handle::from(OwnedFd::from(File::open("/dev/null").unwrap()));
        ("x".repeat(len), (0..n_handles).map(|_| null()).collect())
    }

    fn packed(parcel: &mut Parcel, shelf: Option<&Arc<Shelf>>) {
        if let Some((bytes, may_be_shelved)) = parcel.unpacked() {
            assert!(parcel.is_of(&bytes));
            parcel.take_packed(pack_many(&bytes, shelf.filter(|_| may_be_shelved)).unwrap());
            assert!(parcel.unpacked().is_none());
        }
    }

    #[test]
    fn parcel_of_any_size_arrives_whole_and_can_be_sent_again() {
        for (len, n_handles, freight) in [
            (0, 0, Freight::None),
            (MOST_INLINE - 10, 0, Freight::None),
            (5, 3, Freight::Handles),
            (MOST_INLINE, 0, Freight::File),
            (1 << 20, 2, Freight::File),
            (100, 0, Freight::None),
        ] {
            let mut parcel = Parcel::pack(&value(len, n_handles), None).unwrap();
            assert_eq!(parcel.freight(), freight);
            for ticket in [1, 2] {
                packed(&mut parcel, None);
                let (left, right) = MessageSocket::pair().unwrap();
                let handles = match freight {
                    Freight::None => Vec::new(),
                    _ => {
                        send(&left, ticket, &parcel.handles(), Deadline::now()).unwrap();
                        receive(&right, ticket).unwrap()
                    }
                };
                parcel.drop_file();
                let arrived = Parcel::of_parts(freight, parcel.bytes().to_vec(), handles, None);
                let (text, handles): Value = arrived.unwrap().unpack().unwrap();
                assert!(text == "x".repeat(len));
                assert_eq!(handles.len(), n_handles);
            }
        }
    }

    #[test]
    fn large_values_lie_on_the_shelf_and_those_that_find_no_room_there_or_have_handles_do_not() {
        let shelf = Shelf::on(blank_sheet(RESULT_BYTES).unwrap()).unwrap();
        let sheet = shelf.sheet().try_clone().unwrap();
        let value = || value(1 << 20, 0);
        let pack = || Parcel::pack(&value(), Some(&shelf)).unwrap();
        let mut parcels: Vec<_> = (0..40).map(|_| pack()).collect();
        let n_shelved = parcels.iter().filter(|parcel| parcel.freight() == Freight::Shelf).count();
        assert!((1..40).contains(&n_shelved), "{n_shelved} on the shelf");
        // Those that were sent make room for those that wait.
        for mut parcel in parcels.drain(..) {
            packed(&mut parcel, Some(&shelf));
            assert_eq!((parcel.freight(), parcel.handles().len()), (Freight::Shelf, 0));
            let mark = parcel.bytes().to_vec();
            let arrived = Parcel::of_parts(Freight::Shelf, mark, Vec::new(), Some(&sheet));
            let (text, _): Value = arrived.unwrap().unpack().unwrap();
            assert!(text == value().0);
        }
        let with_handle = Parcel::pack(&self::value(1 << 20, 1), Some(&shelf)).unwrap();
        assert_eq!(with_handle.freight(), Freight::File);
        assert!(!with_handle.unpacked().unwrap().1);
    }

    #[test]
    fn many_large_values_wait_without_descriptors_and_all_can_be_sent_in_files() {
        let value = || value(MOST_INLINE + 1, 0);
        let mut parcels: Vec<_> = (0..100).map(|_| Parcel::pack(&value(), None).unwrap()).collect();
        for parcel in &mut parcels {
            assert_eq!(parcel.handles().len(), 0);
            packed(parcel, None);
            let mut handles: Vec<_> =
                parcel.handles().iter().map(|file| file.try_clone_to_owned().unwrap()).collect();
            let mapped = super::map(&mut handles).unwrap();
            let (text, _): Value = wire::decode_parts(&mapped, handles).unwrap();
            assert_eq!(text.len(), MOST_INLINE + 1);
            parcel.drop_file();
        }
    }

    #[test]
    fn file_that_others_can_change_is_not_mapped() {
        let file = memfd_create("open", MemfdFlags::CLOEXEC).unwrap();
        rustix::io::write(&file, &[7; 100]).unwrap();
        super::map(&mut vec![file]).unwrap_err();
    }

    #[test]
    fn parcel_whose_record_never_came_is_dropped() {
        let (left, right) = MessageSocket::pair().unwrap();
        let parcel = Parcel::pack(&value(1, 1), None).unwrap();
        for ticket in [3, 4, 5] {
            send(&left, ticket, &parcel.handles(), Deadline::now()).unwrap();
        }
        assert_eq!(receive(&right, 5).unwrap().len(), 1);
        drop(left);
        assert!(receive(&right, 6).is_err());
    }

    #[test]
    fn parcels_that_are_not_wanted_are_dropped_and_no_others() {
        let (left, right) = MessageSocket::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let writer = OwnedFd::from(writer);
        for ticket in [3, 4] {
            send(&left, ticket, &[writer.as_fd()], Deadline::now()).unwrap();
        }
        drop(writer);
        send(&left, 6, &[], Deadline::now()).unwrap();
        assert_eq!(drop_up_to(&right, 4), Some(4));
        assert_eq!(
            std::io::Read::read(&mut reader, &mut [0]).unwrap(),
            0,
            "nobody has the other end"
        );
        assert!(receive(&right, 6).unwrap().is_empty());
        assert_eq!(drop_up_to(&right, 7), None, "there is none");
    }

    #[test]
    fn file_that_others_can_change_or_that_is_none_in_memory_is_not_read() {
        let changeable = memfd_create("x", MemfdFlags::ALLOW_SEALING).unwrap();
        let with_holes = memfd_create("x", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&with_holes, 1 << 40).unwrap();
        let seals = rustix::fs::fcntl_get_seals(file_in_memory(b"").unwrap()).unwrap();
        rustix::fs::fcntl_add_seals(&with_holes, seals).unwrap();
        let files = [changeable, with_holes, File::open("/proc/self/maps").unwrap().into()];
        for file in files.into_iter().chain([std::io::pipe().unwrap().0.into()]) {
            unload(&mut vec![file], &mut Vec::new()).unwrap_err();
        }
    }

    #[test]
    fn what_was_returned_is_told_from_other_outcomes() {
        let parcel = |outcome: Outcome<String>| {
            let bytes = wire::encode(&outcome).unwrap().bytes;
            Parcel::of_parts(Freight::None, bytes, Vec::new(), None).unwrap()
        };
        assert!(parcel(Outcome::Returned("text".to_owned())).is_returned());
        assert!(parcel(Outcome::Returned(String::new())).is_returned());
        assert!(!parcel(Outcome::Unsendable(String::new())).is_returned());
        let panic = PanicInfo::catch(|| -> () { panic!("on purpose") }).unwrap_err();
        assert!(!parcel(Outcome::Panicked(panic)).is_returned());
        let nothing = Parcel::of_parts(Freight::None, Vec::new(), Vec::new(), None).unwrap();
        assert!(!nothing.is_returned());
    }

    #[test]
    fn parcel_without_the_file_or_the_sheet_that_it_speaks_of_is_an_error() {
        assert!(Parcel::of_parts(Freight::File, Vec::new(), Vec::new(), None).is_err());
        assert!(Parcel::of_parts(Freight::Shelf, vec![0; 16], Vec::new(), None).is_err());
    }
}
