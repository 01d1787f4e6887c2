//! `Lock`, between processes.

use ipc_sync::{Lock, LockError};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::sync::death;
use crate::subjects::sync::lock::Locking;

pub(crate) struct OurLock(Lock);

impl Locking for OurLock {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(Lock::new()?))
    }

    #[inline]
    fn locked(&self, work: impl FnOnce()) -> Result {
        let _guard = self.0.lock().map_err(|error| error.without_lock())?;
        work();
        Ok(())
    }
}

impl death::Robust for OurLock {
    fn hold(&self) -> Result {
        // It stays held until the process ends.
        std::mem::forget(self.0.lock().map_err(|error| error.without_lock())?);
        Ok(())
    }

    fn inherit(&self) -> Result<bool> {
        match self.0.lock() {
            Ok(_guard) => Ok(false),
            Err(LockError::OwnerDied(_guard)) => Ok(true),
            Err(error) => Err(error.without_lock().into()),
        }
    }
}
