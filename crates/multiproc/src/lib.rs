//! Python's multiprocessing for Rust: typed, fast, and nothing hangs or leaks when a process dies.
//!
//! ```
//! use multiproc::prelude::*;
//!
//! fn square(x: u64) -> u64 {
//!     x * x
//! }
//!
//! fn main() -> multiproc::Result<()> {
//!     let pool = Pool::new()?; // one worker for each usable CPU
//!     let squares: Vec<u64> = pool.map(square, 0..10)?;
//!     assert_eq!(squares, [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]);
//!     Ok(())
//! }
//! ```
//!
//! `square` runs in other processes. No macro registers it and `main` needs no guard: a worker is the
//! same program, and finds the function by its place in it.
//!
//! This crate is the front door: it has no code of its own, but names what the others offer. The
//! [prelude] has what most programs need.
//!
//! # A tour
//!
//! **Processes.** A [`Process`] calls one function with one argument, and gives back what it
//! returned, or how it ended: a panic with message and place, an exit code, a signal.
//!
//! ```
//! use multiproc::{JoinError, Process};
//!
//! let child = Process::spawn(|(a, b): (u32, u32)| a / b, (6, 2))?;
//! assert_eq!(child.join()?, 3);
//!
//! let child = Process::spawn(|code: i32| -> () { std::process::exit(code) }, 7)?;
//! assert!(matches!(child.join(), Err(JoinError::Exited(7))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Pools.** A [`Pool`] keeps workers for many tasks. A worker that dies costs at most the task in
//! its hands, or not even that ([`Retry`]); another takes its place.
//!
//! ```
//! use multiproc::{Pool, Retry, TaskError};
//!
//! let pool = Pool::builder().workers(2).on_worker_death(Retry::never()).build()?;
//! let task = pool.submit(|()| std::process::abort(), ())?;
//! assert!(matches!(task.join(), Err::<(), _>(TaskError::WorkerDied { .. })));
//!
//! // The input may be endless: results come as items are done.
//! for length in pool.imap_unordered(|text: String| text.len(), std::iter::repeat("abc".into())).take(5) {
//!     assert_eq!(length?, 3);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Queues and locks.** A [`Queue`] holds values, a [`Mutex`] protects one, a [`Lock`] protects
//! whatever you say. Handles to them are values: they travel as arguments, results and parts of
//! these, like [`Segment`]s, files and other descriptors ([`wire`]).
//!
//! ```
//! use multiproc::{Process, Queue};
//!
//! let queue = Queue::<String>::bounded(10)?;
//! let child = Process::spawn(|queue: Queue<String>| queue.put("hello".into()).is_ok(), queue.clone())?;
//! assert_eq!(queue.get()?, "hello");
//! assert!(child.join()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Connections.** A [`pipe()`] has two ends, which send each other whole messages. An end is a value
//! too, and the end of whoever has the other is the end of the messages.
//!
//! ```
//! use multiproc::{Connection, Process, pipe};
//!
//! let (mut here, there) = pipe::<u32, String>()?;
//! let child = Process::spawn(
//!     |end: Connection<String, u32>| end.iter().flatten().all(|n| end.send(&n.to_string()).is_ok()),
//!     there,
//! )?;
//! assert_eq!(here.request(&7)?, "7");
//! here.close();
//! assert!(child.join()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Shared state.** A [`Value`] is read without waiting and changes as a whole, also when a process dies
//! in the middle; an [`Array`] is locked and borrowed where it lies; a [`ShmMap`] takes the place of a
//! manager's dict.
//!
//! ```
//! use multiproc::{Array, Process, ShmMap, Value};
//!
//! fn work((count, values, words): (Value<u64>, Array<f64>, ShmMap<u32, u32>)) -> bool {
//!     count.fetch_add(1);
//!     values.write().is_ok_and(|mut values| { values[0] = 0.5; true }) && words.insert(7, 1).is_ok()
//! }
//!
//! let (count, values, words) = (Value::new(0)?, Array::zeroed(3)?, ShmMap::with_capacity(100)?);
//! let child = Process::spawn(work, (count.clone(), values.clone(), words.clone()))?;
//! assert!(child.join()?);
//! assert_eq!((count.get()?, values.to_vec()?, words.get(7)?), (1, vec![0.5, 0.0, 0.0], Some(1)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Managers.** A [`Manager`] is a process in which objects live: dicts, lists, queues and locks for programs
//! that have no memory in common, of values of any size, and objects of your own types.
//!
//! ```
//! use multiproc::manager::{Dict, Manager};
//! use multiproc::Process;
//!
//! fn count(words: Dict<String, u64>) -> bool {
//!     words.update("word", |(n, by)| Some(n.unwrap_or(0) + by), &1).is_ok()
//! }
//!
//! let manager = Manager::start()?;
//! let words: Dict<String, u64> = manager.dict()?;
//! assert!(Process::spawn(count, words.clone())?.join()?);
//! assert_eq!(words.get("word")?, Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where the rest is
//!
//! | module | is the crate | for |
//! |--------|--------------|-----|
//! | [`pool`] | `pool` | many workers, one queue of tasks |
//! | [`process`] | `proc-core` | starting processes, and their ends |
//! | [`queue`] | `ipc-queue` | queues between processes |
//! | [`connection`] | `ipc-pipe` | pipes between processes, listeners, and waiting for many |
//! | [`sync`] | `ipc-sync` | locks between processes |
//! | [`value`] | `shm-value` | values that processes share |
//! | [`manager`] | `manager` | objects that live in a server process |
//! | [`memory`] | `ipc-core` | segments of shared memory, values as bytes plus handles, deaths |
//!
//! # Features
//!
//! All are off unless they are asked for.
//!
//! - `futures`: queues as a `Stream` and a `Sink`.
//! - `tokio`: waiting for processes, connections and managers in tasks of tokio.
//! - `tls`: managers that speak TLS between machines.
//! - `tracing`: starts, ends and tasks as events, for a subscriber of `tracing`.
//! - `ndarray`: shared arrays as those of `ndarray`, where they lie.
//! - `progress`: maps of a pool with a bar of `indicatif`.
//!
//! # Process death
//!
//! Whatever instruction a process dies at, those who worked with it go on, and are told. What each
//! type promises stands in its docs, under this heading.

