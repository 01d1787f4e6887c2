//! `RwLock`.

use ipc_sync::RwLock;

use crate::Result;
use crate::subjects::sync::others::Operation;

pub(crate) struct OurRwLock(RwLock<()>);

impl Operation for OurRwLock {
    fn new() -> Result<Self> {
        Ok(Self(RwLock::new(())?))
    }

    #[inline]
    fn operate(&self) -> Result {
        let _guard = self.0.read().map_err(|error| error.to_string())?;
        Ok(())
    }
}
