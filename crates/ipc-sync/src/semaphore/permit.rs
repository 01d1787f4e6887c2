//! Permit: one permit of a semaphore, as long as the value lives and the thread that holds it.
//!
//! # Safety
//!
//! What the engine asks for, that the seats stay mapped while they are held, is so because they lie
//! in a segment: the thread's robust list keeps it mapped.

#![expect(unsafe_code, reason = "promises the engine that the seats stay mapped")]

use core::fmt;
use core::marker::PhantomData;

use ipc_core::Deadline;
use ipc_core::robust::Thread;

use super::Semaphore;
use crate::raw::{Lease, NoPermit};

/// One permit of a [`Semaphore`]; dropping it gives the permit back.
///
/// In a forked child that inherited it, dropping it does nothing. If it is leaked, the permit comes
/// back when the thread ends.
#[must_use = "a permit that is dropped at once permits nothing"]
pub struct Permit<'semaphore> {
    semaphore: &'semaphore Semaphore,
    /// Gone when the permit was given back, or away.
    lease: Option<Lease>,
    /// The kernel knows the holding thread, so no other can give the permit back.
    not_send: PhantomData<*const ()>,
}

impl<'semaphore> Permit<'semaphore> {
    pub(super) fn wait(
        semaphore: &'semaphore Semaphore,
        deadline: Deadline,
    ) -> Result<Self, NoPermit> {
        let raw = semaphore.place.raw();
        // SAFETY: the seats stay mapped while they are held.
        let lease = unsafe { raw.acquire(Thread::current(), deadline) }?;
        Ok(Self { semaphore, lease: Some(lease), not_send: PhantomData })
    }

    pub(super) fn look(semaphore: &'semaphore Semaphore) -> Result<Self, NoPermit> {
        let raw = semaphore.place.raw();
        // SAFETY: the seats stay mapped while they are held.
        let lease = unsafe { raw.try_acquire(Thread::current()) }?;
        Ok(Self { semaphore, lease: Some(lease), not_send: PhantomData })
    }

    /// Keeps the permit beyond the guard and the thread: from now on it has no holder, as if it had
    /// been [taken](Semaphore::take).
    ///
    /// Anybody may [release](Semaphore::release) it; nobody has to.
    pub fn forget(mut self) {
        if let Some(lease) = self.lease.take() {
            self.semaphore.place.raw().forget(Thread::current(), lease);
        }
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.semaphore.place.raw().give_back(Thread::current(), lease);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Permit").finish_non_exhaustive()
    }
}
