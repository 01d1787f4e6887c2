//! The engines: protocols on borrowed words, without a mapping and without a value.
//!
//! What the rest of the crate offers are faces of them. Use an engine directly to build another
//! primitive of which it is a part; everything else is better off with a face.
//!
//! | file | job |
//! |------|-----|
//! | `word` | the lock: the states of its word, its moves and its orderings |
//! | `event` | the event: the same |
//! | `spin` | how long to look before going to sleep |
//! | `planted` | bugs to order, which the proofs must find |

mod event;
mod planted;
mod spin;
mod word;

pub use event::{EventWords, RawEvent};

#[cfg(not(ipc_loom))]
#[doc(hidden)]
pub use spin::set_spin;
pub use word::{Holder, RawLock, Refused, Taken};
