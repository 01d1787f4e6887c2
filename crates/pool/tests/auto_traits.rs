//! What may be shared and sent between threads, and seen again after a panic.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use pool::{
    Builder, Imap, ImapUnordered, MapError, Pool, PoolError, Retry, Stats, SubmitError, Task,
    TaskError,
};

fn is_sent_and_shared<T: Send + Sync>() {}
fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}

#[test]
fn threads_can_share_a_pool_and_its_tasks() {
    is_sent_and_shared::<Pool>();
    // The result is bytes until somebody asks for it, whatever its type.
    is_sent_and_shared::<Task<Rc<u8>>>();
    is_sent_and_shared::<Imap<'static, u8, u8, std::ops::Range<u8>>>();
    is_sent_and_shared::<ImapUnordered<'static, Rc<u8>, u8, std::ops::Range<u8>>>();
    is_sent_and_shared::<(Builder, Retry, Stats)>();
    is_sent_and_shared::<(PoolError, TaskError, MapError, SubmitError<u8>)>();
}

#[test]
fn pool_and_tasks_are_whole_after_a_panic() {
    is_unwind_safe::<Pool>();
    is_unwind_safe::<Task<u8>>();
}
