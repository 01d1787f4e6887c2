//! A storm that is on: its workers, their deaths and their replacement.

use std::time::Duration;

use super::{Death, Storm, Worker};
use crate::{
    Counter,
    child::{self, Child, End},
    clock,
    kill::{
        StallMeter,
        holdings::Holdings,
        own::{OwnStalls, Waited},
    },
    proc,
};

/// A storm and the workers that are in it now.
pub(super) struct Raging<'s, 'a, S> {
    storm: &'s Storm<'a, S>,
    stop: &'s Counter,
    meter: &'s StallMeter,
    own: OwnStalls,
    workers: Vec<InPlace>,
    /// How long nobody may have got on before it is told where everybody is, if that was asked for.
    traces: Option<Duration>,
    /// Whether that was told of this stall.
    is_traced: bool,
}

struct InPlace {
    child: Child,
    waited: Waited,
    role: usize,
    place: usize,
    generation: u64,
}

impl<'s, 'a, S> Raging<'s, 'a, S> {
    pub(super) fn new(storm: &'s Storm<'a, S>, stop: &'s Counter, meter: &'s StallMeter) -> Self {
        let (workers, own) = (Vec::new(), OwnStalls::of_storm());
        Self { storm, stop, meter, own, workers, traces: traces(), is_traced: false }
    }
}

impl<S> Raging<'_, '_, S> {
    /// Everybody begins.
    pub(super) fn start(&mut self) {
        self.meter.got_on();
        for (role, of_role) in self.storm.roles.iter().enumerate() {
            for place in 0..of_role.n_places {
                let worker = self.fork(role, place, 0);
                self.workers.push(worker);
            }
        }
    }

    fn fork(&self, role: usize, place: usize, generation: u64) -> InPlace {
        let child = child::fork(|| {
            let worker = Worker { place, generation, stop: self.stop, meter: self.meter };
            (self.storm.roles[role].body)(self.storm.state, &worker)
        });
        let waited = Waited::of(child.pid());
        InPlace { child, waited, role, place, generation }
    }

    /// Looks what the stalls that are over were about.
    fn look(&mut self) {
        self.own.look(self.meter, self.workers.iter_mut().map(|worker| &mut worker.waited));
    }

    /// Waits for a time of the clock, with an eye on the workers.
    pub(super) fn wait_until(&mut self, time_ns: u64) -> Result<(), String> {
        loop {
            self.check_workers()?;
            self.trace_stall();
            self.look();
            let left = time_ns.saturating_sub(clock::now_ns());
            if left == 0 {
                return Ok(());
            }
            clock::pause(Duration::from_nanos(left.min(500_000)));
        }
    }

    /// Who may be killed now.
    pub(super) fn victims(&self) -> Vec<usize> {
        let is_spared = |worker: &InPlace| self.storm.spares && worker.place == 0;
        let workers = self.workers.iter().enumerate();
        workers.filter(|(_, worker)| !is_spared(worker)).map(|(victim, _)| victim).collect()
    }

    /// Whether all of a role have come to their end by themselves.
    pub(super) fn misses_a_role(&self) -> bool {
        let is_there = |role: usize| self.workers.iter().any(|worker| worker.role == role);
        !(0..self.storm.roles.len()).all(is_there)
    }

    /// What those hold who are spared, by the names of their roles; and this process.
    pub(super) fn holdings(&self) -> Result<Vec<(String, Holdings)>, String> {
        let mut spared: Vec<_> = self.workers.iter().filter(|worker| worker.place == 0).collect();
        spared.sort_by_key(|worker| worker.role);
        let roles = spared.iter().map(|it| (&*self.storm.roles[it.role].name, it.child.pid()));
        let me = rustix::process::getpid().as_raw_nonzero().get();
        roles
            .chain([("the storm", me)])
            .map(|(name, pid)| match Holdings::of(pid) {
                Ok(holdings) => Ok((name.to_owned(), holdings)),
                Err(error) => Err(format!("{}: what {name} holds: {error}", self.storm.name)),
            })
            .collect()
    }

