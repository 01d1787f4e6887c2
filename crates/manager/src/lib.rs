//! Objects that live in a server process, and the proxies through which others use them.
//!
//! ```
//! use manager::{Dict, List, Manager};
//!
//! let manager = Manager::start()?;
//! let index: Dict<String, List<u32>> = manager.dict()?;
//! let pages = manager.list()?;
//! index.insert("word", &pages)?;
//!
//! // A list in a dict is the list itself, and not a copy.
//! pages.push(&7)?;
//! let found = index.get("word")?.ok_or("it was put in")?;
//! assert_eq!(found.to_vec()?, [7]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is in it
//!
//! | for | there is |
//! |-----|----------|
//! | a manager | [`Manager::start`], [`Manager::builder`], [`Manager::connect`]; [`Server`] on a thread |
//! | state | [`Dict`], [`List`], [`Set`], [`Value`], [`Array`], [`Namespace`] |
//! | state in shared memory | [`ShmDict`], [`ShmList`] |
//! | work | [`Queue`], [`JoinableQueue`] |
//! | waiting for each other | [`Lock`], [`RLock`], [`Semaphore`], [`BoundedSemaphore`], [`Condition`], [`Event`], [`Barrier`] |
//! | objects of your own | [`object`], or [`Object`] and [`Remote`] |
//! | worker processes for all clients | `Manager::pool` (feature `pool`) |
//! | many calls at once | [`Batch`] |
//! | a look inside | [`Stats`] |
//! | other machines | [`Builder::address`] with an address of TCP, and a [`Builder::key`]; [`Connector`] |
//!
//! With feature `tls` what goes between machines is encrypted. With feature `tokio` replies can be waited for in
//! tasks: `get_async` and its like. With feature `pool` a manager has pools of worker processes.
//!
//! Between processes of one machine the types of `ipc-sync`, `ipc-queue` and `shm-value` do the same in
//! shared memory, without a server and many times faster. A manager is for programs that were started
//! apart, for values of any size, for nested containers, and for objects of your own.
//!
//! # What holds everywhere
//!
//! - A call is one step for all: calls of one object are done one after the other, each wholly.
//! - A call that waits comes in four forms: `op`, `try_op`, `op_timeout`, `op_deadline`. The time is the
//!   manager's to keep: a manager that is stopped, as by a debugger, holds up those who call it.
//! - Foreign code, that is methods of your types and functions of `update`, holds up only those who use
//!   the same object. If it panics, the caller is told.
//! - What a client sends is input: it is bounded and checked, and a client that sends garbage, reads
//!   nothing or waits too much harms nobody else.
//!
//! # Proxies travel
//!
//! A proxy is a value: it goes through queues and pipes, as an argument or a result of a process, into
//! tasks of a pool, and into other objects of its manager. The object lives as long as there is a proxy
//! of it: in a process, in a value of another object, under a name, or on its way. A proxy on its way is
//! kept until it is received; once its sender is gone, for a
//! [limited time](Builder::passage_timeout). What was sent once and is received again, and what a forked
//! child inherits, is good if the object still is there: whoever sends it should keep a proxy.
//!
//! Two objects that lead to each other keep each other until the manager ends.
//!
//! # Process death
//!
//! The end of a client is told by the kernel. Its references are given up, and what it held (locks,
//! permits, leases) is free at once; who is next is told, where it matters. What a call was to do is done
//! or not: a client that dies has sent it whole or not at all.
//!
//! Over TCP a process that was killed and a network that is broken look alike. So a client that is cut off keeps
//! what it has for a [grace](Builder::reconnect_grace), within which it comes back by itself: then each call is
//! done once, and nobody notices but by the time it takes. After it, it is gone, as if it had died.

mod batch;
mod builder;
mod carrier;
mod client;
mod connector;
mod error;
mod host;
mod ids;
mod manager;
mod object;
mod protocol;
mod proxy;
mod remote;
mod server;
mod stats;
mod types;

