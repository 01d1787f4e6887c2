//! `scope`: processes that do not outlive a part of a program.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ipc_core::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::Builder;
use crate::child::Child;
use crate::error::StartError;
use crate::process::Process;
use crate::sys::signal::Signal;

/// Processes that were started in a [`scope()`].
#[derive(Default)]
pub struct Scope {
    children: Mutex<Vec<Arc<Child>>>,
}

impl Scope {
    /// Starts a process that the end of the scope waits for.
    ///
    /// # Errors
    ///
    /// As [`Builder::spawn`].
    pub fn spawn<A, R>(
        &self,
        builder: Builder,
        function: fn(A) -> R,
        argument: A,
    ) -> Result<Process<R>, StartError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let process = builder.spawn(function, argument)?;
        self.add(&process);
        Ok(process)
    }

    /// Has the end of the scope wait for a process that was started elsewhere.
    pub fn add<R>(&self, process: &Process<R>) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.push(Arc::clone(process.child()));
    }
}

impl Drop for Scope {
    /// In a copy of the process that made it, this leaves everything alone.
    fn drop(&mut self) {
        let children = self.children.get_mut().unwrap_or_else(PoisonError::into_inner);
        children.retain(|child| child.is_ours());
        if std::thread::panicking() {
            for child in &*children {
                // If it has ended already, all the better.
                let _killed = child.signal(Signal::KILL);
            }
        }
        for child in children {
            // What cannot be waited for is reaped when another child starts.
            let _status = child.wait(Deadline::NEVER);
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// Runs `work`, and then waits until all processes that it has started in the scope have ended.
///
/// If `work` panics they are killed before they are waited for. Whatever happens, none of them is
/// left when this returns. Their results are had from their handles, as always.
///
/// # Examples
///
/// ```
/// use proc_core::{Process, scope};
///
/// let sum = scope(|scope| {
///     let children = [1, 2, 3].map(|n| scope.spawn(Process::builder(), |n: u32| n * n, n));
///     children.into_iter().map(|child| Ok(child?.join()?)).sum::<Result<u32, Box<dyn std::error::Error>>>()
/// })?;
/// assert_eq!(sum, 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn scope<R>(work: impl FnOnce(&Scope) -> R) -> R {
    work(&Scope::default())
}
