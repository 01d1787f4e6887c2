//! Processes: who they are, how they start, how they end.
//!
//! - [`Process`] runs a function of this program in a process of its own, with an argument and a
//!   return value, and is the handle to it; a [`Builder`] says how. The ways to [`Start`] one differ
//!   in what they cost and in what the child begins with, and in nothing else.
//! - [`JoinError`] and [`ExitStatus`] say what became of it: a panic with message and place, an exit
//!   code, a signal.
//! - [`Function`] names a function to a process that was started already, and a [`FunctionName`] any
//!   pointer to one.
//! - [`current()`] and [`parent()`] say who this process is and whose child.
//! - [`Run`] makes processes of objects, [`scope()`] lets none outlive a part of a program,
//!   [`active_children()`] and [`wait_any()`] are for many.
//! - [`Program`] runs another program, and talks to it.
//! - [`inspect`] says by what other programs know a process of ours.
//! - [`fork()`], [`wait()`] and [`wait_for()`] are the plain calls of the system, and a [`Reaper`] is
//!   for orphans and zombies.
//!
//! ```
//! use proc_core::{JoinError, Process};
//!
//! fn divide((a, b): (u32, u32)) -> u32 {
//!     a / b
//! }
//!
//! assert_eq!(Process::spawn(divide, (12, 3))?.join()?, 4);
//!
//! // A panic in the child is an error here, with what was said and where.
//! match Process::spawn(divide, (12, 0))?.join() {
//!     Err(JoinError::Panicked(panic)) => assert!(panic.message().contains("divide by zero")),
//!     other => unreachable!("{other:?}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How a child comes to its function
//!
//! A child that is not a copy of its parent is a fresh run of the same file. Before `main`, libc runs
//! a function of this crate, which sees that the process was started as a child, hears from the
//! parent which function to call, calls it, and ends the process. So `main` needs no guard, programs
//! need not register their functions, and tests need no harness of their own. What travels is where
//! the function lies in the program, with the identity of the program and the type of the function,
//! which the child checks.
//!
//! Three things are different in such a child from a program that runs its `main`: a stack overflow
//! kills it without a message, panic messages do not call its first thread `main`, and what runs
//! before it are only the constructors of libraries.
//!
//! # Features
//!
//! Both are off unless they are asked for.
//!
//! - `tokio`: `Process::join_async`, `wait_any_async` and their like wait in a task.
//! - `tracing`: starts, ends, signals, and the fork server's beginnings and ends are events of
//!   [`tracing`](https://docs.rs/tracing), of target `proc_core`; a start is a span.
//!
//! # Process death
//!
//! The end of a process is learned from the kernel, through a descriptor that stands for exactly
//! that process: no timeout is evidence, and no number is taken for another process that has it by
//! now. No start and no join waits for the dead.

mod active;
mod builder;
mod call;
mod child;
mod children;
mod cpus;
mod current;
mod entry;
mod error;
mod events;
mod exit;
mod fingerprint;
mod fork;
mod function;
mod function_name;
pub mod inspect;
mod memory;
mod panics;
mod process;
mod program;
mod reaper;
mod run;
mod scope;
mod setup;
mod start;
mod stdio;
mod sys;
#[cfg(feature = "tokio")]
mod tasks;
mod tree;
mod usage;

pub use active::{ActiveChild, active_children};
pub use builder::Builder;
pub use call::{Outcome, Refusal};
pub use children::{wait, wait_any, wait_for, wait_timeout};
pub use cpus::{CpuCount, cpu_count};
pub use current::{
    Current, Parent, current, parent, set_start_method, start_method, start_methods,
};
pub use error::{CloseError, JoinError, StartError};
pub use exit::ExitStatus;
pub use fork::{Fork, ForkHooks, close_descriptors_but, fork, fork_with_threads, on_fork};
pub use function::{Callable, Function};
pub use function_name::FunctionName;
pub use memory::MemoryHint;
pub use panics::{PanicInfo, PanicLocation};
pub use process::Process;
pub use program::{Output, Pipeline, PipelineOutput, Program, ProgramError, Running};
pub use reaper::{Orphan, Reaper, zombies};
pub use run::Run;
pub use scope::{Scope, scope};
pub use start::Start;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub use start::hostile::play as play_start_messages;
pub use start::server::{preload_fork_server, stop_fork_server};
pub use stdio::Stdio;
pub use sys::hook::init;
#[cfg(feature = "tokio")]
pub use tasks::wait_any_async;
pub use usage::Usage;
