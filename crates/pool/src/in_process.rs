//! `InProcess`: an executor that runs each task at once, where it is.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use ipc_core::wire::{self, Message};
use proc_core::Function;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{MapError, PoolError, SubmitError, TaskError};
use crate::executor::{Executor, Join};
use crate::find;
use crate::mailbox::Fate;
use crate::parcel::{Freight, Parcel};
use crate::task;

/// Runs each task at once, in the calling thread: for the tests of libraries that take any
/// [`Executor`].
///
/// Everything is as in a worker but the process: arguments and results are encoded and decoded, so
/// what cannot travel fails here too, and a panic is an error of its task. A task that ends its
/// process ends this one.
///
/// # Examples
///
/// ```
/// use pool::{Executor, InProcess, TaskError};
///
/// assert_eq!(InProcess.call(|x: u32| x + 1, 1)?, 2);
/// let error = InProcess.call(|_: u32| -> u32 { panic!("no") }, 1).unwrap_err();
/// assert_eq!(error.panic().unwrap().message(), "no");
/// # Ok::<(), TaskError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InProcess;

/// A result that is here already, of [`InProcess`].
#[must_use = "the result is lost with it"]
pub struct Done<R>(Mutex<Option<Result<R, TaskError>>>);

impl Executor for InProcess {
    type Task<R>
        = Done<R>
    where
        R: Serialize + DeserializeOwned;

    fn n_workers(&self) -> usize {
        1
    }

    fn submit<A, R>(&self, function: fn(A) -> R, argument: A) -> Result<Done<R>, SubmitError<A>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        match run(function, &argument) {
            Ok(result) => Ok(Done(Mutex::new(Some(result)))),
            Err(reason) => Err(SubmitError::new(argument, reason)),
        }
    }

    fn map<A, R, I>(&self, function: fn(A) -> R, items: I) -> Result<Vec<R>, MapError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        let mut results = Vec::new();
        let mut first_error = None;
        for (index, item) in items.into_iter().enumerate() {
            match self.call(function, item) {
                Ok(result) => results.push(result),
                Err(error) => {
                    first_error.get_or_insert(MapError { index, error });
                }
            }
        }
        first_error.map_or(Ok(results), Err)
    }
}

/// Does what a worker does with a task.
fn run<A, R>(function: fn(A) -> R, argument: &A) -> Result<Result<R, TaskError>, PoolError>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    let name = Function::of(function).ok_or(PoolError::NotInProgram)?;
    let argument = wire::encode(argument).map_err(PoolError::Argument)?;
    let answer = find::find(&name).and_then(|callable| callable.call(argument));
    let fate = match answer {
        Ok(Message { bytes, handles }) => {
            match Parcel::of_parts(Freight::None, bytes, handles, None) {
                Ok(answer) => Fate::Answered(answer),
                Err(error) => Fate::Lost(error.to_string()),
            }
        }
        Err(refusal) => Fate::Refused(refusal),
    };
    Ok(task::result(fate))
}

impl<R> Join<R> for Done<R> {
    fn join(&self) -> Result<R, TaskError> {
        // It is changed in one step.
        let mut result = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        result.take().unwrap_or(Err(TaskError::Taken))
    }

    fn is_ready(&self) -> bool {
        true
    }
}

impl<R> fmt::Debug for Done<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Done").finish_non_exhaustive()
    }
}
