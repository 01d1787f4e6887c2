//! One change, a death at every point of it, and those who meet it.
//!
//! The same scenarios run in two binaries: `kill` takes the compiled code instruction by
//! instruction, `crash` the algorithm access by access.
#![expect(clippy::unwrap_used, reason = "a test binary")]

mod value;

use testkit::Scenario;

use super::run;

/// The scenarios, for both binaries.
pub(crate) const SCENARIOS: &[Scenario] = &[
    ("value: set", value::set),
    ("value: update a number", value::update_a_number),
    ("value: update a struct, one waits", value::update_a_struct),
    ("value: change through a guard, one waits", value::change_through_a_guard),
    ("value: wait behind a holder", value::wait_behind_a_holder),
];

fn expect(found: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if found { Ok(()) } else { Err(what()) }
}
