//! What may be done with the types: sent, shared, moved, carried over a panic.
#![cfg(not(ipc_loom))]

use std::panic::{RefUnwindSafe, UnwindSafe};

use ipc_queue::{Builder, ByteQueue, GetError, PutError, Queue, QueueError, SeatError, Stats};

const fn is_free_to_go<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
const fn is_an_error<T: std::error::Error + Send + Sync + 'static>() {}

const _: () = {
    is_free_to_go::<ByteQueue>();
    is_free_to_go::<Queue<String>>();
    is_free_to_go::<Builder>();
    is_free_to_go::<Stats>();
    is_an_error::<QueueError>();
    is_an_error::<SeatError>();
    is_an_error::<GetError>();
    is_an_error::<PutError<Vec<u8>>>();
};

/// A handle holds no value, so what a value may not do does not matter.
#[test]
fn a_handle_may_go_where_its_values_may_not() {
    const fn is_send_and_sync<T: Send + Sync>() {}
    const { is_send_and_sync::<Queue<std::cell::Cell<*const u8>>>() };
}
