//! What may go to another thread, and be used by several: a promise of each type.

use std::panic::{RefUnwindSafe, UnwindSafe};

use ipc_core::wire::{
    CodecError, DecodeError, EncodeError, Handle, Limits, Message, MessageSocket, RecvError,
    SendError,
};
use ipc_core::{
    Deadline, DeathWatch, Kind, Layout, PerProcess, Placed, ProcessId, Segment, SegmentError,
    SegmentId, Shared,
};

fn is_send_and_sync<T: Send + Sync + ?Sized>() {}
fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe + ?Sized>() {}
fn is_error<T: std::error::Error + Send + Sync + 'static>() {}

/// For every `T`, since what may be shared is `Sync`.
fn placed_is_send_and_sync<T: Shared>() {
    is_send_and_sync::<Placed<T>>();
    is_send_and_sync::<Placed<[T]>>();
}

#[test]
fn handles_may_go_to_other_threads() {
    is_send_and_sync::<Segment>();
    is_send_and_sync::<SegmentId>();
    is_send_and_sync::<Kind>();
    is_send_and_sync::<Layout>();
    is_send_and_sync::<Deadline>();
    is_send_and_sync::<ProcessId>();
    is_send_and_sync::<DeathWatch>();
    is_send_and_sync::<Handle>();
    is_send_and_sync::<Message>();
    is_send_and_sync::<MessageSocket>();
    is_send_and_sync::<Limits>();
    is_send_and_sync::<PerProcess<u8>>();
    placed_is_send_and_sync::<Nothing>();
}

#[test]
fn handles_may_be_used_after_a_panic() {
    is_unwind_safe::<Segment>();
    is_unwind_safe::<DeathWatch>();
    is_unwind_safe::<Handle>();
    is_unwind_safe::<Message>();
    is_unwind_safe::<MessageSocket>();
}

#[test]
fn errors_are_errors_and_may_go_to_other_threads() {
    is_error::<SegmentError>();
    is_error::<EncodeError>();
    is_error::<DecodeError>();
    is_error::<CodecError>();
    is_error::<SendError>();
    is_error::<RecvError>();
}

/// Something that may be shared in every world, since it has no bytes.
#[repr(C)]
struct Nothing;

#[expect(unsafe_code, reason = "a type to ask about")]
// SAFETY: it is `repr(C)`, and without bytes there is nothing that could be wrong about them.
unsafe impl Shared for Nothing {}
