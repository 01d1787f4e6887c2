//! `ipc-sync`: locks, what it takes to hand over and to meet, and how soon a death is told.

pub(crate) mod death;
pub(crate) mod handover;
pub(crate) mod lock;
pub(crate) mod meeting;
pub(crate) mod others;

use crate::bench::Bench;

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    let parts = [
        lock::benches(),
        others::benches(),
        handover::benches(),
        meeting::benches(),
        death::benches(),
    ];
    parts.into_iter().flatten().collect()
}
