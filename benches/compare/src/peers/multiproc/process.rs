//! `Process`, by two of its ways.

use proc_core::{Process, Start};

use crate::Result;

/// How to start it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    ForkServer,
    Spawn,
}

/// From the start to the join.
pub(crate) fn start(way: Way) -> Result {
    let way = match way {
        Way::ForkServer => Start::ForkServer,
        Way::Spawn => Start::Spawn,
    };
    Process::builder().start(way).spawn(nothing, ())?.join()?;
    Ok(())
}

fn nothing((): ()) {}
