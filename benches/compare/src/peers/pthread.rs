//! The mutexes of the C library, shared between processes.

#![expect(unsafe_code, reason = "calls the C library")]

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use libc::{
    EOWNERDEAD, PTHREAD_MUTEX_ROBUST, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_SHARED, c_int,
    pthread_mutex_consistent, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_t,
    pthread_mutex_unlock, pthread_mutexattr_init, pthread_mutexattr_setpshared,
    pthread_mutexattr_setrobust, pthread_mutexattr_t,
};

use crate::Result;
use crate::board::{Padded, Zeroed, share};
use crate::crew::Kind;
use crate::subjects::sync::death;
use crate::subjects::sync::lock::Locking;
use crate::subjects::value::Work;

/// Whoever waits for a dead holder waits for ever.
pub(crate) type Plain = Mutex<false>;
/// Whoever takes it from a dead holder is told.
pub(crate) type Robust = Mutex<true>;

/// A mutex in shared memory; it has one place for as long as it is in use.
pub(crate) struct Mutex<const ROBUST: bool>(&'static Memory);

/// Aligned like the words of the others.
#[repr(C, align(128))]
struct Memory(UnsafeCell<pthread_mutex_t>);

// SAFETY: it is only used through the calls of the C library, which are made for that.
unsafe impl Sync for Memory {}
// SAFETY: a mutex may begin as any bytes, since it is not used before it was initialised.
unsafe impl Zeroed for Memory {}

impl<const ROBUST: bool> Locking for Mutex<ROBUST> {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        let mut attributes = MaybeUninit::<pthread_mutexattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        let memory: &'static Memory = share()?;
        let robustness = if ROBUST { PTHREAD_MUTEX_ROBUST } else { PTHREAD_MUTEX_STALLED };
        // SAFETY: the pointer leads to room for attributes.
        check(unsafe { pthread_mutexattr_init(attributes) })?;
        // SAFETY: they were initialised.
        check(unsafe { pthread_mutexattr_setpshared(attributes, PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: they were initialised.
        check(unsafe { pthread_mutexattr_setrobust(attributes, robustness) })?;
        // SAFETY: nobody else has seen this memory, which is never freed; the attributes are good.
        check(unsafe { pthread_mutex_init(memory.0.get(), attributes) })?;
        Ok(Self(memory))
    }

    #[inline]
    fn locked(&self, work: impl FnOnce()) -> Result {
        // SAFETY: it was initialised in `new` and is never freed.
        check(unsafe { pthread_mutex_lock(self.0.0.get()) })?;
        work();
        // SAFETY: as above, and this thread holds it.
        check(unsafe { pthread_mutex_unlock(self.0.0.get()) })
    }
}

impl death::Robust for Mutex<true> {
    fn hold(&self) -> Result {
        // SAFETY: it was initialised in `new` and is never freed.
        check(unsafe { pthread_mutex_lock(self.0.0.get()) })
    }

    fn inherit(&self) -> Result<bool> {
        // SAFETY: it was initialised in `new` and is never freed.
        let returned = unsafe { pthread_mutex_lock(self.0.0.get()) };
        if returned == EOWNERDEAD {
            // SAFETY: as above, and this thread holds it.
            check(unsafe { pthread_mutex_consistent(self.0.0.get()) })?;
        } else {
            check(returned)?;
        }
        // SAFETY: as above.
        check(unsafe { pthread_mutex_unlock(self.0.0.get()) })?;
        Ok(returned == EOWNERDEAD)
    }
}

#[inline]
fn check(returned: c_int) -> Result {
    if returned == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(returned).into()) }
}

/// An addition under a mutex, to a number beside it.
pub(crate) struct Update<const ROBUST: bool> {
    mutex: Mutex<ROBUST>,
    number: &'static Padded<AtomicU64>,
}

impl<const ROBUST: bool> Work for Update<ROBUST> {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self { mutex: Mutex::new()?, number: share()? })
    }

    fn share(&self) -> Result<Self> {
        Ok(Self { mutex: Mutex(self.mutex.0), number: self.number })
    }

    #[inline]
    fn work(&mut self) -> Result {
        let number = &self.number.0;
        // Not an atomic addition: only the mutex keeps two of them apart.
        self.mutex.locked(|| number.store(number.load(Relaxed) + 1, Relaxed))
    }
}
