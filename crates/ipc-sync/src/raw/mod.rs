//! The lock itself: a protocol on one borrowed word, without a mapping and without a value.
//!
//! [`Lock`](crate::Lock) and [`Mutex`](crate::Mutex) are faces of it. Use it directly to build
//! another primitive whose parts are locks; everything else is better off with a face.
//!
//! | file | job |
//! |------|-----|
//! | `rwlock` | a lock for one writer or many readers, made of such words |
//! | `word` | the states of the word, its moves and its orderings |
//! | `spin` | how long to look before going to sleep |
//! | `planted` | bugs to order, which the proofs must find |

mod planted;
mod rwlock;
mod spin;
mod word;

pub use rwlock::{MOST_READERS, RawRwLock, Share};
#[cfg(not(ipc_loom))]
#[doc(hidden)]
pub use spin::set_spin;
pub use word::{Holder, RawLock, Refused, Taken};
