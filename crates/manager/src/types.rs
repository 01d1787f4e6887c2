//! Functions that add types to a server, as its process is told of them.
#![expect(unsafe_code, reason = "calls functions that who started this process has named")]

use ipc_core::wire;
use proc_core::Function;

/// Calls a function that adds a type.
pub(crate) fn call(function: &Function) {
    // SAFETY: the name is from the orders, which came from the process that started this one, by the
    // same way as the function that this process runs.
    let found = unsafe { function.find() };
    if let Ok(callable) = found {
        // It takes nothing and returns nothing; a type that is not there is told to who asks for it.
        wire::encode(&()).ok().and_then(|argument| callable.call(argument).ok());
    }
}
