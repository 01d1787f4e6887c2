//! A static value that a forked child does not inherit.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `publish` | `get_or_try_make`, and who is second in `publish` | the entry behind the pointer |
//!
//! # Safety
//!
//! The module makes references from the pointer it publishes; what that leads to is leaked.
#![expect(unsafe_code, reason = "a reference to a leaked box, published through a pointer")]
#![expect(clippy::disallowed_types, reason = "this pointer never leaves the process")]

use std::convert::Infallible;
use std::fmt;
use std::ptr;
use std::sync::atomic::{
    AtomicPtr,
    Ordering::{AcqRel, Acquire},
};

use crate::sys::epoch;

/// A value for a `static` that every process has its own of, forked children too.
///
/// After a fork the child has its parent's memory, with whatever the parent cached about itself and
/// with locks that threads held which do not exist in the child. A value in here is made anew the
/// first time a process asks for it, so neither reaches the child. What the parent had is leaked
/// there, once a fork.
///
/// # Examples
///
/// ```
/// use std::sync::Mutex;
/// use ipc_core::PerProcess;
///
/// static NAMES: PerProcess<Mutex<Vec<String>>> = PerProcess::new();
///
/// let names = NAMES.get_or_make(|_| Mutex::default());
/// names.lock().unwrap().push("worker".into());
/// assert_eq!(NAMES.get_or_make(|_| Mutex::default()).lock().unwrap().len(), 1);
/// ```
pub struct PerProcess<T: 'static> {
    /// The value made last, here or in a process this one was forked from; null before the first.
    newest: AtomicPtr<Entry<T>>,
}

struct Entry<T> {
    /// The process that it was made in.
    epoch: u64,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    /// Nothing yet, in any process.
    #[must_use]
    pub const fn new() -> Self {
        Self { newest: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The process's value, made now if this is the first time that the process asks.
    ///
    /// `make` gets what the process inherited from the one it was forked from, if anything. It must
    /// not wait for a lock in there: whoever held it may not exist here. Threads that ask at the
    /// same time may each make one; all get the one that is published first.
    pub fn get_or_make(&'static self, make: impl FnOnce(Option<&'static T>) -> T) -> &'static T {
        match self.get_or_try_make(|inherited| Ok::<T, Infallible>(make(inherited))) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The same with a `make` that can fail; the next who asks tries again.
    ///
    /// # Errors
    ///
    /// What `make` returns.
    pub fn get_or_try_make<E>(
        &'static self,
        make: impl FnOnce(Option<&'static T>) -> Result<T, E>,
    ) -> Result<&'static T, E> {
        let epoch = epoch::current();
        // E1 acquire.
        let found = self.newest.load(Acquire);
        let inherited = Self::entry(found);
        match inherited {
            Some(entry) if entry.epoch == epoch => Ok(&entry.value),
            _ => {
                let value = make(inherited.map(|entry| &entry.value))?;
                Ok(self.publish(found, Entry { epoch, value }))
            }
        }
    }

    /// Makes `entry` the newest in place of `found`, unless another thread was faster.
    #[cold]
    fn publish(&'static self, found: *mut Entry<T>, entry: Entry<T>) -> &'static T {
        let made = Box::into_raw(Box::new(entry));
        // E1 release, E1 acquire.
        match self.newest.compare_exchange(found, made, AcqRel, Acquire) {
            Ok(_) => {}
            Err(_) => {
                // SAFETY: the pointer is from `Box::into_raw` above, and was not published.
                drop(unsafe { Box::from_raw(made) });
            }
        }
        // Entries only change within a process from an inherited one to the process's own, so the
        // one that is there now is ours or the faster thread's, and it stays.
        // E1 acquire.
        match Self::entry(self.newest.load(Acquire)) {
            Some(entry) => &entry.value,
            None => unreachable!("an entry was published and none is ever taken away"),
        }
    }

    fn entry(pointer: *mut Entry<T>) -> Option<&'static Entry<T>> {
        // SAFETY: what stands in `newest` is null or the pointer of a box that `publish` leaked
        // after it was complete (its exchange releases, every load here acquires), and nothing
        // takes a mutable reference to it or frees it.
        unsafe { pointer.as_ref() }
    }
}

impl<T: Send + Sync> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PerProcess").finish_non_exhaustive()
    }
}
