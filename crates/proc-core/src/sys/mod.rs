//! The system calls of this crate: one function a call, no policy.
//!
//! Only this folder names an OS crate, apart from the descriptor types of the standard library.

pub(crate) mod clone;
pub(crate) mod exec;
pub(crate) mod files;
pub(crate) mod hook;
pub(crate) mod image;
pub(crate) mod poll;
pub(crate) mod proc;
pub(crate) mod process;
pub(crate) mod setup;
pub(crate) mod signal;
pub(crate) mod slice;
pub(crate) mod text;
pub(crate) mod wait;
