//! `Semaphore`, in both of its forms.

use ipc_sync::Semaphore;

use crate::Result;
use crate::subjects::sync::handover::Signalling;
use crate::subjects::sync::others::Operation;

/// Permits that belong to nobody.
pub(crate) struct OurSemaphore(Semaphore);

/// Permits that come back when their holders die.
pub(crate) struct OurPermits(Semaphore);

impl Signalling for OurSemaphore {
    fn new() -> Result<Self> {
        Ok(Self(Semaphore::new(0)?))
    }

    #[inline]
    fn signal(&self) -> Result {
        Ok(self.0.release()?)
    }

    #[inline]
    fn wait(&self) -> Result {
        Ok(self.0.take()?)
    }
}

impl Operation for OurSemaphore {
    fn new() -> Result<Self> {
        Ok(Self(Semaphore::new(1)?))
    }

    #[inline]
    fn operate(&self) -> Result {
        self.0.take()?;
        Ok(self.0.release()?)
    }
}

impl Operation for OurPermits {
    fn new() -> Result<Self> {
        Ok(Self(Semaphore::new(1)?))
    }

    #[inline]
    fn operate(&self) -> Result {
        drop(self.0.acquire()?);
        Ok(())
    }
}
