//! The protocols themselves: on borrowed words, without a mapping and without a type.
//!
//! The public types are faces of them. They are open so that models and sweeps can get at them, and
//! to build another shared thing whose parts are such cells.
//!
//! | file | job |
//! |------|-----|
//! | `cell` | some words that change as one: the copies, the orderings |
//! | `table` | a table of cells in which a key is found by its hash |
//! | `turn` | taking turns at changing something: a lock that survives its holder |
//! | `planted` | bugs to order, which the proofs must find |

mod cell;
pub(crate) mod planted;
mod table;
mod turn;

pub use cell::{Cell, Words};
pub use table::{EMPTY, FULL, Found, REMOVED, Table};
pub use turn::Turn;
