//! The sweep: one operation, a death at every point of it, and survivors that must go on.

use std::{fmt, time::Duration};

use crate::{
    Report,
    kill::{
        access::{self, Sleeper},
        partner::Partner,
        point::{KillPoint, Marks},
        rounds::Round,
        route::Route,
        stepper::{Code, OneCpu},
    },
    report,
};

/// A part that is played on the shared state.
type Part<'a, S> = Box<dyn Fn(&S) + 'a>;
/// What the victim does.
type Victim<'a, S> = Box<dyn Fn(&S, &Marks<'_>) + 'a>;
/// What the survivors find.
type Check<'a, S> = Box<dyn Fn(&S, &KillPoint) -> Result<(), String> + 'a>;
/// What a barger does once the victim is dead.
type After<'s> = Box<dyn FnOnce() + 's>;

/// One operation to be killed in, everywhere.
///
/// For each point of the operation: fresh shared state is made; partners start; a forked victim
/// runs the operation up to that point and is killed there; the partners must end by themselves;
/// then the check runs in a survivor that must come back. See [`Partner`] for who else there is.
///
/// # Process death
///
/// That is the point. A survivor that hangs, dies or complains is one failure; the sweep goes on
/// until there are three.
///
/// # Examples
///
/// ```no_run
/// use testkit::{Counter, Outcome, SharedArena, kill::Sweep};
///
/// fn a_count_is_never_half_done() -> Outcome {
///     let swept = Sweep::new("count", || SharedArena::<Counter>::new(1))
///         .victim(|counters, marks| {
///             marks.around(|| counters[0].add(1));
///         })
///         .check(|counters, point| match counters[0].get() {
///             0 | 1 => Ok(()),
///             other => Err(format!("{point}: {other}")),
///         })
///         .at_every_instruction()?;
///     Ok(swept.into())
/// }
/// ```
pub struct Sweep<'a, S> {
    pub(super) name: String,
    pub(super) setup: Box<dyn Fn() -> S + 'a>,
    pub(super) victim: Victim<'a, S>,
    pub(super) partners: Vec<Partner<'a, S>>,
    pub(super) barge: Box<dyn for<'s> Fn(&'s S) -> After<'s> + 'a>,
    pub(super) while_asleep: Option<Part<'a, S>>,
    pub(super) after_death: Part<'a, S>,
    pub(super) check: Check<'a, S>,
    pub(super) limit: Duration,
    pub(super) max_points: usize,
    max_failures: usize,
}

/// What a sweep came to.
#[derive(Clone, Debug)]
#[must_use = "it may say that something failed"]
pub struct Swept {
    /// Its numbers.
    pub report: Report,
    /// What failed, in words, with the point of death.
    pub failures: Vec<String>,
}

impl From<Swept> for Report {
    /// The numbers; the words of failures were printed when they happened.
    fn from(swept: Swept) -> Self {
        swept.report
    }
}

impl<'a, S> Sweep<'a, S> {
    /// A sweep whose every round begins with fresh shared state from `setup`.
    ///
    /// The state must be shared with processes forked later: an arena, a segment.
    pub fn new(name: &str, setup: impl Fn() -> S + 'a) -> Self {
        Self {
            name: name.to_owned(),
            setup: Box::new(setup),
            victim: Box::new(|_, marks| marks.around(|| ())),
            partners: Vec::new(),
            barge: Box::new(|_| Box::new(|| ())),
            while_asleep: None,
            after_death: Box::new(|_| ()),
            check: Box::new(|_, _| Ok(())),
            limit: Duration::from_secs(30),
            max_points: 50_000,
            max_failures: 3,
        }
    }

    /// What the victim does; the swept part is marked (see [`Marks::around`]).
    #[must_use]
    pub fn victim(mut self, victim: impl Fn(&S, &Marks<'_>) + 'a) -> Self {
        self.victim = Box::new(victim);
        self
    }

    /// Adds a partner.
    #[must_use]
    pub fn partner(mut self, partner: Partner<'a, S>) -> Self {
        self.partners.push(partner);
        self
    }

    /// What a third party, here this process, does between the victim's last instruction and its
    /// death; what `barge` returns is done after the death.
    ///
    /// It must not wait for the victim, which stands still. It does nothing in the crash world,
    /// where a victim kills itself.
    #[must_use]
    pub fn barge(mut self, barge: impl for<'s> Fn(&'s S) -> Box<dyn FnOnce() + 's> + 'a) -> Self {
        self.barge = Box::new(barge);
        self
    }

    /// What makes the victim wake up when it sleeps in its operation: for example, tells the
    /// holder of the lock to free it.
    ///
    /// Without this, a sweep ends when it has killed the victim asleep.
    #[must_use]
    pub fn while_asleep(mut self, wake: impl Fn(&S) + 'a) -> Self {
        self.while_asleep = Some(Box::new(wake));
        self
    }

