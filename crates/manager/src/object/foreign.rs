//! Running a function of the client's program on a value that is kept as bytes.
//!
//! The codec writes a pair as its parts one after the other, an `Option` as a byte and what is in it, and
//! what came of a call as a byte and what was returned. So the argument is put together, and the result
//! taken apart, without knowing their types.
#![expect(unsafe_code, reason = "calls a function that a client names")]

use ipc_core::wire;
use proc_core::{Function, Outcome};

use crate::protocol::Fault;
use crate::protocol::bytes::Reader;

/// Calls the function that the block names with the parts, one after the other, and returns the bytes of
/// its result.
///
/// The server lets through only names from programs of its own user on its own machine, which can do to
/// this process whatever they like anyway.
pub(super) fn call(name: &[u8], parts: &[&[u8]]) -> Result<Vec<u8>, Fault> {
    let bad = |error: &dyn std::error::Error| Fault::BadArgument(error.to_string());
    let name: Function = wire::decode_plain(name).map_err(|error| bad(&error))?;
    // SAFETY: the name came from a process of this user, which the kernel has confirmed, and was made
    // by `Function::of` there: the proxies have no other way to make one.
    let found = unsafe { name.find() };
    let function = found.map_err(|refusal| Fault::Refused(refusal.to_string()))?;
    let answer = function.call_into(&parts.concat(), Vec::new(), Vec::new());
    let answer = answer.map_err(|refusal| Fault::Refused(refusal.to_string()))?;
    if !answer.handles.is_empty() {
        return Err(Fault::Refused("the function returns a handle, which cannot be kept".into()));
    }
    let mut reader = Reader::new(&answer.bytes);
    if reader.byte()? == RETURNED {
        return Ok(reader.rest().to_vec());
    }
    match Function::outcome::<()>(answer) {
        Ok(Outcome::Panicked(panic)) => Err(Fault::Panicked(panic)),
        Ok(Outcome::Unsendable(why)) => Err(Fault::Refused(why)),
        Ok(Outcome::Returned(())) => Err(Fault::Refused("the function returned nothing".into())),
        Err(error) => Err(bad(&error)),
    }
}

/// How the codec begins an [`Outcome::Returned`].
const RETURNED: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn function(of: fn((Option<u32>, String)) -> Option<u32>) -> Vec<u8> {
        let mut bytes = Vec::new();
        wire::encode_plain(&Function::of(of).unwrap(), &mut bytes).unwrap();
        bytes
    }

    fn bytes_of<T: serde::Serialize>(value: T) -> Vec<u8> {
        let mut bytes = Vec::new();
        wire::encode_plain(&value, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn parts_are_put_together_and_taken_apart_as_the_codec_does() {
        let name = function(|(old, more)| Some(old? + u32::try_from(more.len()).unwrap()));
        let argument = bytes_of("12345");
        let returned = call(&name, &[&[1], &bytes_of(1000_u32), &argument]).unwrap();
        assert_eq!(wire::decode_plain::<Option<u32>>(&returned).unwrap(), Some(1005));
        let returned = call(&name, &[&[0], &argument]).unwrap();
        assert_eq!(wire::decode_plain::<Option<u32>>(&returned).unwrap(), None);
    }

    #[test]
    fn what_goes_wrong_is_told() {
        let name = function(|(_, text)| panic!("not {text}"));
        let panicked = call(&name, &[&[0], &bytes_of("this")]);
        assert!(matches!(&panicked, Err(Fault::Panicked(panic)) if panic.message() == "not this"));
        assert!(matches!(call(&name, &[&[7]]), Err(Fault::Refused(_))));
        assert!(matches!(call(b"garbage", &[]), Err(Fault::BadArgument(_))));
    }
}