/// Makes a type an object of a manager, by an `impl` block of it, and makes the type of its proxies.
///
/// Every method that is not private, and takes `&self` or `&mut self`, can be called through the proxy:
/// with the same parameters, and with a [`Result`] around what it returns, since the manager may be gone.
/// The type gets an implementation of [`Object`], whose docs say how methods are run. The proxy is called
/// like the type, with `Proxy` behind it; it goes wherever a [`Remote`] goes.
///
/// ```
/// use manager::Manager;
///
/// /// Money.
/// pub struct Account {
///     balance: u64,
/// }
///
/// #[manager::object]
/// impl Account {
///     pub fn new(balance: u64) -> Self {
///         Self { balance }
///     }
///
///     pub fn balance(&self) -> u64 {
///         self.balance
///     }
///
///     pub fn pay_out(&mut self, amount: u64, to: &str) -> Result<u64, String> {
///         let left = self.balance.checked_sub(amount).ok_or(format!("not enough for {to}"))?;
///         self.balance = left;
///         Ok(left)
///     }
/// }
///
/// let manager = Manager::builder().register::<Account>().start()?;
/// let account = AccountProxy::new_in(&manager, 100)?;
/// // One error is the call's, the other the method's.
/// assert_eq!(account.pay_out(30, "Ada")??, 70);
/// assert_eq!(account.pay_out(90, "Bob")?, Err("not enough for Bob".to_owned()));
/// assert_eq!(account.balance()?, 70);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What the block has to be
///
/// The type has a name of its own and no parameters. `pub fn new(…) -> Self` makes an object, in the
/// manager; the proxy has `new_in(&manager, …)` for that, and is as visible as `new`.
///
/// Arguments and results are values of serde's. `&str`, `&[T]` and `&T` are arguments too: the caller
/// lends one to the call, and the manager one to the method. Other references, other `impl Trait` than below,
/// and methods that are generic, `async` or `unsafe` are refused, since the caller is another process. Private
/// methods, and functions without `self`, may be as they like.
///
/// # Methods that return iterators
///
/// A method that returns `impl Iterator<Item = T> + 'static` (or `+ use<>`), or `Box<dyn Iterator<Item = T> + Send>`,
/// is one of the proxy that returns a [`RemoteIter`]: the iterator stays in the manager, as an object of its own, and
/// items go to the caller as it asks for them, as values of serde's. It has nothing borrowed from the object,
/// which others call meanwhile: what it needs it owns, as a copy or an `Arc`.
///
/// ```compile_fail
/// # pub struct Names(Vec<String>);
/// #[manager::object]
/// impl Names {
///     # pub fn new() -> Self { Self(Vec::new()) }
///     pub fn all(&self) -> impl Iterator<Item = &String> { // neither the items nor the iterator may be borrowed
///         self.0.iter()
///     }
/// }
/// ```
///
/// One that says that it owns all, and does not, or that cannot go to another thread, is refused by the compiler,
/// at the type that the method returns.
///
/// ```compile_fail
/// # pub struct Names(Vec<String>);
/// #[manager::object]
/// impl Names {
///     # pub fn new() -> Self { Self(Vec::new()) }
///     pub fn all(&self) -> impl Iterator<Item = String> + 'static { // `Rc` cannot go to another thread
///         let names = std::rc::Rc::new(self.0.clone());
///         (0..self.0.len()).map(move |at| names[at].clone())
///     }
/// }
/// ```
///
/// ```compile_fail
/// # pub struct Account;
/// #[manager::object]
/// impl Account {
///     # pub fn new() -> Self { Self }
///     pub fn owner(&self) -> &str { // a method cannot return a reference to a caller in another process
///         "Ada"
///     }
/// }
/// ```
///
/// # What can be said in brackets
///
/// - `name = "account"`: what the type is called by those who make objects; its own name if nothing is
///   said.
/// - `proxy = Account`: what the proxy is called.
/// - `crate = path::to::manager`: where this crate is, if it is not called `manager`.
#[doc(inline)]
pub use manager_macros::object;

pub use ipc_pipe::{Address, Key};

/// For what `#[object]` writes.
#[doc(hidden)]
pub mod __private {
    pub use manager_macros::object_of_multiproc;
    pub use serde;

    pub use crate::client::Handle;
    pub use crate::proxy::Inner;
}

#[cfg(feature = "pool")]
pub use crate::proxy::{Pool, PoolBuilder, PoolCalls, PoolImap, PoolTask};
#[cfg(feature = "tls")]
pub use crate::remote::{TlsClient, TlsServer};
pub use crate::{
    batch::{Batch, Done, Later},
    builder::Builder,
    connector::Connector,
    error::{ConnectError, Error, LockError, StartError},
    host::Server,
    manager::Manager,
    object::user::{Methods, Object},
    proxy::{
        Array, Barrier, BoundedSemaphore, Condition, ConditionGuard, Dict, DictIter, Event,
        JoinableQueue, Lease, List, ListIter, Lock, LockGuard, Namespace, Permit, Proxy, Queue,
        RLock, RLockGuard, Remote, RemoteIter, Semaphore, Set, SetIter, ShmDict, ShmList, Value,
    },
    stats::{Latency, Stats},
};
