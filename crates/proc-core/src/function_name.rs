//! `FunctionName`: a function pointer of any type, by its place in the program.
//!
//! # Safety
//!
//! [`FunctionName::find`] makes a function of a number, as `entry` does and under the same duty.
#![expect(unsafe_code, reason = "makes a function of its distance from the program's start")]

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::call::Refusal;
use crate::fingerprint::Fingerprint;
use crate::sys::image;

/// A function pointer of type `F`, as a part of a value that goes to a process which runs the same
/// program.
///
/// A [`Function`](crate::Function) decodes its argument and encodes its result. This is the plain
/// pointer, of whatever type, for what such a function is told beside its argument.
///
/// # Examples
///
/// ```
/// use proc_core::FunctionName;
///
/// fn add(sum: &mut u64, x: u64) {
///     *sum += x;
/// }
///
/// type Add = fn(&mut u64, u64);
/// let name = FunctionName::<Add>::at(add as *const ()).expect("a function of this program");
/// // SAFETY: the name was made in this very process, of a function of that type.
/// let found: Add = unsafe { name.find() }?;
/// let mut sum = 1;
/// found(&mut sum, 2);
/// assert_eq!(sum, 3);
/// # Ok::<(), proc_core::Refusal>(())
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct FunctionName<F> {
    /// How far from the program's start it lies.
    offset: u64,
    /// Of its type.
    signature: u128,
    #[serde(skip)]
    of: PhantomData<fn() -> F>,
}

impl<F: Copy> FunctionName<F> {
    /// Names the function at an address; `None` if it is not one of the program but of a library.
    #[must_use]
    pub fn at(address: *const ()) -> Option<Self> {
        let program = image::program()?;
        let offset = program.is_code(address).then(|| program.offset_of(address))??;
        Some(Self { offset, signature: signature::<F>(), of: PhantomData })
    }

    /// Finds the function in this process.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says what is wrong, if it is noticed.
    ///
    /// # Safety
    ///
    /// `F` must be a type of function pointers. The name must have been made by [`at`](Self::at) of
    /// the address of such a function, in a process that runs the same program, and must have come
    /// here as it was. Only a part of what can be wrong is noticed.
    pub unsafe fn find(&self) -> Result<F, Refusal> {
        const { assert!(size_of::<F>() == size_of::<*const ()>(), "not a function pointer") };
        if self.signature != signature::<F>() {
            return Err(Refusal::OtherType);
        }
        let program = image::program().ok_or(Refusal::OtherProgram)?;
        let address = program.code_at(self.offset).ok_or(Refusal::NoSuchFunction)?;
        // SAFETY: it is the address of a function of that type (duty of the caller).
        Ok(unsafe { std::mem::transmute_copy::<*const (), F>(&address) })
    }
}

impl<F> FunctionName<F> {
    /// How far from the program's start the function lies: what tells it from every other.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }
}

impl<F> Clone for FunctionName<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for FunctionName<F> {}

impl<F> fmt::Debug for FunctionName<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FunctionName").finish_non_exhaustive()
    }
}

fn signature<F>() -> u128 {
    Fingerprint::of(type_name::<F>().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{FunctionName, Refusal};

    type Length = fn(&str) -> usize;

    fn length(text: &str) -> usize {
        text.len()
    }

    fn name() -> FunctionName<Length> {
        #[expect(clippy::fn_to_numeric_cast_any, reason = "its address is what is named")]
        FunctionName::at(length as *const ()).expect("a function of this program")
    }

    fn find<F: Copy>(name: FunctionName<F>) -> Result<F, Refusal> {
        // SAFETY: what these tests forge is noticed.
        unsafe { name.find() }
    }

    #[test]
    fn function_is_found_by_its_name_after_a_journey() {
        let mut bytes = Vec::new();
        ipc_core::wire::encode_plain(&name(), &mut bytes).expect("numbers can be encoded");
        let arrived: FunctionName<Length> =
            ipc_core::wire::decode_plain(&bytes).expect("it came whole");
        assert_eq!(find(arrived).map(|found| found("four")), Ok(4));
        assert_eq!(arrived.offset(), name().offset());
    }

    #[test]
    fn name_of_another_type_or_place_is_refused() {
        static DATA: u64 = 7;
        let other = FunctionName::<fn(String)> {
            offset: name().offset,
            signature: name().signature,
            of: std::marker::PhantomData,
        };
        assert_eq!(find(other).err(), Some(Refusal::OtherType));
        for offset in [u64::MAX, 0, 1 << 60] {
            let forged = FunctionName { offset, ..name() };
            assert_eq!(find(forged).err(), Some(Refusal::NoSuchFunction), "{offset:x}");
        }
        assert!(FunctionName::<Length>::at((&raw const DATA).cast()).is_none());
        assert!(FunctionName::<Length>::at(std::ptr::null()).is_none());
    }
}
