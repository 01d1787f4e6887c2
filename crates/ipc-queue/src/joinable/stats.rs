//! `JoinableStats`, `InHand`: what can be said of a joinable queue.

use crate::heap::block::Use;
use crate::heap::lease::Lease;
use crate::lease::Leases;
use crate::mapped::Mapped;
use crate::participant::Participant;
use crate::ring::Memory as _;
use crate::stats::Stats;

/// What can be said of a joinable queue at one moment.
///
/// The numbers are read one after the other while others work, so they need not fit together.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinableStats {
    /// What can be said of any queue; blocks are values here, and those that are being put.
    pub queue: Stats,
    /// How many values were put and are not finished.
    pub unfinished: usize,
    /// Those of them that somebody has, or had, in its hands.
    pub in_hand: Vec<InHand>,
    /// How often a value was handed out that somebody had had before, since the queue was made.
    pub redelivered: u64,
    /// Whether somebody may be asleep in a join.
    pub joiners_wait: bool,
}

/// A value in somebody's hands.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InHand {
    /// Whose: a thread that lives, or that died. If nobody, the value was given back or its taker's
    /// seat was given on; like what is in dead hands it waits to be handed out again.
    pub holder: Option<Participant>,
    /// How often it was handed out, with this time.
    pub deliveries: u32,
}

impl JoinableStats {
    pub(super) fn of(ring: &Mapped) -> Self {
        let mut unfinished = 0;
        let mut in_hand = Vec::new();
        for item in Leases(ring).unfinished() {
            unfinished += 1;
            if let Use::Leased(lease) = item.seen.meaning() {
                in_hand.push(InHand::of(ring, lease));
            }
        }
        let redelivered = Leases(ring).n_redelivered();
        let joiners_wait = ring.bells().joins.is_waiting();
        Self { queue: Stats::of(ring), unfinished, in_hand, redelivered, joiners_wait }
    }
}

impl InHand {
    fn of(ring: &Mapped, lease: Lease) -> Self {
        Self { holder: ring.participant(lease.owner()), deliveries: lease.deliveries().into() }
    }
}
