//! multiproc: us.

pub(crate) mod event;
pub(crate) mod joinable;
pub(crate) mod lock;
pub(crate) mod manager;
pub(crate) mod meeting;
pub(crate) mod pipe;
pub(crate) mod pool;
pub(crate) mod process;
pub(crate) mod queue;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
pub(crate) mod value;
