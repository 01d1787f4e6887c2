//! Membership: a thread that is missed at a barrier from now on, wherever it is.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use std::thread;

use ipc_core::robust::Thread;

use super::{Barrier, MemberError, pid};

/// The calling thread's membership of a [`Barrier`], until it is dropped.
///
/// It is a handle to the barrier, too: `member.wait()` is [`Barrier::wait`]. It belongs to its thread
/// and cannot be sent to another.
///
/// # Process death
///
/// If the thread ends and has not dropped it, because its process is killed or executes another
/// program, or because the thread ends alone, the barrier is broken: all who wait, and all who come,
/// get [`BarrierError::PartyDied`](crate::BarrierError::PartyDied) with the id of its process, until somebody calls
/// [`Barrier::reset`]. It makes no difference whether the thread was at the barrier, on the way there
/// or far from it. If it is dropped by a panic, the barrier is broken in the same way.
///
/// In a forked child it is nobody's membership: dropping it does nothing.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use ipc_sync::{Barrier, BarrierError};
///
/// let barrier = Barrier::new(2)?;
/// let other = barrier.clone();
/// let worker = thread::spawn(move || {
///     let member = other.member().unwrap();
///     member.wait().unwrap();
///     // It should come again, but it ends.
///     std::mem::forget(member);
/// });
/// barrier.wait()?;
/// assert_eq!(barrier.wait(), Err(BarrierError::PartyDied { pid: std::process::id() }));
/// # worker.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the membership ends when it is dropped"]
pub struct BarrierMember {
    barrier: Barrier,
    place: usize,
    /// It is the thread's that has joined.
    not_send: PhantomData<*const ()>,
}

impl Barrier {
    /// Makes the calling thread a member: from now on its death breaks the barrier, whenever it comes.
    ///
    /// A thread that is no member is missed only once it has arrived; until then, the others wait for
    /// it or for another in its place. Whether or not they are members makes no difference to who
    /// comes through: the first [`parties`](Self::parties) that arrive. There can be as many members
    /// at one time as there are parties, but no more than [`MOST_MEMBERS`](Self::MOST_MEMBERS).
    ///
    /// The commit point is the store that names the process: a thread that dies before it was no
    /// member.
    ///
    /// # Errors
    ///
    /// [`MemberError`] says why it is none.
    pub fn member(&self) -> Result<BarrierMember, MemberError> {
        let me = Thread::current();
        // SAFETY: the words stay mapped until the thread has left them, or has ended: A1.
        let place = unsafe { self.raw().join(me, pid()) }?;
        Ok(BarrierMember { barrier: self.clone(), place, not_send: PhantomData })
    }
}

impl BarrierMember {
    /// The barrier that it is a membership of.
    #[must_use]
    pub fn barrier(&self) -> &Barrier {
        &self.barrier
    }
}

impl Deref for BarrierMember {
    type Target = Barrier;

    fn deref(&self) -> &Barrier {
        &self.barrier
    }
}

impl Drop for BarrierMember {
    fn drop(&mut self) {
        let (me, raw) = (Thread::current(), self.barrier.raw());
        if thread::panicking() {
            raw.fail(me, self.place);
        } else {
            raw.resign(me, self.place);
        }
    }
}

impl fmt::Debug for BarrierMember {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BarrierMember").field("barrier", &self.barrier).finish()
    }
}
