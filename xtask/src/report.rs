//! The summary lines of the proofs, where the test kit describes them.
//!
//! The file is the kit's. It is taken as it is, and not by way of the crate, because what judges
//! the workspace must build when a crate of the workspace does not.

#![expect(dead_code, unreachable_pub, reason = "the file is written for those who use the kit")]

#[path = "../../crates/testkit/src/report.rs"]
mod kit;

pub(crate) use self::kit::{Report, Sweep};
