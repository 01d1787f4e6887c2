//! Errors of memory, locks, queues and shared values.

use std::io;

use multiproc::memory::{self, Kind};
use multiproc::{queue, sync, value, wire};
use serde::{Serialize, Serializer, ser};

use crate::{Row, rows};

/// Something that cannot be encoded.
#[derive(Debug)]
pub(crate) struct Stubborn;

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("it does not want to"))
    }
}

/// What the system says when there are too many descriptors.
pub(crate) fn emfile() -> io::Error {
    io::Error::from_raw_os_error(libc::EMFILE)
}

const QUEUE: Kind = Kind::new(*b"queue\0\0\0", 3);
const LOCK: Kind = Kind::new(*b"lock\0\0\0\0", 1);
const NEW_LOCK: Kind = Kind::new(*b"lock\0\0\0\0", 2);

pub(crate) fn rows() -> Vec<Row> {
    [of_segments(), of_wire(), of_locks(), of_others(), of_queues(), of_values()]
        .into_iter()
        .flatten()
        .collect()
}

fn of_segments() -> Vec<Row> {
    rows! {
        memory::SegmentError::NoSpace { bytes: 1 << 40 } => "free memory, ask for less, or raise the limit of the control group, or that of files (`ulimit -f`)",
        memory::SegmentError::NotASegment => "look what was sent or named: it is something else",
        memory::SegmentError::NotSealed => "whoever made it has to seal it against shrinking, as `Segment` does",
        memory::SegmentError::WrongMagic => "look what was sent or named: it is something else",
        memory::SegmentError::WrongLayoutVersion { expected: 1, found: 2 } => "build both programs with the same version",
        memory::SegmentError::WrongKind { expected: LOCK, found: QUEUE } => "open it as what it is",
        memory::SegmentError::Exclusive { found: QUEUE } => "place it in a segment of its own",
        memory::SegmentError::WrongKindVersion { expected: LOCK, found: NEW_LOCK } => "build both programs with the same version",
        memory::SegmentError::WrongType { expected: 1, found: 2 } => "open it with the type that it was made with",
        memory::SegmentError::Truncated { expected: 4096, found: 64 } => "somebody cut it: make it anew",
        memory::SegmentError::TooLong { expected: 64, found: 4096 } => "somebody wrote to it: make it anew",
        memory::SegmentError::OtherPidNamespace => "share it among processes of one pid namespace",
        memory::SegmentError::AlreadyExists => "open it, or choose another name",
        memory::SegmentError::NotFound => "make it first, or look for a slip in the name",
        memory::SegmentError::BadName => "choose a name without a slash",
        memory::SegmentError::PermissionDenied => "run as the user who made it",
        memory::SegmentError::OutOfBounds { offset: 64, size: 8, len: 64 } => "make the segment larger, or place it lower: `Layout` computes it",
        memory::SegmentError::Misaligned { offset: 3, alignment: 8 } => "use an offset that `Layout` has computed",
        memory::SegmentError::Io(emfile()) => "see what the system says",
    }
}

fn of_wire() -> Vec<Row> {
    let unencodable = wire::encode(&Stubborn).map(drop).unwrap_err();
    let undecodable = wire::decode_plain::<u8>(&[]).unwrap_err();
    let mut rows = vec![
        Row::new(
            "memory::wire::EncodeError::Value",
            &unencodable,
            "mend the `Serialize` of the value",
        ),
        Row::new(
            "memory::wire::DecodeError::Value",
            &undecodable,
            "receive it as the type that was sent",
        ),
    ];
    rows.extend(renamed(rows! {
        wire::EncodeError::HandleNotAllowed => "send handles by an argument, a result or a connection",
        wire::EncodeError::Duplicate(emfile()) => "close descriptors, or raise `RLIMIT_NOFILE`",
        wire::DecodeError::TooDeep { limit: 128 } => "send a flatter value",
        wire::DecodeError::TooManyItems { limit: 65536 } => "the sender is broken or hostile: let it go",
        wire::DecodeError::LeftOverBytes { count: 3 } => "receive it as the type that was sent",
        wire::DecodeError::NoSuchHandle { index: 1, count: 1 } => "the sender is broken or hostile: let it go",
        wire::DecodeError::HandleUsedTwice { index: 0 } => "the sender is broken or hostile: let it go",
        wire::DecodeError::LeftOverHandles { count: 1 } => "receive it as the type that was sent",
        wire::DecodeError::WrongHandle { expected: "file" } => "receive it as the type that was sent",
        wire::DecodeError::Segment(memory::SegmentError::NotSealed) => "see what it says of the segment",
        wire::SendError::TimedOut => "try again, or let the peer go",
        wire::SendError::Torn => "make a new connection",
        wire::SendError::Disconnected => "make a new connection",
        wire::SendError::Io(emfile()) => "see what the system says",
        wire::RecvError::TimedOut => "try again: nothing is lost",
        wire::RecvError::Truncated => "make a new connection",
        wire::RecvError::TooLong { len: 1 << 40, limit: 1 << 30 } => "raise the limit, or let the peer go",
        wire::RecvError::TooManyHandles { count: 1000, limit: 253 } => "raise the limit, or let the peer go",
        wire::RecvError::HandlesCutOff => "close descriptors, or raise `RLIMIT_NOFILE`",
        wire::RecvError::MissingHandles { expected: 2, found: 1 } => "the sender is broken or hostile: let it go",
        wire::RecvError::SurplusHandles { expected: 1, found: 2 } => "the sender is broken or hostile: let it go",
        wire::RecvError::Broken => "make a new connection",
        wire::RecvError::Io(emfile()) => "see what the system says",
    }));
    rows
}

