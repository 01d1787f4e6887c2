//! The standard library's locks, between threads.

use std::sync::{Mutex, RwLock as StdRwLock};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::sync::lock::Locking;
use crate::subjects::sync::others::Operation;

#[repr(align(128))]
pub(crate) struct Lock(Mutex<()>);

impl Locking for Lock {
    const KIND: Kind = Kind::Threads;

    fn new() -> Result<Self> {
        Ok(Self(Mutex::new(())))
    }

    #[inline]
    fn locked(&self, work: impl FnOnce()) -> Result {
        let _guard = self.0.lock().map_err(|_| "a holder panicked")?;
        work();
        Ok(())
    }
}

#[repr(align(128))]
pub(crate) struct RwLock(StdRwLock<()>);

impl Operation for RwLock {
    fn new() -> Result<Self> {
        Ok(Self(StdRwLock::new(())))
    }

    #[inline]
    fn operate(&self) -> Result {
        let _guard = self.0.read().map_err(|_| "a holder panicked")?;
        Ok(())
    }
}
