//! Memory that processes share, and what it takes to use it: the ground that the other crates of
//! this workspace stand on.
//!
//! Use it to build a shared object of your own. If a lock, a queue or a shared value is all you
//! need, the crates above have them ready.
//!
//! ```
//! use ipc_core::primitive::{AtomicU64, Ordering};
//! use ipc_core::{Deadline, Kind, Placed, Segment};
//! use ipc_core::wire::{self, Limits, MessageSocket};
//!
//! const COUNTER: Kind = Kind::new(*b"counter\0", 1);
//!
//! // One process makes some memory, and sends it through a socket ...
//! let memory = Segment::create(COUNTER, 0, 64)?;
//! let counter: Placed<AtomicU64> = memory.place(0)?;
//! let (here, there) = MessageSocket::pair()?;
//! here.send(&wire::encode(&("requests", &memory))?, Deadline::NEVER)?;
//!
//! // ... and another, which has the other end, finds there what the first one writes.
//! if let Some(message) = there.recv(&Limits::default(), Deadline::NEVER)? {
//!     let (name, memory): (String, Segment) = wire::decode(message)?;
//!     memory.check(COUNTER, 0)?;
//!     counter.fetch_add(1, Ordering::Relaxed);
//!     assert_eq!(memory.at::<AtomicU64>(0)?.load(Ordering::Relaxed), 1);
//!     assert_eq!(name, "requests");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is in it
//!
//! | for | there is |
//! |-----|----------|
//! | memory | [`Segment`] with a checked header ([`Kind`], [`type_hash()`]), [`Layout`] for what lies where, [`Placed`] for handles to it, [`Window`] for parts of its room, [`Shared`] for what may lie there |
//! | words in it | [`primitive`]: the one door to atomics, futexes and spinning, with its three worlds |
//! | death of a thread that holds some | [`robust`]: words that the kernel marks when their holder dies |
//! | who is still there | [`Presence`]: to be counted among a segment's users, by the kernel |
//! | processes | [`ProcessId`], which is never reused, and [`DeathWatch`], which sees its end |
//! | values between processes | [`wire`]: bytes plus handles, and a socket that carries both |
//! | waiting | [`Deadline`]: one clock for every timeout |
//! | looking from outside | [`inspect`]: what lies in other processes' segments, without a touch |
//! | forks | [`PerProcess`]: a static that a forked child does not inherit |
//!
//! # What holds everywhere
//!
//! - What another process can write is input: it is copied out, checked and only then used.
//!   Nothing that a peer sends or writes makes this crate panic, read outside of a mapping, or leak
//!   a descriptor.
//! - Nothing in a segment is a pointer or a descriptor.
//! - Every descriptor is closed on exec, and goes to another process only inside a message.

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!(
    "this crate needs Linux (5.16 or newer) on x86_64 or aarch64: it rests on the kernel's futexes \
     and robust lists"
);

#[cfg(all(target_os = "linux", not(target_env = "gnu")))]
compile_error!(
    "this crate needs glibc: it shares the robust list of its threads, by glibc's conventions \
     (musl walks the list of a thread that ends in its own way)"
);

mod deadline;
mod error;
mod header;
mod identity;
#[cfg(not(ipc_loom))]
pub mod inspect;
mod layout;
mod liveness;
mod mapping;
mod open_segments;
mod per_process;
mod placed;
mod presence;
pub mod primitive;
mod proc;
pub mod robust;
mod room;
mod segment;
mod shared;
mod sys;
mod type_hash;
pub mod wire;

pub use crate::{
    deadline::Deadline,
    error::SegmentError,
    header::{Extent, Kind, PAGE},
    identity::ProcessId,
    layout::Layout,
    liveness::{DeathWatch, is_alive, wait_for_death},
    per_process::PerProcess,
    placed::Placed,
    presence::Presence,
    proc::name_missing_proc,
    room::Window,
    segment::{Segment, SegmentId},
    shared::Shared,
    sys::memory::check_file_len,
    type_hash::type_hash,
};
