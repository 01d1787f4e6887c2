//! A worker's functions, from their names; function pointers that travel beside arguments.

#![expect(unsafe_code, reason = "vouches for names that came from the parent")]

use proc_core::{Callable, Function, FunctionName, Refusal};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// Finds a function that the parent named.
pub(crate) fn find(function: &Function) -> Result<Callable, Refusal> {
    // SAFETY: the name came through the inbox, into which only the parent puts, and which it gave to
    // this process when it started it as the same program; there it was made by `Function::of`.
    unsafe { function.find() }
}

/// A function pointer that is a part of a task's argument: by name on its way, and found where it
/// arrives.
///
/// It goes nowhere but through the inbox of a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<F> {
    function: F,
    name: Option<FunctionName<F>>,
}

impl<A, R> Named<fn(A) -> R> {
    #[expect(clippy::fn_to_numeric_cast_any, reason = "where it lies is its name")]
    pub(crate) fn of(function: fn(A) -> R) -> Self {
        Self { function, name: FunctionName::at(function as *const ()) }
    }
}

impl<S, A, R> Named<fn(&mut S, A) -> R> {
    #[expect(clippy::fn_to_numeric_cast_any, reason = "where it lies is its name")]
    pub(crate) fn of_task(function: fn(&mut S, A) -> R) -> Self {
        Self { function, name: FunctionName::at(function as *const ()) }
    }
}

impl<A, B, R> Named<fn(A, B) -> R> {
    #[expect(clippy::fn_to_numeric_cast_any, reason = "where it lies is its name")]
    pub(crate) fn of_two(function: fn(A, B) -> R) -> Self {
        Self { function, name: FunctionName::at(function as *const ()) }
    }
}

impl<R> Named<fn(&[u8]) -> R> {
    #[expect(clippy::fn_to_numeric_cast_any, reason = "where it lies is its name")]
    pub(crate) fn of_bytes(function: fn(&[u8]) -> R) -> Self {
        Self { function, name: FunctionName::at(function as *const ()) }
    }
}

impl<F: Copy> Named<F> {
    pub(crate) const fn function(&self) -> F {
        self.function
    }

    /// What tells it from every other function of the program; not 0.
    pub(crate) fn number(&self) -> u64 {
        self.name.map_or(u64::MAX, |name| name.offset())
    }
}

impl<F> Serialize for Named<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = self.name.as_ref();
        let name = name.ok_or_else(|| ser::Error::custom("the function is part of a library"))?;
        name.serialize(serializer)
    }
}

impl<'de, F: Copy> Deserialize<'de> for Named<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = FunctionName::deserialize(deserializer)?;
        // SAFETY: the name came in the argument of a task, as `find` has it. The type is one of
        // this crate, and it was made with the address of a function of just that type.
        let function = unsafe { name.find() }.map_err(de::Error::custom)?;
        Ok(Self { function, name: Some(name) })
    }
}
