//! What a condition needs of a guard: the lock behind it, and to go on with it afterwards.

use bytemuck::{CheckedBitPattern, NoUninit};

use crate::Recovery;
use crate::error::LockError;
use crate::lock::LockGuard;
use crate::mutex::MutexGuard;
use crate::raw::{Outer, RawLock, RawRLock, Taken};
use crate::rlock::RLockGuard;

/// What only this crate has, so that nobody else calls what asks for it.
#[expect(unnameable_types, reason = "nobody else is to name it")]
#[derive(Clone, Copy, Debug)]
pub struct Key(());

/// The one there is.
pub(super) const KEY: Key = Key(());

/// The guard of a lock that can be given back to wait for a [`Condition`](super::Condition): a
/// [`MutexGuard`], a [`LockGuard`] or an [`RLockGuard`].
///
/// Only this crate has such guards.
pub trait ConditionGuard: Sized {
    /// The value under the lock, to be asked about; nothing if there is none.
    type Value: ?Sized;

    /// What comes in place of the guard if what the lock protects may be half changed.
    type Recovery;

    /// Asks about the value.
    #[doc(hidden)]
    fn ask(&mut self, question: &mut impl FnMut(&mut Self::Value) -> bool, key: Key) -> bool;

    /// The lock.
    #[doc(hidden)]
    fn outer(&self, key: Key) -> Outer<'_>;

    /// Goes on with the lock, which was taken anew.
    #[doc(hidden)]
    fn renew(self, taken: Taken, key: Key) -> Result<Self, LockError<Self::Recovery>>;
}

impl<'mutex, T: NoUninit + CheckedBitPattern> ConditionGuard for MutexGuard<'mutex, T> {
    type Value = T;
    type Recovery = Recovery<'mutex, T>;

    fn ask(&mut self, question: &mut impl FnMut(&mut T) -> bool, _: Key) -> bool {
        question(self)
    }

    fn outer(&self, _: Key) -> Outer<'_> {
        Outer::Lock(RawLock::new(self.line()))
    }

    fn renew(self, taken: Taken, _: Key) -> Result<Self, LockError<Self::Recovery>> {
        self.retaken(taken)
    }
}

impl ConditionGuard for LockGuard<'_> {
    type Value = ();
    type Recovery = Self;

    fn ask(&mut self, question: &mut impl FnMut(&mut ()) -> bool, _: Key) -> bool {
        question(&mut ())
    }

    fn outer(&self, _: Key) -> Outer<'_> {
        Outer::Lock(RawLock::new(self.place().line()))
    }

    fn renew(self, taken: Taken, _: Key) -> Result<Self, LockError<Self>> {
        self.place().note(taken);
        told(self, taken)
    }
}

impl ConditionGuard for RLockGuard<'_> {
    type Value = ();
    type Recovery = Self;

    fn ask(&mut self, question: &mut impl FnMut(&mut ()) -> bool, _: Key) -> bool {
        question(&mut ())
    }

    fn outer(&self, _: Key) -> Outer<'_> {
        Outer::RLock(RawRLock::new(self.place().line()))
    }

    fn renew(self, taken: Taken, _: Key) -> Result<Self, LockError<Self>> {
        self.place().note(taken);
        told(self, taken)
    }
}

/// The guard of a lock on nothing, with what is to be told.
fn told<G>(guard: G, taken: Taken) -> Result<G, LockError<G>> {
    match taken {
        Taken::Clean => Ok(guard),
        Taken::OwnerDied => Err(LockError::OwnerDied(guard)),
    }
}
