//! What may be sent to another thread, shared with one, and carried through a panic.

#![cfg(not(ipc_loom))]

use std::panic::{RefUnwindSafe, UnwindSafe};

use ipc_sync::{
    AcquireError, Barrier, BarrierError, BarrierStats, BoundedSemaphore, Condition, ConditionStats,
    Event, EventStats, Lock, LockError, LockGuard, LockStats, Mutex, MutexGuard, NotHeld, Once,
    OnceError, OnceState, OnceStats, OnceTurn, Permit, RLock, RLockGuard, Recovery, ReleaseError,
    RwLock, RwLockReadGuard, RwLockRecovery, RwLockStats, RwLockWriteGuard, Semaphore,
    SemaphoreError, SemaphoreStats, TryAcquireError, TryLockError, WaitEnd, WaitError,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

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

#[test]
fn handles_go_everywhere() {
    handle::<Event>();
    handle::<Semaphore>();
    handle::<BoundedSemaphore>();
    handle::<SemaphoreStats>();
    handle::<EventStats>();
    handle::<Lock>();
    handle::<Mutex<u64>>();
    handle::<Mutex<char>>();
    handle::<LockStats>();
    travels::<Event>();
    travels::<Semaphore>();
    travels::<BoundedSemaphore>();
    handle::<RLock>();
    handle::<Condition>();
    handle::<ConditionStats>();
    handle::<WaitEnd>();
    handle::<Once>();
    handle::<OnceStats>();
    handle::<OnceState>();
    handle::<Barrier>();
    handle::<BarrierStats>();
    handle::<RwLock<u64>>();
    handle::<RwLockStats>();
    travels::<RwLock<[u8; 3]>>();
    travels::<Barrier>();
    travels::<Lock>();
    travels::<RLock>();
    travels::<Condition>();
    travels::<Once>();
    travels::<Mutex<[u8; 3]>>();
}

#[test]
fn guards_stay_in_their_thread() {
    assert!(has!(u64: Send), "the question itself works");
    assert!(!has!(*const u64: Send), "the question itself works");
    assert!(!has!(LockGuard<'static>: Send));
    assert!(!has!(Permit<'static>: Send));
    assert!(!has!(Permit<'static>: Sync));
    assert!(!has!(LockGuard<'static>: Sync));
    assert!(!has!(MutexGuard<'static, u64>: Send));
    assert!(!has!(RLockGuard<'static>: Send));
    assert!(!has!(RLockGuard<'static>: Sync));
    assert!(!has!(OnceTurn<'static>: Send));
    assert!(!has!(Recovery<'static, u64>: Send));
    assert!(!has!(LockError<LockGuard<'static>>: Send));
    assert!(!has!(RwLockReadGuard<'static, u64>: Send));
    assert!(!has!(RwLockWriteGuard<'static, u64>: Send));
    assert!(!has!(RwLockRecovery<'static, u64>: Send));
    assert!(!has!(TryLockError<Recovery<'static, u64>>: Send));
}

#[test]
fn what_a_guard_lends_may_be_looked_at_by_others() {
    assert!(has!(MutexGuard<'static, u64>: Sync));
    assert!(has!(RwLockReadGuard<'static, u64>: Sync));
    assert!(has!(RwLockWriteGuard<'static, u64>: Sync));
}

#[test]
fn errors_without_the_lock_go_everywhere() {
    assert!(has!(BarrierError: Send));
    assert!(has!(LockError<()>: Send));
    assert!(has!(AcquireError: std::error::Error));
    assert!(has!(TryAcquireError: std::error::Error));
    assert!(has!(ReleaseError: std::error::Error));
    assert!(has!(SemaphoreError: Send));
    assert!(has!(TryLockError<()>: Sync));
    assert!(has!(LockError<()>: std::error::Error));
    assert!(has!(NotHeld: std::error::Error));
    assert!(has!(WaitError<()>: Send));
    assert!(!has!(WaitError<LockGuard<'static>>: Send));
    assert!(has!(OnceError: std::error::Error));
    assert!(has!(OnceError<std::io::Error>: Send));
    assert!(has!(LockError<LockGuard<'static>>: std::error::Error));
}
