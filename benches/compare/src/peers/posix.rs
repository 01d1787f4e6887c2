//! The semaphores and reader-writer locks of the C library, shared between processes.

#![expect(unsafe_code, reason = "calls the C library")]

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use libc::{
    EINTR, PTHREAD_PROCESS_SHARED, c_int, pthread_rwlock_init, pthread_rwlock_rdlock,
    pthread_rwlock_t, pthread_rwlock_unlock, pthread_rwlockattr_init,
    pthread_rwlockattr_setpshared, pthread_rwlockattr_t, sem_getvalue, sem_init, sem_post, sem_t,
    sem_wait,
};

use crate::Result;
use crate::board::{Zeroed, share};
use crate::subjects::sync::handover::Signalling;
use crate::subjects::sync::others::Operation;

/// A semaphore in shared memory.
pub(crate) struct Semaphore(&'static Room<sem_t>);

/// A look at the value of a semaphore.
pub(crate) struct Value(Semaphore);

/// A reader-writer lock in shared memory.
pub(crate) struct RwLock(&'static Room<pthread_rwlock_t>);

/// Aligned like the words of the others.
#[repr(C, align(128))]
struct Room<T>(UnsafeCell<T>);

// SAFETY: it is only used through the calls of the C library, which are made for that.
unsafe impl<T> Sync for Room<T> {}
// SAFETY: it may begin as any bytes, since it is not used before it was initialised.
unsafe impl<T> Zeroed for Room<T> {}

impl Semaphore {
    fn with(value: u32) -> Result<Self> {
        let room: &'static Room<sem_t> = share()?;
        // SAFETY: nobody else has seen this memory, which is never freed.
        check(unsafe { sem_init(room.0.get(), 1, value) })?;
        Ok(Self(room))
    }
}

impl Signalling for Semaphore {
    fn new() -> Result<Self> {
        Self::with(0)
    }

    #[inline]
    fn signal(&self) -> Result {
        // SAFETY: it was initialised and is never freed.
        check(unsafe { sem_post(self.0.0.get()) })
    }

    #[inline]
    fn wait(&self) -> Result {
        // SAFETY: it was initialised and is never freed.
        while unsafe { sem_wait(self.0.0.get()) } != 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(EINTR) {
                return Err(error.into());
            }
        }
        Ok(())
    }
}

impl Operation for Semaphore {
    fn new() -> Result<Self> {
        Self::with(1)
    }

    #[inline]
    fn operate(&self) -> Result {
        self.wait()?;
        self.signal()
    }
}

impl Operation for Value {
    fn new() -> Result<Self> {
        Ok(Self(Semaphore::with(1)?))
    }

    #[inline]
    fn operate(&self) -> Result {
        let mut value = 0;
        // SAFETY: the semaphore was initialised and is never freed; the value goes to a place of
        // this frame.
        check(unsafe { sem_getvalue(self.0.0.0.get(), ptr::from_mut(&mut value)) })?;
        if value == 1 { Ok(()) } else { Err("somebody took it".into()) }
    }
}

impl Operation for RwLock {
    fn new() -> Result<Self> {
        let mut attributes = MaybeUninit::<pthread_rwlockattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        let room: &'static Room<pthread_rwlock_t> = share()?;
        // SAFETY: the pointer leads to room for attributes.
        told(unsafe { pthread_rwlockattr_init(attributes) })?;
        // SAFETY: they were initialised.
        told(unsafe { pthread_rwlockattr_setpshared(attributes, PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: nobody else has seen this memory, which is never freed; the attributes are good.
        told(unsafe { pthread_rwlock_init(room.0.get(), attributes) })?;
        Ok(Self(room))
    }

    #[inline]
    fn operate(&self) -> Result {
        // SAFETY: it was initialised in `new` and is never freed.
        told(unsafe { pthread_rwlock_rdlock(self.0.0.get()) })?;
        // SAFETY: as above, and this thread holds it.
        told(unsafe { pthread_rwlock_unlock(self.0.0.get()) })
    }
}

/// For calls that set `errno`.
#[inline]
fn check(returned: c_int) -> Result {
    if returned == 0 { Ok(()) } else { Err(io::Error::last_os_error().into()) }
}

/// For calls that return the error.
#[inline]
fn told(returned: c_int) -> Result {
    if returned == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(returned).into()) }
}
