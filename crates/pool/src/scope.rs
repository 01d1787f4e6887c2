//! `PoolScope`: tasks none of which outlives a part of a program.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ipc_core::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::SubmitError;
use crate::pool::Pool;
use crate::receipt::Receipt;
use crate::task::Task;
use crate::wait::Group;

/// Where tasks are submitted that are to be done when a part of the program is; from
/// [`Pool::scope`].
///
/// # Process death
///
/// A task whose worker dies is done with that, or runs again if the pool's builder says so; then the scope
/// waits for that. When it ends, the workers that had its tasks and died are gone.
pub struct PoolScope<'p> {
    pool: &'p Pool,
    receipts: Mutex<Vec<Receipt>>,
}

impl Pool {
    /// Runs `work`, and then waits until all tasks that it has submitted in the scope are done.
    ///
    /// When this returns, no worker is at any of them, whatever became of them: so what they share
    /// with this process, an array in shared memory for example, is this process's own again. If
    /// `work` panics, those that are not done are [cancelled](Task::cancel) before they are waited
    /// for. Their results are had from their handles, as always.
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_core::{Kind, Segment, primitive::{AtomicU64, Ordering::Relaxed}};
    /// use pool::Pool;
    ///
    /// /// Writes into its part of the memory.
    /// fn fill((memory, place): (Segment, usize)) {
    ///     let word: &AtomicU64 = memory.at(place * 8).unwrap();
    ///     word.store(place as u64, Relaxed);
    /// }
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// let memory = Segment::create(Kind::new(*b"squares\0", 1), 0, 10 * 8)?;
    /// pool.scope(|scope| {
    ///     (0..10).try_for_each(|place| scope.submit(fill, (memory.clone(), place)).map(drop))
    /// })?;
    /// for place in 0..10 {
    ///     assert_eq!(memory.at::<AtomicU64>(place * 8)?.load(Relaxed), place as u64);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scope<T>(&self, work: impl FnOnce(&PoolScope<'_>) -> T) -> T {
        work(&PoolScope { pool: self, receipts: Mutex::default() })
    }
}

impl PoolScope<'_> {
    /// As [`Pool::submit`]; the scope does not end before the task is done.
    ///
    /// # Errors
    ///
    /// As [`Pool::submit`].
    pub fn submit<A, R>(&self, function: fn(A) -> R, argument: A) -> Result<Task<R>, SubmitError<A>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let task = self.pool.submit(function, argument)?;
        // Each change is one step.
        let mut receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner);
        let Receipt { engine, mailbox } = task.receipt();
        let (engine, mailbox) = (Arc::clone(engine), Arc::clone(mailbox));
        receipts.push(Receipt { engine, mailbox });
        Ok(task)
    }
}

impl Drop for PoolScope<'_> {
    // A copy of the process that made the pool leaves everything alone.
    fn drop(&mut self) {
        if !self.pool.engine().is_ours() {
            return;
        }
        let receipts = self.receipts.get_mut().unwrap_or_else(PoisonError::into_inner);
        if thread::panicking() {
            for receipt in &*receipts {
                // If it is done already, all the better.
                let _cancelled = receipt.engine.cancel_all(&receipt.mailbox);
            }
        }
        let group = Group::new(receipts.iter());
        while group.next(Deadline::NEVER).is_some() {}
        // A pool that was ended has told so before its workers have.
        self.pool.await_end();
    }
}

impl fmt::Debug for PoolScope<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PoolScope").finish_non_exhaustive()
    }
}