    /// What this process does when the victim is dead, before the partners must end: for example,
    /// tells a holder that may still hold to free the lock.
    #[must_use]
    pub fn after_death(mut self, tell: impl Fn(&S) + 'a) -> Self {
        self.after_death = Box::new(tell);
        self
    }

    /// What must hold after each death: runs in a forked survivor, which uses the shared state as
    /// any process would, and must come back.
    #[must_use]
    pub fn check(mut self, check: impl Fn(&S, &KillPoint) -> Result<(), String> + 'a) -> Self {
        self.check = Box::new(check);
        self
    }

    /// How long partners and survivors may take to go on; thirty seconds unless told.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// At how many points an operation that does not end is given up; fifty thousand unless told.
    #[must_use]
    pub fn max_points(mut self, max_points: usize) -> Self {
        self.max_points = max_points;
        self
    }

    /// After how many failures the sweep stops; three unless told.
    #[must_use]
    pub fn max_failures(mut self, max_failures: usize) -> Self {
        self.max_failures = max_failures;
        self
    }

    /// Kills a victim after every instruction of the operation, from none to all of them, and at
    /// every system call that it sleeps in.
    ///
    /// # Errors
    ///
    /// If the sweep itself cannot be made: the victim ends or stops by itself, a partner does not
    /// get ready, the operation does not end.
    ///
    /// # Panics
    ///
    /// If this process cannot fork (see [`crate::main`]).
    pub fn at_every_instruction(&self) -> Result<Swept, String> {
        let _one_cpu = OneCpu::here().map_err(|error| format!("staying on one CPU: {error}"))?;
        let mut code = Code::new();
        let mut route = Route::default();
        let mut sweeping = Sweeping::default();
        sweeping.take(&self.name, self.walk(&mut code, &mut route)?);
        for (n, &way) in route.ways().iter().enumerate() {
            if sweeping.failures.len() >= self.max_failures {
                break;
            }
            sweeping.take(&self.name, self.kill_before(&mut code, n, way)?);
            if route.sleeps.contains(&n) && self.while_asleep.is_some() {
                sweeping.take(&self.name, self.kill_asleep(&mut code, n, way)?);
            }
        }
        Ok(sweeping.done(|sweep| Report { kill: sweep, ..Report::default() }))
    }

    /// Kills a victim before every access that its operation makes through the door, in a build
    /// with the crash world.
    ///
    /// `arm(n)` makes this process kill itself before the n-th access from now, counted from
    /// zero; `arm(u64::MAX)` makes it live.
    ///
    /// # Errors
    ///
    /// As [`at_every_instruction`](Self::at_every_instruction).
    ///
    /// # Panics
    ///
    /// If this process cannot fork (see [`crate::main`]).
    pub fn at_every_access(&self, arm: impl Fn(u64)) -> Result<Swept, String> {
        let mut sweeping = Sweeping::default();
        let mut slept = false;
        for n in 0.. {
            if sweeping.failures.len() >= self.max_failures {
                break;
            }
            if n > self.max_points {
                return Err(format!("{}: the operation has no end", self.name));
            }
            let sleeper = if self.while_asleep.is_some() { Sleeper::Wake } else { Sleeper::Kill };
            let round = access::round(self, &arm, n, sleeper)?;
            let (at_end, was_asleep) = (round.at_end, round.was_asleep);
            sweeping.take(&self.name, round);
            // It is enough to kill it asleep once: what comes before is the same each time.
            if was_asleep && !slept {
                slept = true;
                if sleeper == Sleeper::Wake {
                    let round = access::round(self, &arm, n, Sleeper::Kill)?;
                    sweeping.take(&self.name, round);
                }
            }
            if at_end || (was_asleep && sleeper == Sleeper::Kill) {
                break;
            }
        }
        Ok(sweeping.done(|sweep| Report { crash: sweep, ..Report::default() }))
    }
}

impl<S> fmt::Debug for Sweep<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweep")
            .field("name", &self.name)
            .field("partners", &self.partners)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// A sweep so far.
#[derive(Debug, Default)]
struct Sweeping {
    sum: report::Sweep,
    failures: Vec<String>,
}

impl Sweeping {
    fn take(&mut self, name: &str, round: Round) {
        // The last round, in which nobody dies, is no point of death; it may fail all the same.
        self.sum.points += u64::from(!round.at_end);
        match round.verdict {
            Ok(()) => self.sum.survived += u64::from(!round.at_end),
            Err(why) => {
                self.sum.failed += 1;
                let failure = format!("{name}: {}: {why}", round.point);
                eprintln!("\n{failure}");
                self.failures.push(failure);
            }
        }
    }

    fn done(self, report: impl FnOnce(report::Sweep) -> Report) -> Swept {
        Swept { report: report(self.sum), failures: self.failures }
    }
}
