//! The barriers and conditions of the C library, shared between processes.

#![expect(unsafe_code, reason = "calls the C library")]

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;

use libc::{
    PTHREAD_BARRIER_SERIAL_THREAD, PTHREAD_PROCESS_SHARED, c_int, pthread_barrier_init,
    pthread_barrier_t, pthread_barrier_wait, pthread_barrierattr_init,
    pthread_barrierattr_setpshared, pthread_barrierattr_t, pthread_cond_init, pthread_cond_signal,
    pthread_cond_t, pthread_cond_wait, pthread_condattr_init, pthread_condattr_setpshared,
    pthread_condattr_t, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_t,
    pthread_mutex_unlock, pthread_mutexattr_init, pthread_mutexattr_setpshared,
    pthread_mutexattr_t,
};

use crate::Result;
use crate::board::{Zeroed, share};
use crate::crew::Kind;
use crate::subjects::sync::meeting;

/// A barrier in shared memory, for two.
pub(crate) struct Barrier(&'static Shared<pthread_barrier_t>);

/// Two that take turns.
pub(crate) struct Turns(&'static Scene);

/// Aligned like the words of the others.
#[repr(C, align(128))]
struct Shared<T>(UnsafeCell<T>);

#[repr(C)]
struct Scene {
    lock: Shared<pthread_mutex_t>,
    changed: Shared<pthread_cond_t>,
    turn: Shared<u64>,
}

// SAFETY: it is only used through the calls of the C library, which are made for that; the turn is
// looked at under the lock.
unsafe impl<T> Sync for Shared<T> {}
// SAFETY: it may begin as any bytes, since it is not used before it was initialised.
unsafe impl<T> Zeroed for Shared<T> {}
// SAFETY: as for its parts; a turn of zero is the first's.
unsafe impl Zeroed for Scene {}

impl meeting::Meeting for Barrier {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        let mut attributes = MaybeUninit::<pthread_barrierattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        let room: &'static Shared<pthread_barrier_t> = share()?;
        // SAFETY: the pointer leads to room for attributes.
        told(unsafe { pthread_barrierattr_init(attributes) })?;
        // SAFETY: they were initialised.
        told(unsafe { pthread_barrierattr_setpshared(attributes, PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: nobody else has seen this memory, which is never freed; the attributes are good.
        told(unsafe { pthread_barrier_init(room.0.get(), attributes, 2) })?;
        Ok(Self(room))
    }

    fn meet_while(&self, mut goes_on: impl FnMut() -> bool) -> Result {
        while goes_on() {
            // SAFETY: it was initialised in `new` and is never freed.
            match unsafe { pthread_barrier_wait(self.0.0.get()) } {
                PTHREAD_BARRIER_SERIAL_THREAD => {}
                returned => told(returned)?,
            }
        }
        Ok(())
    }
}

impl meeting::Turns for Turns {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        let scene: &'static Scene = share()?;
        let mut attributes = MaybeUninit::<pthread_mutexattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the pointer leads to room for attributes.
        told(unsafe { pthread_mutexattr_init(attributes) })?;
        // SAFETY: they were initialised.
        told(unsafe { pthread_mutexattr_setpshared(attributes, PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: nobody else has seen this memory, which is never freed; the attributes are good.
        told(unsafe { pthread_mutex_init(scene.lock.0.get(), attributes) })?;
        let mut attributes = MaybeUninit::<pthread_condattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the pointer leads to room for attributes.
        told(unsafe { pthread_condattr_init(attributes) })?;
        // SAFETY: they were initialised.
        told(unsafe { pthread_condattr_setpshared(attributes, PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: nobody else has seen this memory, which is never freed; the attributes are good.
        told(unsafe { pthread_cond_init(scene.changed.0.get(), attributes) })?;
        Ok(Self(scene))
    }

    fn take(&self, mine: u64) -> Result {
        let Scene { lock, changed, turn } = self.0;
        // SAFETY: it was initialised in `new` and is never freed.
        told(unsafe { pthread_mutex_lock(lock.0.get()) })?;
        // SAFETY: the lock is held.
        while unsafe { *turn.0.get() } != mine {
            // SAFETY: both were initialised, and the lock is held.
            told(unsafe { pthread_cond_wait(changed.0.get(), lock.0.get()) })?;
        }
        // SAFETY: the lock is held.
        unsafe { *turn.0.get() = 1 - mine };
        // SAFETY: this thread holds it.
        told(unsafe { pthread_mutex_unlock(lock.0.get()) })?;
        // SAFETY: it was initialised in `new` and is never freed.
        told(unsafe { pthread_cond_signal(changed.0.get()) })
    }
}

fn told(returned: c_int) -> Result {
    if returned == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(returned).into()) }
}
