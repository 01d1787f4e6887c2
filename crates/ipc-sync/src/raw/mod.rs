//! The protocols themselves: on borrowed words, without a mapping and without a value.
//!
//! [`Lock`](crate::Lock), [`Mutex`](crate::Mutex) and the others are faces of them. Use them
//! directly to build another primitive whose parts are locks; everything else is better off with
//! a face.
//!
//! | file | job |
//! |------|-----|
//! | `word` | the lock: the states of its word, its moves and its orderings |
//! | `event` | the event: the same |
//! | `semaphore` | permits that are counted, and leases of permits |
//! | `rlock` | a lock that its holder may take again |
//! | `once` | a lock for whoever does a thing, and a mark that it was done |
//! | `condition` | to give a lock back, sleep until notified, and take it again |
//! | `rwlock` | a lock for one writer or many readers, made of such words |
//! | `barrier` | a barrier: a state, seats and bells, and places for members |
//! | `planted` | bugs to order, which the proofs must find |

mod barrier;
mod condition;
mod event;
mod once;
mod planted;
mod rlock;
mod rwlock;
mod semaphore;
mod word;

pub use barrier::{
    BarrierWords, Broken, Failed, MOST_MEMBERS, MOST_PARTIES, MemberWords, NotJoined, Place,
    RawBarrier, n_places, n_seats,
};
pub use condition::{ConditionWords, NotWaited, Outer, RawCondition, WaitEnd};
pub use event::{EventWords, RawEvent};
#[cfg(not(ipc_loom))]
#[doc(hidden)]
pub use ipc_core::primitive::set_spin;
pub use once::{Begun, RawOnce};
pub use rlock::{NotHeld, RawRLock};
pub use rwlock::{MOST_READERS, RawRwLock, Share};
pub use semaphore::{Lease, NoPermit, RawSemaphore, SemaphoreWords, TooManyPermits};
#[cfg(not(ipc_loom))]
pub(crate) use semaphore::{MOST_PERMITS, MOST_SEATS};
pub use word::{Holder, RawLock, Refused, Taken};
