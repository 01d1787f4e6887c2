//! How a fresh process finds the function it was started for.
//!
//! A function is named by its distance from where the program lies in memory: the same program has
//! it at the same distance in every process. Beside it travel
//!
//! - the identity of the program, so that another build is refused;
//! - the distance of a small static, the [`Descriptor`], that is made by the compiler for the types
//!   of the argument and the result, carries a mark, and leads to the code that decodes the one,
//!   calls the function, and encodes the other;
//! - a fingerprint of the function's type, so that a function is only called as what it is.
//!
//! Everything is checked before anything is called. What a stranger might send is another matter:
//! an entry is taken only from the private channel to the parent.
//!
//! # Safety
//!
//! [`Entry::resolve`] makes a function out of a number. It is right because the number was made from
//! a function of the same type in a process that runs the same program, which is what the checks
//! establish; a parent that lies about it could as well write into the child's memory.
#![expect(unsafe_code, reason = "calls a function by its distance from the program's start")]

use std::any::type_name;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::{self, Answer, Input, Refusal};
use crate::fingerprint::Fingerprint;
use crate::sys::image;

/// A function, as it is named between two processes that run the same program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Which program.
    program: Vec<u8>,
    /// How far from its start the function lies.
    function: u64,
    /// How far from its start the descriptor of the function's types lies.
    descriptor: u64,
    /// Of the type of the function.
    signature: u128,
}

/// A function that is ready to be called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolved {
    function: *const (),
    run: Run,
}

/// Decodes the argument, calls the function, and encodes the result; see [`call::run`].
///
/// # Safety
///
/// The function must be of the type for which the descriptor that holds this was made.
type Run = unsafe fn(*const (), Input<'_>, &mut dyn FnMut()) -> Result<Answer, Refusal>;

/// What the compiler knows of a function's types, in a static of the program.
#[derive(Debug)]
#[repr(C)]
struct Descriptor {
    /// Says that this is one.
    mark: [u64; 2],
    /// Where the code for these types lies, as the program itself has it.
    run: Run,
    /// Tells the fingerprint of the function's type.
    signature: fn() -> u128,
}

const MARK: [u64; 2] = [0x6d75_6c74_6970_726f, 0x9d2f_4b63_c81e_75a1];

/// A descriptor for functions from `A` to `R`.
struct Typed<A, R>(std::marker::PhantomData<fn(A) -> R>);

impl<A: DeserializeOwned, R: Serialize> Typed<A, R> {
    const DESCRIPTOR: &'static Descriptor =
        &Descriptor { mark: MARK, run: run::<A, R>, signature: signature::<A, R> };
}

impl Entry {
    /// Names a function; `None` if it is not one of the program but of a library.
    pub(crate) fn of<A, R>(function: fn(A) -> R) -> Option<Self>
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        let program = image::program()?;
        #[expect(clippy::fn_to_numeric_cast_any, reason = "where it lies is what we want to know")]
        let function = function as *const ();
        Some(Self {
            program: program.identity().to_vec(),
            function: program.is_code(function).then(|| program.offset_of(function))??,
            descriptor: program.offset_of(Typed::<A, R>::DESCRIPTOR)?,
            signature: signature::<A, R>(),
        })
    }

    /// Finds the function in this process.
    pub(crate) fn resolve(&self) -> Result<Resolved, Refusal> {
        let program = image::program().ok_or(Refusal::OtherProgram)?;
        if program.identity() != self.program {
            return Err(Refusal::OtherProgram);
        }
        let function = program.code_at(self.function).ok_or(Refusal::NoSuchFunction)?;
        let descriptor =
            program.value_at::<[u64; 4]>(self.descriptor).ok_or(Refusal::NoSuchFunction)?;
        const { assert!(size_of::<Descriptor>() == size_of::<[u64; 4]>()) };
        // SAFETY: the place is aligned, readable and large enough (checked by `value_at`), and holds
        // integers or addresses.
        let [first, second, run, signature] = unsafe { descriptor.read_volatile() };
        if [first, second] != MARK || !is_code(run) || !is_code(signature) {
            return Err(Refusal::NoSuchFunction);
        }
        // SAFETY: the mark says that this is a descriptor, which lives as long as the program.
        let descriptor = unsafe { &*descriptor.cast::<Descriptor>() };
        if (descriptor.signature)() != self.signature {
            return Err(Refusal::OtherType);
        }
        Ok(Resolved { function, run: descriptor.run })
    }
}

impl Resolved {
    /// Decodes the argument, says that it is accepted, and calls the function with it.
    pub(crate) fn call(
        self,
        input: Input<'_>,
        accept: &mut dyn FnMut(),
    ) -> Result<Answer, Refusal> {
        // SAFETY: `resolve` found that the function has the type that the descriptor is for.
        unsafe { (self.run)(self.function, input, accept) }
    }
}

fn is_code(address: u64) -> bool {
    usize::try_from(address).is_ok_and(|address| {
        image::program().is_some_and(|image| image.is_code(std::ptr::without_provenance(address)))
    })
}

/// What stands in a descriptor: the code for one pair of types.
///
/// # Safety
///
/// `function` must be a function from `A` to `R`.
unsafe fn run<A: DeserializeOwned, R: Serialize>(
    function: *const (),
    input: Input<'_>,
    accept: &mut dyn FnMut(),
) -> Result<Answer, Refusal> {
    #[expect(clippy::disallowed_methods, reason = "the only way to a function from an address")]
    // SAFETY: it is the address of such a function (duty of the caller).
    let function = unsafe { std::mem::transmute::<*const (), fn(A) -> R>(function) };
    call::run(function, input, accept)
}

fn signature<A, R>() -> u128 {
    Fingerprint::of(type_name::<fn(A) -> R>().as_bytes())
}

#[cfg(test)]
impl Entry {
    /// The same function in a program that this is not.
    pub(crate) fn of_another_program(mut self) -> Self {
        self.program.push(0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Refusal};

    fn double(x: u64) -> u64 {
        x * 2
    }

    fn length(text: String) -> usize {
        text.len()
    }

    fn refusal(entry: &Entry) -> Refusal {
        entry.resolve().expect_err("a wrong entry was taken")
    }

    #[test]
    fn entry_of_another_program_is_refused() {
        let mut entry = Entry::of(double).unwrap();
        assert!(entry.resolve().is_ok());
        entry.program[0] ^= 1;
        assert_eq!(refusal(&entry), Refusal::OtherProgram);
        entry.program.clear();
        assert_eq!(refusal(&entry), Refusal::OtherProgram);
    }

    #[test]
    fn entry_that_leads_to_no_code_is_refused() {
        let mut entry = Entry::of(double).unwrap();
        for wrong in [u64::MAX, 1 << 40, entry.descriptor] {
            entry.function = wrong;
            assert_eq!(refusal(&entry), Refusal::NoSuchFunction, "offset {wrong:#x}");
        }
    }

    #[test]
    fn entry_whose_descriptor_is_none_is_refused() {
        let entry = Entry::of(double).unwrap();
        for wrong in [u64::MAX, 0, entry.function, entry.descriptor + 1, entry.descriptor + 8] {
            let entry = Entry { descriptor: wrong, ..entry.clone() };
            assert_eq!(refusal(&entry), Refusal::NoSuchFunction, "offset {wrong:#x}");
        }
    }

    #[test]
    fn entry_with_the_descriptor_of_another_type_is_refused() {
        let entry = Entry::of(double).unwrap();
        let descriptor = Entry::of(length).unwrap().descriptor;
        assert_eq!(refusal(&Entry { descriptor, ..entry }), Refusal::OtherType);
    }
}
