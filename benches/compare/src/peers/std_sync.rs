//! The standard library's mutex, between threads.

use std::sync::Mutex;

use crate::Result;
use crate::crew::Kind;
use crate::subjects::sync::Locking;

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
