//! The lock itself: a protocol on one borrowed word, without a mapping and without a value.
//!
//! [`Lock`](crate::Lock) and [`Mutex`](crate::Mutex) are faces of it. Use it directly to build
//! another primitive whose parts are locks; everything else is better off with a face.
//!
//! | file | job |
//! |------|-----|
//! | `word` | the states of the word, its moves and its orderings |
//! | `spin` | how long to look before going to sleep |
//! | `planted` | bugs to order, which the proofs must find |

mod planted;
mod spin;
mod word;

#[cfg(not(ipc_loom))]
#[doc(hidden)]
pub use spin::set_spin;
pub use word::{Holder, RawLock, Refused, Taken};
