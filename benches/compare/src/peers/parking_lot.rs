//! parking_lot's mutex, between threads.

use parking_lot::Mutex;

use crate::Result;
use crate::crew::Kind;
use crate::subjects::sync::lock::Locking;

#[repr(align(128))]
pub(crate) struct Lock(Mutex<()>);

impl Locking for Lock {
    const KIND: Kind = Kind::Threads;

    fn new() -> Result<Self> {
        Ok(Self(Mutex::new(())))
    }

    #[inline]
    fn locked(&self, work: impl FnOnce()) -> Result {
        let _guard = self.0.lock();
        work();
        Ok(())
    }
}
