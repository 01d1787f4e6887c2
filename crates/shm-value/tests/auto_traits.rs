//! What may be sent to another thread, shared with one, and carried through a panic.

#![cfg(not(ipc_loom))]

use std::panic::{RefUnwindSafe, UnwindSafe};

use serde::Serialize;
use serde::de::DeserializeOwned;
use shm_value::{AccessError, Atomic, RawValue, Value, ValueGuard};

/// The answer where there is no better one.
trait Answer {
    const _HAS: bool = false;
}

impl<T: ?Sized> Answer for T {}

/// Whether a type has a trait: then an inherent constant is found before the trait's.
macro_rules! has {
    ($type:ty: $trait:path) => {{
        struct Asked<T>(core::marker::PhantomData<T>);
        impl<T: $trait> Asked<T> {
            const _HAS: bool = true;
        }
        <Asked<$type>>::_HAS
    }};
}

fn handle<T: Send + Sync + Clone + UnwindSafe + RefUnwindSafe + std::fmt::Debug>() {}
fn travels<T: Serialize + DeserializeOwned + Send + 'static>() {}
fn error<T: std::error::Error + Send + Sync + Copy + PartialEq + 'static>() {}

#[test]
fn handles_go_everywhere() {
    handle::<Value<[f64; 3]>>();
    handle::<RawValue<bool>>();
}

#[test]
fn handles_are_data_of_messages() {
    travels::<Value<[f64; 3]>>();
    travels::<RawValue<bool>>();
}

#[test]
fn guards_stay_in_their_thread() {
    assert!(!has!(ValueGuard<'static, u64>: Send));
    assert!(has!(Atomic<u64>: Sync));
}

#[test]
fn errors_are_data() {
    error::<AccessError>();
}
