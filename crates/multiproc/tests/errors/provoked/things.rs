//! Memory, the wire and shared values.

use std::fs::{self, File};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;

use multiproc::memory::{self, Kind};
use multiproc::{
    Array, Deadline, Event, FrozenMemory, Lock, Mutex, Segment, ShareableList, SharedMemory,
    ShmVec, Value, value, wire,
};
use serde::de::{self, Deserialize, Deserializer};

use super::{Met, meets};
use crate::shared::Stubborn;

pub(super) fn met() -> Met {
    let mut met = Met::new();
    of_names(&mut met);
    of_headers(&mut met);
    of_segments(&mut met);
    of_the_wire(&mut met);
    of_values(&mut met);
    met
}

/// A name for this process alone.
fn name(word: &str) -> String {
    format!("multiproc-errors-{word}-{}", multiproc::current().pid())
}

fn of_names(met: &mut Met) {
    meets!(met, Lock::create_named("a/b"), memory::SegmentError::BadName);
    let name = name("names");
    meets!(met, Lock::open_named(&name), memory::SegmentError::NotFound);
    let _lock = Lock::create_named(&name).unwrap();
    meets!(met, Lock::create_named(&name), memory::SegmentError::AlreadyExists);
    meets!(met, Event::open_named(&name), memory::SegmentError::WrongKind { .. });
    Segment::unlink(&name).unwrap();
}

/// What lies under a name, with a part of its header changed as a stranger could.
fn of_headers(met: &mut Met) {
    let name = name("headers");
    let path = format!("/dev/shm/{name}");
    let whole = {
        drop(ShmVec::<u8>::create_named(&name, 10).unwrap());
        let whole = fs::read(&path).unwrap();
        meets!(met, ShmVec::<u64>::open_named(&name), memory::SegmentError::WrongType { .. });
        whole
    };
    let opened_with = |at: u64, byte: u8| {
        fs::write(&path, &whole).unwrap();
        File::options().write(true).open(&path).unwrap().write_all_at(&[byte], at).unwrap();
        ShmVec::<u8>::open_named(&name)
    };
    // The drawing is in `ipc-core`, `header.rs`.
    meets!(met, opened_with(0, b'?'), memory::SegmentError::WrongMagic);
    meets!(met, opened_with(8, 99), memory::SegmentError::WrongLayoutVersion { .. });
    meets!(met, opened_with(12, 99), memory::SegmentError::WrongKindVersion { .. });
    meets!(met, opened_with(40, 1), memory::SegmentError::OtherPidNamespace);
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    meets!(met, ShmVec::<u8>::open_named(&name), memory::SegmentError::Truncated { .. });
    fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    meets!(met, ShmVec::<u8>::open_named(&name), memory::SegmentError::TooLong { .. });
    Segment::unlink(&name).unwrap();
}

fn of_segments(met: &mut Met) {
    let kind = Kind::new(*b"words\0\0\0", 1);
    meets!(met, Segment::create(kind, 0, 1 << 60), memory::SegmentError::NoSpace { .. });
    let null = OwnedFd::from(File::open("/dev/null").unwrap());
    meets!(met, Segment::from_fd(null, kind, 0), memory::SegmentError::NotASegment);
    let segment = Segment::create(kind, 0, 128).unwrap();
    meets!(met, Lock::in_segment(&segment, 128), memory::SegmentError::OutOfBounds { .. });
    meets!(met, Lock::in_segment(&segment, 3), memory::SegmentError::Misaligned { .. });
    let mutex = Mutex::new(1_u64).unwrap();
    meets!(met, Lock::in_segment(mutex.segment(), 0), memory::SegmentError::Exclusive { .. });
}

/// Something that cannot be decoded.
struct Picky;

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("it does not want to"))
    }
}

