//! Parcels: what a ring cannot carry.
//!
//! A value has bytes and handles. Few bytes go through the ring; many are put into a file in memory,
//! whose descriptor is one more handle. Handles go through the worker's socket, *before* the record
//! that speaks of them is put into the ring: so whoever gets the record finds the parcel there. A
//! parcel has the ticket of its task on it. One whose record was never put, since its sender died or
//! gave up in between, is recognized by its ticket and dropped, or goes with the socket. So is one whose
//! record was taken back; its worker is told, so that its handles do not stay open until the next comes.
//!
//! The message that a socket carries is a few bytes and some descriptors, whatever the value, so its
//! buffer does not fill up.

use std::io;
use std::mem;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use ipc_core::Deadline;
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::wire::{self, DecodeError, EncodeError, Limits, MessageSocket, RecvError, SendError};
use memmap2::Mmap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::chunk::MOST_ITEM_BYTES;
use crate::scratch::with_scratch;
use crate::sys;

/// So many bytes of a value go through a ring.
///
/// Above, making a file, passing it and reading it costs less than slot after slot.
pub(crate) const MOST_INLINE: usize = 16 << 10;

/// How much of a value goes through the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freight {
    /// Nothing.
    None,
    /// Its handles.
    Handles,
    /// Its handles, and as the last one a file with its bytes.
    File,
}

/// An encoded value that is ready to be sent any number of times, or that was received.
///
/// Many bytes are put into a file at once, if there are not many such files, or else only while they
/// travel: a file has a descriptor, of which a process may have fewer than it has values.
#[derive(Debug)]
pub(crate) struct Parcel {
    bytes: Bytes,
    handles: Vec<OwnedFd>,
    /// The file with its bytes, if it was made.
    file: Option<OwnedFd>,
}

/// The bytes of a value.
#[derive(Debug)]
enum Bytes {
    /// They go through the ring.
    Few(Vec<u8>),
    /// They go in a file, which can be made without holding up who else needs the parcel.
    Many(Arc<Vec<u8>>),
    /// They are in a file, and nowhere else.
    Filed(Filed),
}

/// A file with the bytes of a value that waits or is under way.
#[derive(Debug)]
struct Filed {
    file: OwnedFd,
    len: usize,
}

/// How many there are in this process, which are never more than [`MOST_FILED`] by much. A number of
/// this process alone; nothing else hangs on it.
static N_FILED: AtomicU64 = AtomicU64::new(0);

/// So many values are in files while they wait. A few large ones under way keep all workers busy.
const MOST_FILED: u64 = 16;

impl Filed {
    /// `None` if there are many already, or there can be no file now.
    fn new(bytes: &[u8]) -> Option<Self> {
        if N_FILED.load(Relaxed) >= MOST_FILED {
            return None;
        }
        let file = sys::file_in_memory(bytes).ok()?;
        N_FILED.fetch_add(1, Relaxed);
        Some(Self { file, len: bytes.len() })
    }
}

impl Drop for Filed {
    fn drop(&mut self) {
        N_FILED.fetch_add(1_u64.wrapping_neg(), Relaxed);
    }
}

impl Parcel {
    /// Encodes a value.
    pub(crate) fn pack<T: Serialize>(value: &T) -> Result<Self, EncodeError> {
        with_scratch(|scratch| {
            scratch.clear();
            let handles = wire::encode_into(value, scratch)?;
            let bytes = if scratch.len() <= MOST_INLINE {
                Bytes::Few(scratch.to_vec())
            } else if let Some(filed) = Filed::new(scratch) {
                Bytes::Filed(filed)
            } else {
                let mut bytes = mem::take(scratch);
                bytes.shrink_to_fit();
                Bytes::Many(Arc::new(bytes))
            };
            Ok(Self { bytes, handles, file: None })
        })
    }

    /// Puts together what came through a ring and what came through a socket; an error is that the
    /// bytes cannot be had.
    pub(crate) fn of_parts(
        freight: Freight,
        mut bytes: Vec<u8>,
        mut handles: Vec<OwnedFd>,
    ) -> io::Result<Self> {
        if freight == Freight::File {
            unload(&mut handles, &mut bytes)?;
        }
        Ok(Self { bytes: Bytes::Few(bytes), handles, file: None })
    }

    /// Decodes a value that was received.
    pub(crate) fn unpack<T: DeserializeOwned>(self) -> Result<T, DecodeError> {
        let Self { bytes, handles, .. } = self;
        match bytes {
            Bytes::Few(bytes) => wire::decode_parts(&bytes, handles),
            Bytes::Many(bytes) => wire::decode_parts(&bytes, handles),
            // What was received is never so.
            Bytes::Filed(_) => wire::decode_parts(&[], handles),
        }
    }

    /// Whether it is too large to travel with others, or has handles.
    pub(crate) fn goes_alone(&self) -> bool {
        let len = match &self.bytes {
            Bytes::Few(bytes) => bytes.len(),
            Bytes::Many(bytes) => bytes.len(),
            Bytes::Filed(filed) => filed.len,
        };
        len > MOST_ITEM_BYTES || !self.handles.is_empty()
    }

    /// Whether this, the outcome of a call, is what a function returned: of an enum the number of the
    /// variant comes first.
    pub(crate) fn is_returned(&self) -> bool {
        self.bytes().first() == Some(&0)
    }

