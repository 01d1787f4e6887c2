//! A worker's functions, from their names; function pointers that travel beside arguments.

#![expect(unsafe_code, reason = "vouches for names that came from the parent")]

use proc_core::{Callable, Function, FunctionName, Refusal};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// Finds a function that the parent named, or this process itself.
pub(crate) fn find(function: &Function) -> Result<Callable, Refusal> {
    // SAFETY: the name was made by `Function::of`: in this process, or in the parent, which started this
    // one as the same program, and gave it the inbox through which the name came; only it puts there.
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

impl<T> Named<fn(&T) -> bool> {
    #[expect(clippy::fn_to_numeric_cast_any, reason = "where it lies is its name")]
    pub(crate) fn of_test(function: fn(&T) -> bool) -> Self {
        Self { function, name: FunctionName::at(function as *const ()) }
    }
}

impl<T, R> Named<fn(&[T]) -> R> {
    #[expect(clippy::fn_to_numeric_cast_any, reason = "where it lies is its name")]
    pub(crate) fn of_slice(function: fn(&[T]) -> R) -> Self {
        Self { function, name: FunctionName::at(function as *const ()) }
    }
}

impl<T> Named<fn(T, T) -> T> {
    #[expect(clippy::fn_to_numeric_cast_any, reason = "where it lies is its name")]
    pub(crate) fn of_pair(function: fn(T, T) -> T) -> Self {
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