fn of_the_wire(met: &mut Met) {
    let mut wire_met = Met::new();
    let met_here = &mut wire_met;
    meets!(met_here, wire::encode(&Stubborn), wire::EncodeError::Value(_));
    let lock = Lock::new().unwrap();
    let mut bytes = Vec::new();
    meets!(met_here, wire::encode_plain(&lock, &mut bytes), wire::EncodeError::HandleNotAllowed);
    meets!(met_here, wire::decode_plain::<Picky>(&[]), wire::DecodeError::Value(_));
    meets!(met_here, wire::decode_plain::<u8>(&[1, 2]), wire::DecodeError::LeftOverBytes { .. });
    let message = wire::encode(&lock).unwrap();
    meets!(
        met_here,
        wire::decode_parts::<Lock>(&message.bytes, vec![]),
        wire::DecodeError::NoSuchHandle { .. }
    );
    of_sockets(met_here);
    // `wire` is a module of `memory`.
    met.extend(wire_met.into_iter().map(|(name, said)| (format!("memory::{name}"), said)));
}

fn of_sockets(met: &mut Met) {
    let limits = wire::Limits::default();
    let pair = || wire::MessageSocket::pair().unwrap();
    let (short, long) = (wire::encode(&1_u8).unwrap(), wire::encode(&vec![0_u8; 1 << 22]).unwrap());
    let (here, _there) = pair();
    meets!(met, here.recv(&limits, Deadline::now()), wire::RecvError::TimedOut);
    let full = std::iter::repeat_with(|| here.send(&short, Deadline::now())).find_map(Result::err);
    meets!(met, full.map_or(Ok(()), Err), wire::SendError::TimedOut);
    let (here, there) = pair();
    meets!(met, here.send(&long, Deadline::now()), wire::SendError::Torn);
    meets!(met, there.recv(&limits, Deadline::NEVER), wire::RecvError::Truncated);
    meets!(met, there.recv(&limits, Deadline::NEVER), wire::RecvError::Broken);
    let (here, there) = pair();
    drop(there);
    meets!(met, here.send(&short, Deadline::NEVER), wire::SendError::Disconnected);
}

fn of_values(met: &mut Met) {
    let number = Value::new([0_u64; 4]).unwrap();
    let guard = number.lock().unwrap();
    meets!(met, number.try_lock(), value::AccessError::Busy);
    meets!(met, number.set([1; 4]), value::AccessError::WouldDeadlock);
    drop(guard);
    let values = ShmVec::<u8>::with_capacity(1).unwrap();
    values.push(1).unwrap();
    meets!(met, values.push(2), value::ChangeError::Full);
    meets!(met, values.set(1, 1), value::ChangeError::OutOfBounds { .. });
    let list = ShareableList::new(["word".into()]).unwrap();
    meets!(met, list.set(0, "x".repeat(1000)), value::ChangeError::TooLarge { .. });
    let bytes = value::ByteVec::with_capacity(1, 8, 0).unwrap();
    meets!(met, bytes.push(&[[0; 3]]), value::ChangeError::WrongLength { .. });
    let array = Array::from_slice(&[1_u8, 2, 3]).unwrap();
    meets!(met, array.get(3), value::ArrayError::OutOfBounds { .. });
    let parts = Array::<u8>::zeroed_in_parts(3, 0);
    meets!(met, parts, value::ArrayError::BadParts { .. });
    let guard = array.read().unwrap();
    meets!(met, guard.shaped([2, 2]), value::ArrayError::BadShape { .. });
    drop(guard);
    meets!(met, SharedMemory::new(0), value::MemoryError::BadSize);
    let memory = SharedMemory::new(4).unwrap();
    meets!(met, memory.read(2, &mut [0; 8]), value::MemoryError::OutOfBounds { .. });
    memory.write(0, &[7]).unwrap();
    meets!(met, memory.get::<bool>(0), value::MemoryError::Corrupt);
    let fd = memory.segment().as_fd().try_clone_to_owned().unwrap();
    meets!(met, FrozenMemory::from_fd(fd), value::MemoryError::NotFrozen);
    let shared = name("memory");
    let owner = SharedMemory::create(&shared, 8).unwrap();
    meets!(met, SharedMemory::open(&shared).unwrap().unlink(), value::MemoryError::NotOwner);
    owner.unlink().unwrap();
}