    /// The bytes that must be put into a file before it can be sent, if there are such.
    pub(crate) fn wants_file(&self) -> Option<Arc<Vec<u8>>> {
        match &self.bytes {
            Bytes::Many(bytes) if self.file.is_none() => Some(Arc::clone(bytes)),
            _ => None,
        }
    }

    /// Whether these are its bytes.
    pub(crate) fn is_of(&self, bytes: &Arc<Vec<u8>>) -> bool {
        matches!(&self.bytes, Bytes::Many(own) if Arc::ptr_eq(own, bytes))
    }

    /// Gives it the file with its bytes.
    pub(crate) fn take_file(&mut self, file: OwnedFd) {
        self.file = Some(file);
    }

    /// It was sent, so its file is not needed; to be sent again, it needs another.
    pub(crate) fn drop_file(&mut self) {
        self.file = None;
    }

    /// What goes through the ring.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Few(bytes) => bytes,
            Bytes::Many(_) | Bytes::Filed(_) => &[],
        }
    }

    /// What goes through the socket.
    pub(crate) fn handles(&self) -> Vec<BorrowedFd<'_>> {
        let filed = match &self.bytes {
            Bytes::Filed(filed) => Some(&filed.file),
            _ => self.file.as_ref(),
        };
        self.handles.iter().chain(filed).map(OwnedFd::as_fd).collect()
    }

    pub(crate) fn freight(&self) -> Freight {
        match self.bytes {
            Bytes::Many(_) | Bytes::Filed(_) => Freight::File,
            Bytes::Few(_) if self.handles.is_empty() => Freight::None,
            Bytes::Few(_) => Freight::Handles,
        }
    }
}

/// Puts the bytes of a value into a file, whose handle becomes the last, if they are many.
pub(crate) fn load(bytes: &[u8], handles: &mut Vec<OwnedFd>) -> io::Result<Freight> {
    if bytes.len() > MOST_INLINE {
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
        }
    }

    pub(crate) const fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Handles),
            2 => Some(Self::File),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd as _, OwnedFd};

    use ipc_core::Deadline;
    use ipc_core::wire::{self, Handle, MessageSocket};
    use proc_core::{Outcome, PanicInfo};
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::{Freight, MOST_INLINE, Parcel, drop_up_to, receive, send, unload};
    use crate::sys::file_in_memory;

    type Value = (String, Vec<Handle>);

    fn value(len: usize, n_handles: usize) -> Value {
        let null = || Handle::from(OwnedFd::from(File::open("/dev/null").unwrap()));
        ("x".repeat(len), (0..n_handles).map(|_| null()).collect())
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
            let mut parcel = Parcel::pack(&value(len, n_handles)).unwrap();
            assert_eq!(parcel.freight(), freight);
            for ticket in [1, 2] {
                if let Some(bytes) = parcel.wants_file() {
                    assert!(parcel.is_of(&bytes));
                    parcel.take_file(file_in_memory(&bytes).unwrap());
                    assert!(parcel.wants_file().is_none());
                }
                let (left, right) = MessageSocket::pair().unwrap();
                let handles = match freight {
                    Freight::None => Vec::new(),
                    _ => {
                        send(&left, ticket, &parcel.handles(), Deadline::now()).unwrap();
                        receive(&right, ticket).unwrap()
                    }
                };
                parcel.drop_file();
                let arrived = Parcel::of_parts(freight, parcel.bytes().to_vec(), handles);
                let (text, handles): Value = arrived.unwrap().unpack().unwrap();
                assert!(text == "x".repeat(len));
                assert_eq!(handles.len(), n_handles);
            }
        }
    }

    #[test]
    fn few_large_values_are_in_files_while_they_wait_and_all_of_many_can_be_sent() {
        let value = || value(MOST_INLINE + 1, 0);
        let mut parcels: Vec<_> = (0..100).map(|_| Parcel::pack(&value()).unwrap()).collect();
        let n_filed = parcels.iter().filter(|parcel| parcel.wants_file().is_none()).count();
        // Other tests have some at the same time.
        assert!(n_filed <= 2 * 16, "{n_filed} in files");
        for parcel in &mut parcels {
            if let Some(bytes) = parcel.wants_file() {
                parcel.take_file(file_in_memory(&bytes).unwrap());
            }
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
        let parcel = Parcel::pack(&value(1, 1)).unwrap();
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
            Parcel::of_parts(Freight::None, bytes, Vec::new()).unwrap()
        };
        assert!(parcel(Outcome::Returned("text".to_owned())).is_returned());
        assert!(parcel(Outcome::Returned(String::new())).is_returned());
        assert!(!parcel(Outcome::Unsendable(String::new())).is_returned());
        let panic = PanicInfo::catch(|| -> () { panic!("on purpose") }).unwrap_err();
        assert!(!parcel(Outcome::Panicked(panic)).is_returned());
        assert!(!Parcel::of_parts(Freight::None, Vec::new(), Vec::new()).unwrap().is_returned());
    }

    #[test]
    fn parcel_without_the_file_that_it_speaks_of_is_an_error() {
        assert!(Parcel::of_parts(Freight::File, Vec::new(), Vec::new()).is_err());
    }
}