pub use ipc_core as memory;
pub use ipc_pipe as connection;
pub use ipc_queue as queue;
pub use ipc_sync as sync;
pub use pool;
pub use proc_core as process;
pub use shm_value as value;

pub use ::manager::Manager;
pub use ipc_core::{Deadline, Segment, SegmentError, wire};
pub use ipc_pipe::{
    Address, Connection, Key, Listener, RecvError, RequestError, SendError, connect, pipe, shm_pipe,
};
pub use ipc_queue::{
    ByteQueue, GetError, JoinableQueue, Lease, LeaseError, Loan, PutError, Queue, QueueError,
    Receiver, Sample, Sender, SimpleQueue, UnfinishedError, channel,
};
pub use ipc_sync::{
    Barrier, BoundedSemaphore, Condition, Event, Lock, LockError, LockGuard, Mutex, MutexGuard,
    Once, Permit, RLock, RLockGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore,
    TryLockError, WaitError,
};
pub use pool::{
    Executor, InProcess, MapError, ParProcess, Pool, PoolError, Retry, StatefulPool, SubmitError,
    Task, TaskError,
};
pub use proc_core::{
    ExitStatus, Fork, JoinError, PanicInfo, Process, Program, ProgramError, Reaper, Run, Start,
    StartError, Stdio, active_children, cpu_count, current, fork, init, parent, scope,
    set_start_method, wait, wait_any, wait_for,
};
pub use shm_value::{
    AccessError, Array, ArrayError, ChangeError, FrozenMemory, Item, MemoryError, RawArray,
    RawValue, ShareableList, SharedMemory, ShmMap, ShmVec, Value, bytemuck,
};

/// Objects that live in a server process: the crate `manager`.
pub mod manager {
    /// Makes a type an object of a manager: see [there](macro@::manager::object).
    pub use ::manager::__private::object_of_multiproc as object;
    pub use ::manager::*;
}

/// The result of a `main`, or of another function that passes every error on.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// What most programs need: `use multiproc::prelude::*`.
///
/// Names that std has too ([`Mutex`], [`RwLock`], [`Barrier`], [`Once`], [`Sender`] and [`Receiver`]),
/// and [`Result`], are asked for by name.
pub mod prelude {
    pub use crate::{
        Address, Array, ByteQueue, Condition, Connection, Event, ExitStatus, JoinError,
        JoinableQueue, Key, Listener, Lock, Manager, Pool, Process, Program, Queue, RLock, Retry,
        Segment, Semaphore, SharedMemory, ShmMap, ShmVec, Start, Task, TaskError, Value, channel,
        connect, pipe,
    };
}

/// The programs of the README are tests too.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