    /// Kills a worker and fills its place; says of which role it was, or nothing if it had come
    /// to its end by itself.
    pub(super) fn kill(&mut self, victim: usize) -> Result<Option<usize>, String> {
        let start = clock::now_ns();
        let worker = &mut self.workers[victim];
        worker.child.kill();
        worker.child.await_end();
        // As long as it is not reaped.
        worker.waited.look();
        let end = worker.child.wait();
        let (role, place, generation) = (worker.role, worker.place, worker.generation);
        match end {
            End::Killed(libc::SIGKILL) => {}
            End::Exited(0) => {
                self.workers.swap_remove(victim);
                return Ok(None);
            }
            end => return Err(self.complain(role, place, end)),
        }
        let name = self.storm.roles[role].name.clone();
        (self.storm.on_death)(self.storm.state, &Death { role: name, place, generation });
        let next = self.fork(role, place, generation + 1);
        let mut dead = std::mem::replace(&mut self.workers[victim], next);
        // Where nobody else does what it did, nobody could get on.
        let is_missed = self.workers.iter().filter(|worker| worker.role == role).count() == 1;
        let missing = if is_missed { clock::now_ns() - start } else { 0 };
        self.own.leave(&mut dead.waited, Duration::from_nanos(missing));
        Ok(Some(role))
    }

    /// The killing is over: everybody stops.
    ///
    /// Says how long the longest stall was, and the longest own one if that is known.
    pub(super) fn calm(mut self) -> Result<(Duration, Option<Duration>), String> {
        let workers = self.workers.iter_mut().map(|worker| &mut worker.waited);
        self.own.last_look(self.meter, workers, self.storm.limit);
        let longest = (self.meter.longest(), self.own.longest());
        self.stop.set(1);
        (self.storm.on_stop)(self.storm.state);
        let start = clock::now_ns();
        let mut workers = std::mem::take(&mut self.workers);
        for worker in &mut workers {
            let spent = Duration::from_nanos(clock::now_ns() - start);
            match worker.child.wait_within(self.storm.limit.saturating_sub(spent)) {
                Some(End::Exited(0)) => {}
                Some(end) => return Err(self.complain(worker.role, worker.place, end)),
                None => {
                    let limit = self.storm.limit;
                    return Err(self.trace(&format!("not everybody stopped within {limit:?}")));
                }
            }
        }
        Ok(longest)
    }

    /// Takes off the workers that are done, and complains of those that failed, and if nobody
    /// gets on.
    fn check_workers(&mut self) -> Result<(), String> {
        let mut failure = None;
        self.workers.retain_mut(|worker| match worker.child.try_wait() {
            None => true,
            Some(End::Exited(0)) => false,
            Some(end) => {
                failure = Some((worker.role, worker.place, end));
                false
            }
        });
        if let Some((role, place, end)) = failure {
            return Err(self.complain(role, place, end));
        }
        let still = self.meter.since_last();
        if still > self.storm.limit && !self.workers.is_empty() {
            return Err(self.trace(&format!("nobody got on for {still:?}")));
        }
        Ok(())
    }

    /// Tells once of every long stall where everybody is, if that was asked for.
    fn trace_stall(&mut self) {
        let Some(long) = self.traces else { return };
        let still = self.meter.since_last();
        if still < long {
            self.is_traced = false;
        } else if !self.is_traced {
            self.is_traced = true;
            println!("{}", self.trace(&format!("nobody got on for {still:?}")));
        }
    }

    fn complain(&self, role: usize, place: usize, end: End) -> String {
        format!("{}: {} {place} {end}", self.storm.name, self.storm.roles[role].name)
    }

    fn trace(&self, what: &str) -> String {
        let me = rustix::process::getpid().as_raw_nonzero().get();
        format!("{}: {what}:\n{}", self.storm.name, proc::trace(me))
    }
}

/// What `TESTKIT_STALLS` asks for, in milliseconds.
fn traces() -> Option<Duration> {
    let milliseconds = std::env::var("TESTKIT_STALLS").ok()?.parse().ok()?;
    Some(Duration::from_millis(milliseconds))
}