/// `wire` is a module of `memory`.
fn renamed(mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        row.name.insert_str(0, "memory::");
    }
    rows
}

fn of_locks() -> Vec<Row> {
    rows! {
        sync::LockError::OwnerDied(()) => "you hold the lock: look at what it protects, mend it, go on",
        sync::LockError::Poisoned(()) => "you hold the lock: set the value and mark it consistent, or give up",
        sync::LockError::<()>::Corrupt => "somebody scribbled over it: make a new one",
        sync::LockError::<()>::Timeout => "try again, or do something else",
        sync::LockError::<()>::WouldDeadlock => "use the guard that the thread has, or an `RLock`",
        sync::LockError::<()>::TooManyHeld => "give some back: see `memory::robust::MAX_HELD`",
        sync::LockError::<()>::TooDeep => "give some levels back",
        sync::TryLockError::<()>::WouldBlock => "do something else, or wait with `lock`",
        sync::TryLockError::OwnerDied(()) => "as of `LockError`",
        sync::TryLockError::Poisoned(()) => "as of `LockError`",
        sync::TryLockError::<()>::Corrupt => "as of `LockError`",
        sync::TryLockError::<()>::TooManyHeld => "as of `LockError`",
        sync::TryLockError::<()>::TooDeep => "as of `LockError`",
        sync::WaitError::OwnerDied(()) => "you hold the lock again: mend what it protects, notify all, go on",
        sync::WaitError::Poisoned(()) => "as of `LockError`",
        sync::WaitError::<()>::NotHeld => "wait with a guard that this process took itself",
        sync::WaitError::<()>::TooManyHeld => "as of `LockError`",
        sync::WaitError::<()>::Corrupt => "as of `LockError`",
    }
}

fn of_others() -> Vec<Row> {
    rows! {
        sync::NewBarrierError::Parties { asked: 0 } => "ask for at least one",
        sync::NewBarrierError::Corrupt => "somebody scribbled over it: make a new one",
        sync::MemberError::AlreadyMember => "use the membership that the thread has",
        sync::MemberError::TooManyMembers => "make the barrier for more parties",
        sync::MemberError::TooManyHeld => "give some locks back",
        sync::MemberError::Corrupt => "somebody scribbled over it: make a new one",
        sync::BarrierError::Timeout => "the barrier is broken now: reset it, or give up",
        sync::BarrierError::PartyTimedOut => "the barrier is broken: reset it, or give up",
        sync::BarrierError::PartyDied { pid: 4321 } => "replace the party, and reset the barrier",
        sync::BarrierError::ActionPanicked => "mend the action, and reset the barrier",
        sync::BarrierError::Aborted => "somebody wanted all to stop: stop, or reset it",
        sync::BarrierError::Reset => "begin anew",
        sync::BarrierError::WouldDeadlock => "do not wait in the action",
        sync::BarrierError::TooManyHeld => "give some locks back",
        sync::BarrierError::Corrupt => "somebody scribbled over it: make a new one",
        sync::SemaphoreError::TooManyPermits { asked: u32::MAX } => "ask for fewer",
        sync::SemaphoreError::TooManySeats { asked: u32::MAX } => "ask for fewer",
        sync::SemaphoreError::Unbounded => "open it as a `Semaphore`",
        sync::SemaphoreError::Corrupt => "somebody scribbled over it: make a new one",
        sync::AcquireError::Timeout => "try again, or do something else",
        sync::AcquireError::NoSeat => "give permits back, or make it with more seats",
        sync::AcquireError::TooManyHeld => "give some locks back",
        sync::TryAcquireError::WouldBlock => "do something else, or wait with `acquire`",
        sync::TryAcquireError::NoSeat => "give permits back, or make it with more seats",
        sync::TryAcquireError::TooManyHeld => "give some locks back",
        sync::ReleaseError::TooManyPermits => "release as often as was taken, and no more",
        sync::OnceError::<std::fmt::Error>::Busy => "do something else, or wait with `call_once`",
        sync::OnceError::<std::fmt::Error>::Timeout => "try again, or do something else",
        sync::OnceError::<std::fmt::Error>::Recursive => "do not call it from within",
        sync::OnceError::Failed(std::fmt::Error) => "see why; the next to come tries again",
        sync::OnceError::<std::fmt::Error>::NotHeld => "leave it to the process that it was forked from",
        sync::OnceError::<std::fmt::Error>::TooManyHeld => "give some locks back",
        sync::OnceError::<std::fmt::Error>::Corrupt => "somebody scribbled over it: make a new one",
    }
}

