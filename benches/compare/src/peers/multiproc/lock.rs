//! `Lock`, between processes.

use ipc_sync::Lock;

use crate::Result;
use crate::crew::Kind;
use crate::subjects::sync::Locking;

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
