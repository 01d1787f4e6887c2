//! A round of the crash world: the victim arms its own death and runs.

use crate::{
    child::{self, End},
    kill::{
        partner::Start,
        point::{Gate, KillPoint, Marks},
        rounds::Round,
        sweep::Sweep,
    },
};

/// What to do with a victim that falls asleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sleeper {
    /// Let the sweep wake it, so that it comes to the access it dies before.
    Wake,
    /// Kill it.
    Kill,
}

/// One round: the victim kills itself before access `n`, or comes to its end.
pub(super) fn round<S>(
    sweep: &Sweep<'_, S>,
    arm: &dyn Fn(u64),
    n: usize,
    sleeper: Sleeper,
) -> Result<Round, String> {
    let _watchdog = sweep.watch(format_args!("access {n}"));
    let state = (sweep.setup)();
    let mut running = sweep.begin_partners(&state, Start::BeforeVictim)?;
    let gate = Gate::new();
    let mut victim = child::fork(|| {
        (sweep.victim)(&state, &Marks::armed(&gate, arm, n as u64));
        0
    });
    match victim.settle(sweep.limit, |_| gate.has_arrived())? {
        None => {}
        Some(end) => return Err(format!("{}: the victim {end} before it began", sweep.name)),
    }
    running.extend(sweep.begin_partners(&state, Start::AtBegin)?);
    gate.open();
    let mut was_asleep = false;
    let mut end = victim.wait_settled(sweep.limit)?;
    if end.is_none() {
        was_asleep = true;
        match sleeper {
            Sleeper::Kill => victim.kill(),
            Sleeper::Wake => sweep.wake(&state),
        }
        end = victim.wait_within(sweep.limit);
    }
    let point = match end {
        Some(End::Exited(0)) => KillPoint::Survived,
        Some(End::Killed(libc::SIGKILL)) if was_asleep && sleeper == Sleeper::Kill => {
            KillPoint::Asleep { n, place: "an access".to_owned() }
        }
        Some(End::Killed(libc::SIGKILL)) => KillPoint::Access { n },
        Some(end) => return Err(format!("{}: the victim {end} before access {n}", sweep.name)),
        None => {
            let trace = crate::trace(victim.pid());
            return Err(format!("{}: the victim should have been woken:\n{trace}", sweep.name));
        }
    };
    running.extend(sweep.begin_partners(&state, Start::AtKill)?);
    let mut round = sweep.conclude(&state, running, point);
    round.was_asleep = was_asleep;
    Ok(round)
}
