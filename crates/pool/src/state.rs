//! The state that a worker keeps from task to task, and the functions that get it.
//!
//! It is made in the worker, by the initializer, and never leaves it: so it need be neither a serde
//! value nor fit for other threads. A task takes it out and puts it back when it returns. One that
//! panics does not: nobody knows what it has left half-done, so the state is dropped, and the worker
//! makes room for another one, which makes another.

use std::any::Any;
use std::cell::Cell;
use std::fmt::Display;

use crate::find::Named;

thread_local! {
    static STATE: Cell<Option<Box<dyn Any>>> = const { Cell::new(None) };
}

/// A task's function and argument, as they travel.
pub(crate) type Call<S, A, R> = (Named<fn(&mut S, A) -> R>, A);

/// An initializer and its argument, as they travel.
pub(crate) type Making<M, A> = (Named<fn(A) -> M>, A);

/// Whether a task has not put the state back.
pub(crate) fn is_lost() -> bool {
    let state = STATE.take();
    let is_lost = state.is_none();
    STATE.set(state);
    is_lost
}

/// Drops the state, as long as the process is whole.
pub(crate) fn let_go() {
    drop(STATE.take());
}

/// Makes the state; what a worker calls first.
pub(crate) fn make<S: 'static, A>((function, argument): Making<S, A>) -> Made {
    put(Box::new(function.function()(argument)));
    Ok(())
}

/// Makes the state, or says why not.
pub(crate) fn try_make<S: 'static, A, E: Display>(
    (function, argument): Making<Result<S, E>, A>,
) -> Made {
    let state = function.function()(argument).map_err(|error| error.to_string())?;
    put(Box::new(state));
    Ok(())
}

/// What came of an initializer; an error is what it said.
pub(crate) type Made = Result<(), String>;

/// Calls a function with the state; what a worker calls for each task.
pub(crate) fn call<S: 'static, A, R>((function, argument): Call<S, A, R>) -> R {
    let mut state = take::<S>();
    let result = function.function()(&mut state, argument);
    put(state);
    result
}

fn put<S: 'static>(state: Box<S>) {
    STATE.set(Some(state));
}

fn take<S: 'static>() -> Box<S> {
    match STATE.take().map(Box::<dyn Any>::downcast) {
        Some(Ok(state)) => state,
        // A worker without it takes no tasks, and all tasks of a pool have the type of its state.
        _ => unreachable!("no such state"),
    }
}

#[cfg(test)]
mod tests {
    use proc_core::PanicInfo;

    use super::{Named, call, is_lost, let_go, make, try_make};

    fn add(sum: &mut Vec<u32>, x: u32) -> usize {
        assert!(x != 13, "bad luck");
        sum.push(x);
        sum.len()
    }

    fn named() -> Named<fn(&mut Vec<u32>, u32) -> usize> {
        Named::of_task(add)
    }

    #[test]
    fn state_is_what_the_task_before_left_and_lost_with_one_that_panics() {
        fn start(first: u32) -> Vec<u32> {
            vec![first]
        }

        assert!(is_lost());
        assert_eq!(make((Named::of(start as fn(u32) -> Vec<u32>), 7)), Ok(()));
        assert_eq!((call((named(), 1)), call((named(), 2))), (2, 3));
        assert!(!is_lost());
        assert!(PanicInfo::catch(|| call((named(), 13))).is_err());
        assert!(is_lost());
        assert_eq!(make((Named::of(start as fn(u32) -> Vec<u32>), 7)), Ok(()));
        let_go();
        assert!(is_lost());
    }

    #[test]
    fn initializer_that_fails_makes_nothing_and_says_why() {
        fn fail(text: String) -> Result<u32, String> {
            Err(text + "!")
        }

        let named = Named::of(fail as fn(String) -> Result<u32, String>);
        assert_eq!(try_make((named, "no".to_owned())), Err("no!".to_owned()));
        assert!(is_lost());
    }
}
