//! One change, a death at every point of it, and those who meet it.
//!
//! The same scenarios run in two binaries: `kill` takes the compiled code instruction by
//! instruction, `crash` the algorithm access by access.
#![expect(clippy::unwrap_used, reason = "a test binary")]

mod collections;
mod memory;
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
    ("list: set an item", collections::set_an_item),
    ("vec: push", collections::push),
    ("vec: pop", collections::pop),
    ("vec: update an item", collections::update_an_item),
    ("map: insert", collections::insert),
    ("map: remove", collections::remove),
    ("map: clear", collections::clear),
    ("memory: grow", memory::grow),
    ("memory: create a name", memory::create_a_name),
    ("array: write", memory::write_an_array),
];

fn expect(found: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if found { Ok(()) } else { Err(what()) }
}
