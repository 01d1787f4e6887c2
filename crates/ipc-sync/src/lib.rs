//! Waiting for each other: locks in shared memory that survive the death of their holders.
//!
//! A lock here is a handle to a few bytes in a [segment](ipc_core::Segment). It can be cloned, sent
//! to another process inside any message, and inherited by a forked child; all handles to it are
//! one lock. When a thread that holds a lock dies, with its process or alone, the kernel marks
//! the lock, and the next who takes it is told. Nobody waits for the dead.
//!
//! | type | use it to |
//! |------|-----------|
//! | [`Mutex`] | share a value that one thread at a time may change |
//! | [`RwLock`] | share a value that many may look at, and one at a time may change |
//! | [`Lock`] | do something, anywhere, one thread at a time |
//! | [`RLock`] | the same, where who holds it may come to take it again |
//! | [`Event`] | wait until somebody says so |
//! | [`Semaphore`], [`BoundedSemaphore`] | let only so many go on, or wait for so many signals |
//! | [`Condition`] | give a lock back until something has changed |
//! | [`Once`] | do something once, whoever comes first |
//! | [`Barrier`] | go on only when all have come |
//! | [`raw`] | build another primitive |
//!
//! # Examples
//!
//! ```
//! use ipc_sync::{LockError, Mutex};
//!
//! let total = Mutex::new(0_u64)?;
//! // … the handle goes to other processes …
//! match total.lock() {
//!     Ok(mut total) => *total += 1,
//!     Err(LockError::OwnerDied(recovery)) => {
//!         recovery.recover(|total| *total = 0);
//!     }
//!     Err(error) => return Err(error.without_lock().into()),
//! }
//! assert_eq!(*total.lock().unwrap(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(not(ipc_loom))]
mod barrier;
#[cfg(not(ipc_loom))]
mod condition;
mod error;
#[cfg(not(ipc_loom))]
mod event;
#[cfg(not(ipc_loom))]
pub mod inspect;
#[cfg(not(ipc_loom))]
mod lock;
#[cfg(not(ipc_loom))]
mod mutex;
#[cfg(not(ipc_loom))]
mod named;
#[cfg(not(ipc_loom))]
mod once;
#[cfg(not(ipc_loom))]
mod place;
pub mod raw;
#[cfg(not(ipc_loom))]
mod recovery;
#[cfg(not(ipc_loom))]
mod rlock;
#[cfg(not(ipc_loom))]
mod rwlock;
#[cfg(not(ipc_loom))]
mod semaphore;
#[cfg(not(ipc_loom))]
mod travel;
#[cfg(not(ipc_loom))]
mod value;
#[cfg(not(ipc_loom))]
mod who;

#[cfg(not(ipc_loom))]
pub use barrier::{
    Barrier, BarrierError, BarrierMember, BarrierStats, MemberError, NewBarrierError,
};
#[cfg(not(ipc_loom))]
pub use condition::{Condition, ConditionGuard, ConditionStats, WaitError};
pub use error::{LockError, TryLockError};
#[cfg(not(ipc_loom))]
pub use event::{Event, EventStats};
#[cfg(not(ipc_loom))]
pub use lock::{Lock, LockGuard};
#[cfg(not(ipc_loom))]
pub use mutex::{Mutex, MutexGuard};
#[cfg(not(ipc_loom))]
pub use once::{Once, OnceError, OnceState, OnceStats, OnceTurn};
#[cfg(not(ipc_loom))]
pub use place::LockStats;
pub use raw::{NotHeld, WaitEnd};
#[cfg(not(ipc_loom))]
pub use recovery::{Recovery, ValueGuard};
#[cfg(not(ipc_loom))]
pub use rlock::{RLock, RLockGuard};
#[cfg(not(ipc_loom))]
pub use rwlock::{Readers, RwLock, RwLockReadGuard, RwLockRecovery, RwLockStats, RwLockWriteGuard};
#[cfg(not(ipc_loom))]
pub use semaphore::{
    AcquireError, BoundedSemaphore, Permit, ReleaseError, Semaphore, SemaphoreError,
    SemaphoreStats, TryAcquireError,
};
#[cfg(not(ipc_loom))]
pub use who::Who;
