//! What may be sent to and shared by threads, whatever the process returns.

use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use proc_core::{
    Builder, Current, ExitStatus, JoinError, PanicInfo, Parent, Process, Start, StartError,
};

const fn is_send<T: Send>() {}
const fn is_sync<T: Sync>() {}
const fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}

#[test]
fn handles_are_shared_by_threads() {
    is_send::<Process<Rc<Cell<u8>>>>();
    is_sync::<Process<Rc<Cell<u8>>>>();
    is_unwind_safe::<Process<u8>>();
    is_send::<Builder>();
    is_sync::<Builder>();
    is_send::<Parent>();
    is_sync::<Parent>();
    is_send::<Current>();
    is_sync::<Current>();
}

#[test]
fn errors_are_sent_to_other_threads() {
    is_send::<StartError>();
    is_sync::<StartError>();
    is_send::<JoinError>();
    is_sync::<JoinError>();
    is_send::<PanicInfo>();
    is_sync::<ExitStatus>();
    is_sync::<Start>();
}
