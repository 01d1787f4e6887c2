//! Work between many processes: a queue in shared memory, with a bound or growing by need, that survives
//! the death of any of its users at any instruction.
//!
//! ```
//! use ipc_queue::Queue;
//!
//! let queue = Queue::<String>::bounded(100)?;
//! let getter = queue.clone(); // or in another process: a handle is a serde value
//! let thread = std::thread::spawn(move || getter.get());
//! queue.put("hello".into())?;
//! assert_eq!(thread.join().unwrap()?, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is in it
//!
//! | for | there is |
//! |-----|----------|
//! | values | [`Queue`]; [`SimpleQueue`] if there is nothing to choose |
//! | bytes | [`ByteQueue`] |
//! | values that are kept until they are finished, and waited for | [`JoinableQueue`], [`Lease`] |
//! | bytes without a copy | [`Loan`], [`Sample`] |
//! | one side of either | [`Sender`] and [`Receiver`], [`ByteSender`] and [`ByteReceiver`]: told when the other side is gone |
//! | other shapes | [`Builder`] |
//! | tasks and event loops | `get_async` and `put_async`, and [`Readiness`], of all these, and `join_async`; feature `futures`: a stream and a sink |
//! | a look from outside | [`Stats`], and each [`Participant`] |
//!
//! # How it works
//!
//! A lock-free ring of slots (`ring`), or of chunks of slots if it grows, in a mapped segment (`mapped`), at which threads sit down in
//! seats whose life words show their deaths (`seat`). Who is on which side of it, the kernel counts
//! (`ends`). What is short lies in its slot; a large message lies in a block of memory that is taken by
//! one exchange and comes back when its owner dies (`heap`). No operation takes a lock or makes a
//! system call if it need not wait and its memory is there. `ring/README.md` and the docs of `heap`
//! argue why nobody is lost or left asleep.

// In the model's world the ring's moves are compiled into the models themselves.
#[cfg(not(ipc_loom))]
mod batch;
#[cfg(not(ipc_loom))]
mod builder;
#[cfg(not(ipc_loom))]
mod bytes;
#[cfg(not(ipc_loom))]
mod ends;
#[cfg(not(ipc_loom))]
mod error;
#[cfg(not(ipc_loom))]
mod futures;
#[cfg(not(ipc_loom))]
mod heap;
#[cfg(not(ipc_loom))]
mod in_place;
#[cfg(not(ipc_loom))]
mod iter;
#[cfg(not(ipc_loom))]
mod joinable;
#[cfg(not(ipc_loom))]
mod large;
#[cfg(not(ipc_loom))]
mod lease;
#[cfg(not(ipc_loom))]
mod loan;
#[cfg(not(ipc_loom))]
mod mapped;
#[cfg(not(ipc_loom))]
mod named;
#[cfg(not(ipc_loom))]
mod participant;
#[cfg(not(ipc_loom))]
mod plain;
#[cfg(not(ipc_loom))]
mod queue;
#[cfg(not(ipc_loom))]
mod readiness;
#[cfg(not(ipc_loom))]
mod ring;
#[cfg(not(ipc_loom))]
mod sample;
#[cfg(not(ipc_loom))]
mod seat;
#[cfg(not(ipc_loom))]
mod side;
#[cfg(not(ipc_loom))]
mod simple;
#[cfg(not(ipc_loom))]
mod stats;
#[cfg(not(ipc_loom))]
mod watch;

/// What can be said of queues in other processes' segments, from outside.
#[cfg(not(ipc_loom))]
pub mod inspect {
    pub use crate::mapped::inspect::describe;
}

#[cfg(all(feature = "futures", not(ipc_loom)))]
pub use crate::futures::{IntoSink, IntoStream};
#[cfg(not(ipc_loom))]
pub use crate::{
    batch::{GetManyError, PutAllError},
    builder::Builder,
    bytes::ByteQueue,
    error::{GetError, PutError, QueueError, SeatError},
    futures::{Getting, Putting},
    iter::{IntoIter, Iter, TryIter},
    joinable::{
        InHand, JoinableQueue, JoinableReceiver, JoinableSender, JoinableStats, Joining, Lease,
        LeaseError, UnfinishedError,
    },
    loan::Loan,
    participant::Participant,
    plain::Plain,
    queue::Queue,
    readiness::Readiness,
    sample::Sample,
    side::{
        Both, ByteReceiver, ByteSender, GetOnly, MayGet, MayPut, OnSide, PutOnly, Receiver, Sender,
        byte_channel, channel,
    },
    simple::SimpleQueue,
    stats::Stats,
};
