//! Many worker processes, one queue of tasks; a worker that dies costs at most the task in its hands.
//!
//! ```
//! use pool::Pool;
//!
//! fn square(x: u64) -> u64 {
//!     x * x
//! }
//!
//! let pool = Pool::builder().workers(2).build()?;
//! let squares: Vec<u64> = pool.map(square, 0..10)?;
//! let task = pool.submit(square, 20)?;
//! assert_eq!(squares[9] + task.join()?, 481);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is in it
//!
//! | for | there is |
//! |-----|----------|
//! | a pool | [`Pool`], made by [`Pool::new`] or with a [`Builder`] |
//! | one result | [`Pool::call`]; [`Pool::submit`] for a [`Task`] to join later, or to cancel |
//! | the first of many results | [`wait()`], [`as_completed`] |
//! | results in callbacks, and in tasks of an executor | [`Task::on_done`]; a [`Task`] is a future |
//! | functions of two arguments, of bytes or of plain data, chunks | [`Pool::starmap`], [`Pool::call_bytes`], [`Pool::call_slice`], [`Pool::map_slices`], [`Pool::map_chunked`], [`TaskBuilder::chunk_size`] |
//! | time limits, retries, priorities, names | [`Pool::task`], which makes a [`TaskBuilder`]; [`Pool::slice_task`], for functions of plain data |
//! | many results | [`Pool::map`], or [`Pool::submit_map`]; [`Pool::imap_unordered`] and [`Pool::imap`] for endless ones |
//! | tasks with a state that their worker keeps | [`StatefulPool`]; [`StatefulTaskBuilder`] |
//! | many results, in chunks of items | [`ParProcess`], which every iterator has |
//! | a library that takes any pool | [`Executor`]; [`InProcess`] for its tests |
//! | tasks that outlive nothing | [`Pool::scope`] |
//! | what went wrong | [`TaskError`], [`MapError`], [`SubmitError`], [`PoolError`] |
//! | a look inside | [`Stats`], which can be printed; [`Events`] |
//!
//! # Features
//!
//! Both are off unless they are asked for.
//!
//! - `progress`: `Pool::map_with_progress` moves a bar of [indicatif](https://docs.rs/indicatif).
//! - `tracing`: starts and ends of workers and deaths of tasks are events of
//!   [`tracing`](https://docs.rs/tracing), of target `pool`; a map is a span.
//!
//! For tasks of tokio there is nothing to turn on: a [`Task`] is a future.
//!
//! # How it works
//!
//! The parent hands each task to a worker: through a ring in shared memory for each worker, and one
//! ring back for all. It keeps the table of who has what (`dispatch`) in its own memory, where no
//! death can harm it, and a worker holds nothing that is shared while it runs a task. What a worker
//! has begun it says in a word of shared memory (`board`), so that its death costs that task and no
//! other. A thread of the pool sees the deaths and starts workers (`keeper`); results are collected
//! by whoever waits for one (`lead`), so a warm call crosses no thread but the worker's. Quick items of a
//! map travel together (`chunk`). `docs/design/005-the-pool.md` and `021-chunks.md` say why it is so.
// What is in the model is borrowed by `tests/model` file by file.
#![cfg(not(ipc_loom))]

mod answered;
mod batch;
mod board;
mod builder;
mod callbacks;
mod chunk;
mod closing;
mod collect;
mod collector;
mod deaths;
mod dispatch;
mod employee;
mod engine;
mod error;
mod events;
mod executor;
mod feeding;
mod few;
mod find;
mod gathered;
mod hiring;
#[cfg(any(test, feature = "fuzzing"))]
mod hostile;
mod in_process;
mod interrupt;
mod job;
mod keeper;
mod latency;
mod lead;
mod limits;
mod mailbox;
mod map;
mod map_task;
mod options;
mod original;
mod pace;
mod par;
mod parcel;
mod planted;
mod pool;
#[cfg(feature = "progress")]
mod progress;
mod receipt;
mod record;
mod rests;
mod retry;
mod round;
mod scope;
mod scratch;
mod shapes;
mod share;
mod shelf;
mod size;
mod slice;
mod slice_task;
mod state;
mod stateful;
mod stateful_task;
mod stats;
mod symbol;
mod sync;
mod sys;
mod task;
mod task_builder;
mod trace;
mod vacancies;
mod wait;
mod worker;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub use hostile::play as play_hostile_workers;
#[cfg(feature = "progress")]
pub use indicatif;

/// What can be said of pools from outside, by their boards: see [`ipc_core::inspect`].
pub mod inspect {
    pub use crate::board::inspect::{Seen, describe, workers};
}

pub use crate::{
    builder::Builder,
    error::{MapError, PoolError, SubmitError, TaskError},
    events::{Event, Events, TaskId},
    executor::{Executor, Join},
    in_process::{Done, InProcess},
    latency::Latency,
    map::{Imap, ImapUnordered},
    map_task::MapTask,
    par::{Par, ParMap, ParProcess},
    pool::Pool,
    retry::Retry,
    scope::PoolScope,
    slice_task::SliceTaskBuilder,
    stateful::{StatefulBuilder, StatefulPool},
    stateful_task::StatefulTaskBuilder,
    stats::{Stats, WorkerState, WorkerStats},
    task::Task,
    task_builder::TaskBuilder,
    wait::{AsCompleted, DoneTasks, Until, as_completed, wait},
};
