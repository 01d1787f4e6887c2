//! Meeting: rounds of a barrier, and turns under a condition.
//!
//! - `sync/barrier/2`: nanoseconds a round of two parties takes that do nothing else, a core each.
//! - `sync/barrier/2/one-core`: the same on one core, where who comes first sleeps.
//! - `sync/turns`: nanoseconds from one turn to the next of two that take turns under one lock and
//!   one condition, on one core: who is not on turn sleeps.

use std::sync::Arc;

use crate::Result;
use crate::bench::{Bench, Metric};
use crate::crew::{Crew, Kind, Worker};
use crate::flags::Effort;
use crate::peers::multiproc::meeting::{OurBarrier, OurMembers, OurTurns};
use crate::peers::{posix_meeting, std_sync};
use crate::rounds::OURS;

/// A barrier for two.
pub(crate) trait Meeting: Sized + Send + Sync + 'static {
    /// Between whom.
    const KIND: Kind;

    /// Makes one, which forked workers share if it is for processes.
    fn new() -> Result<Self>;

    /// Comes again and again.
    fn meet_while(&self, goes_on: impl FnMut() -> bool) -> Result;
}

/// A lock, a condition, and whose turn it is.
pub(crate) trait Turns: Sized + Send + Sync + 'static {
    /// Between whom.
    const KIND: Kind;

    /// Makes one, which forked workers share if it is for processes.
    fn new() -> Result<Self>;

    /// Waits for the turn of this one of the two, and gives it to the other.
    fn take(&self, mine: u64) -> Result;
}

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    let barrier = |name: &str, other: usize| {
        Bench::new(name, Metric::Ns)
            .peer(OURS, move |effort| meet::<OurBarrier>(other, effort))
            .peer("multiproc-members", move |effort| meet::<OurMembers>(other, effort))
            .peer("pthread", move |effort| meet::<posix_meeting::Barrier>(other, effort))
            .peer("std", move |effort| meet::<std_sync::Barrier>(other, effort))
    };
    let turns = Bench::new("sync/turns", Metric::Ns)
        .peer(OURS, take_turns::<OurTurns>)
        .peer("pthread", take_turns::<posix_meeting::Turns>)
        .peer("std", take_turns::<std_sync::Turns>);
    vec![barrier("sync/barrier/2", 1), barrier("sync/barrier/2/one-core", 0), turns]
}

fn meet<M: Meeting>(other: usize, effort: Effort) -> Result<f64> {
    let meeting = Arc::new(M::new()?);
    let workers = [0, other].map(|core| {
        let meeting = meeting.clone();
        Worker::on(core, move |seat| {
            meeting.meet_while(|| {
                seat.count();
                seat.goes_on()
            })
        })
    });
    // Both count every round.
    Ok(2.0 * between(M::KIND, workers.into(), effort)?)
}

fn take_turns<T: Turns>(effort: Effort) -> Result<f64> {
    let turns = Arc::new(T::new()?);
    let workers = [0, 1].map(|mine| {
        let turns = turns.clone();
        Worker::on(0, move |seat| {
            while seat.goes_on() {
                turns.take(mine)?;
                seat.count();
            }
            Ok(())
        })
    });
    between(T::KIND, workers.into(), effort)
}

/// Nanoseconds from one count to the next.
fn between(kind: Kind, workers: Vec<Worker>, effort: Effort) -> Result<f64> {
    let mut crew = Crew::start(kind, workers)?;
    let per_second = crew.measure(effort)?.per_second();
    // Whoever is in the middle of a wait is not waited for.
    drop(crew);
    Ok(1e9 / per_second)
}
