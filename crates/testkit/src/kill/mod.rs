//! The kill harness: processes die at every point there is, and the others must go on.
//!
//! | form | where the victim dies | what it shows |
//! |---|---|---|
//! | [`Sweep::at_every_instruction`] | after each instruction of the compiled operation, and asleep in it | no state between two instructions is fatal |
//! | [`Sweep::at_every_access`] | before each access through the door, in the crash world | the same at the level of the algorithm, in any build |
//! | [`Moments`] | at a moment that the victim names | one known dangerous place, in a scenario of any size |
//! | [`Storm`] | anywhere, at random | what nobody thought of; [`Ledger`] audits every message |
//!
//! All of them fork, so they run under [`crate::main`] in binaries with `harness = false`.

mod access;
mod attached;
mod heart;
mod holdings;
mod ledger;
mod message;
mod moment;
mod own;
mod partner;
mod point;
mod rounds;
mod route;
mod stall;
mod stepper;
mod storm;
mod sweep;

pub use self::{
    attached::{Attached, Stepped},
    holdings::Spared,
    ledger::{Audit, Ledger},
    message::Message,
    moment::{Moments, Paused},
    partner::{Partner, Ready, Start},
    point::{KillPoint, Marks},
    stall::StallMeter,
    storm::{Death, Storm, StormEnd, Worker},
    sweep::{Sweep, Swept},
};
