//! `ipc-sync`: locks, what it takes to hand over, and how soon a death is told.

pub(crate) mod death;
pub(crate) mod handover;
pub(crate) mod lock;
pub(crate) mod others;

use crate::bench::Bench;

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    [lock::benches(), others::benches(), handover::benches(), death::benches()]
        .into_iter()
        .flatten()
        .collect()
}
