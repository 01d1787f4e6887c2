//! The rounds of a sweep: what happens between fresh state and a verdict.

use std::fmt;

use crate::{
    Watchdog, child,
    kill::{
        partner::{Running, Start},
        point::{KillPoint, Marks},
        route::{Route, Way},
        stepper::{Code, Step, Stepper},
        sweep::Sweep,
    },
};

/// What one death, or the lack of one, came to.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) point: KillPoint,
    pub(super) at_end: bool,
    pub(super) was_asleep: bool,
    pub(super) verdict: Result<(), String>,
}

impl<S> Sweep<'_, S> {
    /// The first round: walks through the whole operation, or to where it sleeps for good.
    pub(super) fn walk(&self, code: &mut Code, route: &mut Route) -> Result<Round, String> {
        let _watchdog = self.watch(format_args!("walking through the operation"));
        let state = (self.setup)();
        let (mut victim, running) = self.begin(code, &state)?;
        loop {
            let n = route.ways().len();
            if n > self.max_points {
                let where_most = route
                    .busiest()
                    .map(|(place, n_times)| format!(": {n_times} times at {}", victim.name(place)));
                let where_most = where_most.unwrap_or_default();
                return Err(format!("{}: the operation has no end{where_most}", self.name));
            }
            route.push(victim.place()?);
            match victim.step()? {
                Step::Done => {}
                Step::AtEnd => {
                    victim.finish()?;
                    return Ok(self.conclude(&state, running, KillPoint::Survived));
                }
                Step::Asleep => {
                    route.sleeps.push(n);
                    match &self.while_asleep {
                        Some(wake) => wake(&state),
                        None => return self.kill(&state, victim, running, n, true),
                    }
                    victim.wait_awake()?;
                }
            }
        }
    }

    /// A round that ends before instruction `n`.
    pub(super) fn kill_before(&self, code: &mut Code, n: usize, way: Way) -> Result<Round, String> {
        let _watchdog = self.watch(format_args!("instruction {n}"));
        let state = (self.setup)();
        let (mut victim, running) = self.begin(code, &state)?;
        self.lead(&state, &mut victim, way)?;
        self.kill(&state, victim, running, n, false)
    }

    /// A round that ends asleep in instruction `n`.
    pub(super) fn kill_asleep(&self, code: &mut Code, n: usize, way: Way) -> Result<Round, String> {
        let _watchdog = self.watch(format_args!("asleep in instruction {n}"));
        let state = (self.setup)();
        let (mut victim, running) = self.begin(code, &state)?;
        let asleep = self.lead(&state, &mut victim, way)? && victim.step()? == Step::Asleep;
        self.kill(&state, victim, running, n + usize::from(!asleep), asleep)
    }

    /// Starts the partners and the victim, which then stands before its operation.
    fn begin<'c>(
        &self,
        code: &'c mut Code,
        state: &S,
    ) -> Result<(Stepper<'c>, Vec<Running<'_>>), String> {
        let mut running = self.begin_partners(state, Start::BeforeVictim)?;
        let victim = Stepper::start(code, self.limit, || {
            (self.victim)(state, &Marks::traced());
        })?;
        running.extend(self.begin_partners(state, Start::AtBegin)?);
        Ok((victim, running))
    }

    /// Leads the victim to an instruction, and says whether it came there. A victim that took
    /// another way this time stands somewhere else, at the latest behind its operation: a point
    /// of death as good as any.
    fn lead(&self, state: &S, victim: &mut Stepper<'_>, way: Way) -> Result<bool, String> {
        let wake = || match &self.while_asleep {
            Some(wake) => {
                wake(state);
                Ok(())
            }
            None => Err(format!("{}: it slept only the second time", self.name)),
        };
        if !victim.run_to(way.place, way.n_times, wake)? {
            return Ok(false);
        }
        for _ in 0..way.n_steps {
            match victim.step()? {
                Step::Done => {}
                Step::AtEnd => return Ok(false),
                Step::Asleep => {
                    wake()?;
                    victim.wait_awake()?;
                }
            }
        }
        Ok(true)
    }

    /// Kills the victim where it stands, or sleeps.
    fn kill<'p>(
        &'p self,
        state: &S,
        victim: Stepper<'_>,
        mut running: Vec<Running<'p>>,
        n: usize,
        asleep: bool,
    ) -> Result<Round, String> {
        let place = victim.name_place();
        let after = (self.barge)(state);
        running.extend(self.begin_partners(state, Start::AtKill)?);
        victim.kill();
        after();
        let point = if asleep {
            KillPoint::Asleep { n, place }
        } else {
            KillPoint::Instruction { n, place }
        };
        Ok(self.conclude(state, running, point))
    }

    pub(super) fn watch(&self, point: fmt::Arguments<'_>) -> Watchdog {
        let what = format!("{}: {point}", self.name);
        Watchdog::start_without_thread(self.limit * 6, &what)
    }

    pub(super) fn begin_partners(
        &self,
        state: &S,
        start: Start,
    ) -> Result<Vec<Running<'_>>, String> {
        let due = self.partners.iter().filter(|partner| partner.starts(start));
        due.map(|partner| {
            partner.begin(state, self.limit).map_err(|error| format!("{}: {error}", self.name))
        })
        .collect()
    }

    /// Wakes the victim, if there is somebody who does that.
    pub(super) fn wake(&self, state: &S) {
        if let Some(wake) = &self.while_asleep {
            wake(state);
        }
    }

    /// The partners end, then the check runs.
    pub(super) fn conclude(
        &self,
        state: &S,
        mut running: Vec<Running<'_>>,
        point: KillPoint,
    ) -> Round {
        (self.after_death)(state);
        let went_on = running.iter_mut().try_for_each(|partner| partner.finish(self.limit));
        // Those that hang must not be in the way of the check's verdict.
        drop(running);
        let verdict =
            went_on.and_then(|()| child::within(self.limit, || (self.check)(state, &point)));
        Round {
            at_end: point == KillPoint::Survived,
            was_asleep: matches!(point, KillPoint::Asleep { .. }),
            point,
            verdict,
        }
    }
}
