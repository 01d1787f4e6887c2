//! The commands, as they are run: the program itself, beside real processes and objects.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod doctor;
mod ls;
mod map;
mod ps;
mod run;
mod top;