fn of_queues() -> Vec<Row> {
    let undecodable = || wire::encode(&Stubborn).map(drop).unwrap_err();
    rows! {
        queue::QueueError::BadCapacity { most: 1 << 20 } => "ask for a number between these",
        queue::QueueError::BadSlotSize => "ask for such a size",
        queue::QueueError::BadMaxBytes { most: 1 << 40 } => "ask for fewer",
        queue::QueueError::BadSeats { most: 4096 } => "ask for a number between these",
        queue::SeatError::AllTaken { n_seats: 64 } => "end threads that use it, or build it with more seats",
        queue::PutError::Full(()) => "the value is in the error: try again, or wait with `put`",
        queue::PutError::TimedOut(()) => "the value is in the error: try again, or give up",
        queue::PutError::Closed(()) => "stop: the value is in the error",
        queue::PutError::Disconnected(()) => "stop: all who could get have ended",
        queue::PutError::TooLarge { value: (), len: 4096, limit: 64 } => "build the queue with more `max_bytes`, or send a `Segment`'s name",
        queue::PutError::NoMemory { value: (), source: memory::SegmentError::NoSpace { bytes: 4096 } } => "free memory; the value is in the error",
        queue::PutError::Inherited(()) => "leave the loan to the process that it was forked from",
        queue::PutError::Encode { value: (), source: undecodable() } => "mend the value, or send handles by a connection",
        queue::PutError::NoSeat { value: (), source: queue::SeatError::AllTaken { n_seats: 64 } } => "end threads that use it, or build it with more seats",
        queue::PutError::Corrupt(()) => "make a new queue",
        queue::GetError::Empty => "do something else, or wait with `get`",
        queue::GetError::TimedOut => "try again, or give up",
        queue::GetError::Closed => "stop: all that was put has been got",
        queue::GetError::Disconnected => "stop: all who could put have ended, and all that was put has been got",
        queue::GetError::NoMemory { len: 1 << 30 } => "free memory, and get it again",
        queue::GetError::Corrupt => "make a new queue",
        queue::LeaseError::Inherited => "leave it to the process that it was forked from",
        queue::LeaseError::Lost => "make a new queue",
        queue::UnfinishedError::Unfinished => "do something else, or wait with `join`",
        queue::UnfinishedError::TimedOut => "try again, or give up",
        queue::UnfinishedError::ByCaller => "finish your leases first",
        queue::UnfinishedError::Disconnected => "start workers, or give up: nobody is left to do it",
    }
}

fn of_values() -> Vec<Row> {
    rows! {
        value::AccessError::Corrupt => "somebody scribbled over it: set it anew",
        value::AccessError::Busy => "try again",
        value::AccessError::WouldDeadlock => "use the guard that the thread has",
        value::AccessError::TooManyHeld => "give some locks back",
        value::ChangeError::Full => "make it with more room, or remove something",
        value::ChangeError::OutOfBounds { idx: 3, len: 3 } => "look at its length",
        value::ChangeError::TooLarge { len: 100, capacity: 16 } => "make the list with a longer text or bytes there",
        value::ChangeError::WrongLength { len: 3, expected: 8 } => "give as many bytes as the map was made for",
        value::ArrayError::OutOfBounds { start: 8, len: 4, there: 10 } => "look at its length",
        value::ArrayError::BadParts { parts: 0, most: 1024 } => "ask for a number between these",
        value::ArrayError::BadShape { len: 10 } => "the product of the dimensions has to be the length",
        value::ArrayError::Corrupt => "somebody scribbled over it: set it anew",
        value::MemoryError::BadSize => "ask for at least one byte",
        value::MemoryError::OutOfBounds { offset: 60, len: 8, size: 64 } => "look at its size, or let it grow",
        value::MemoryError::Corrupt => "read it as what was written",
        value::MemoryError::NotOwner => "leave it to whoever made it",
        value::MemoryError::NotFrozen => "freeze it first",
    }
}
