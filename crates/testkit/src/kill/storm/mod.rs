//! The storm: many processes at work, random kills, everybody replaced at once.

mod raging;

use std::{fmt, time::Duration};

use super::holdings::Spared;
use crate::{
    Counter, SharedArena, Watchdog, clock,
    kill::StallMeter,
    lasting, report,
    seed::{Rng, Seed, seed},
};
use raging::Raging;

/// When all that is got once was got, in hundredths of a storm.
const EARLY: u64 = 25;

/// Many worker processes, killed at random and replaced, until enough have died.
///
/// Workers have roles; each role has a number of places, and a killed worker's place is taken by
/// a new process at once. When the last kill is done the workers are told to stop, and must.
///
/// # Process death
///
/// A worker that is killed by anyone else, exits with another code than 0, panics or does not
/// stop in time makes the storm fail. Nobody having got on for a long time does, too.
///
/// # Examples
///
/// ```no_run
/// use testkit::{Counter, Outcome, SharedArena, kill::Storm};
///
/// fn counting() -> Outcome {
///     let counters = SharedArena::<Counter>::new(1);
///     let end = Storm::new("counting", &counters)
///         .role("counter", 3, |counters, me| {
///             while !me.should_stop() {
///                 counters[0].add(1);
///                 me.got_on();
///             }
///             0
///         })
///         .kills(100)
///         .run()?;
///     Ok(end.report(counters[0].get(), 0, 0).into())
/// }
/// ```
pub struct Storm<'a, S> {
    name: String,
    state: &'a S,
    roles: Vec<Role<'a, S>>,
    on_death: OnDeath<'a, S>,
    on_stop: Box<dyn Fn(&S) + 'a>,
    kills: u64,
    mean: Duration,
    limit: Duration,
    longest_stall: Duration,
    spares: bool,
    seed: Seed,
}

struct Role<'a, S> {
    name: String,
    n_places: usize,
    body: Body<'a, S>,
}

type Body<'a, S> = Box<dyn Fn(&S, &Worker<'_>) -> i32 + 'a>;
type OnDeath<'a, S> = Box<dyn Fn(&S, &Death) + 'a>;

/// A worker that the storm has killed and reaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// What it did.
    pub role: String,
    /// Which of its role it was, from zero.
    pub place: usize,
    /// How many had this place before it.
    pub generation: u64,
}

/// What a worker knows of itself, and how it meets the storm.
pub struct Worker<'a> {
    /// Which of its role it is, from zero.
    pub place: usize,
    /// How many had its place before it.
    pub generation: u64,
    stop: &'a Counter,
    meter: &'a StallMeter,
}

impl Worker<'_> {
    /// Whether the killing is over and the worker should come to its end.
    #[must_use]
    pub fn should_stop(&self) -> bool {
        self.stop.get() != 0
    }

    /// Notes that something has got on: a message came through, a lock was had.
    pub fn got_on(&self) {
        self.meter.got_on();
    }

    /// Random numbers of this worker's own, different in each generation.
    #[must_use]
    pub fn rng(&self, purpose: &str) -> Rng {
        Rng::of_run(&format!("{purpose}, place {}, generation {}", self.place, self.generation))
    }
}

impl fmt::Debug for Worker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("place", &self.place)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// How a storm ended.
#[derive(Clone, Debug)]
pub struct StormEnd {
    /// How many workers were killed.
    pub kills: u64,
    /// How many of each role were killed, in the order of the roles.
    pub kills_by_role: Vec<u64>,
    /// The longest time in which no worker got on.
    pub longest_stall: Duration,
    /// The longest of which so much is left when the time is taken off in which workers waited for a
    /// processor, or processors stood still, if the kernel counts that: what the workers made of it
    /// themselves.
    pub own_stall: Option<Duration>,
    /// How long it took.
    pub elapsed: Duration,
    /// What those held who were [spared](Storm::spare_the_first), in the order of the roles; and, last,
    /// this process.
    pub spared: Vec<Spared>,
}

impl StormEnd {
    /// The summary of a storm, with what the audit found.
    #[must_use]
    pub fn report(&self, messages: u64, lost: u64, doubled: u64) -> report::Storm {
        let Self { kills, longest_stall, own_stall, .. } = *self;
        report::Storm { kills, messages, lost, doubled, longest_stall, own_stall }
    }

    /// That nobody who was spared came to hold more and more, and what they held.
    ///
    /// # Errors
    ///
    /// The same, if somebody did.
    pub fn flat(&self) -> Result<String, String> {
        let held: Vec<_> = self.spared.iter().map(ToString::to_string).collect();
        let held = held.join("\n");
        if self.spared.iter().all(Spared::is_flat) { Ok(held) } else { Err(held) }
    }
}

impl<'a, S> Storm<'a, S> {
    /// A storm over `state`, which the workers share: 200 kills, in the [long form](crate::full)
    /// 20,000, one every millisecond on average, by the run's seed.
    pub fn new(name: &str, state: &'a S) -> Self {
        Self {
            name: name.to_owned(),
            state,
            roles: Vec::new(),
            on_death: Box::new(|_, _| ()),
            on_stop: Box::new(|_| ()),
            kills: if crate::full() { 20_000 } else { 200 },
            mean: Duration::from_millis(1),
            limit: Duration::from_secs(20),
            longest_stall: Duration::MAX,
            spares: false,
            seed: seed(),
        }
    }

    /// Adds a role with `n_places` workers, each of which runs `body` until the storm is over.
    ///
    /// A worker that returns 0 before that has done all it had to do, and is not replaced.
    #[must_use]
    pub fn role(
        mut self,
        name: &str,
        n_places: usize,
        body: impl Fn(&S, &Worker<'_>) -> i32 + 'a,
    ) -> Self {
        self.roles.push(Role { name: name.to_owned(), n_places, body: Box::new(body) });
        self
    }

    /// What this process does when a worker was killed and reaped, before its place is taken.
    #[must_use]
    pub fn on_death(mut self, tell: impl Fn(&S, &Death) + 'a) -> Self {
        self.on_death = Box::new(tell);
        self
    }

    /// What this process does when the killing is over and the workers were told to stop: for
    /// example, closes the queue.
    #[must_use]
    pub fn on_stop(mut self, tell: impl Fn(&S) + 'a) -> Self {
        self.on_stop = Box::new(tell);
        self
    }

    /// How many workers to kill.
    #[must_use]
    pub fn kills(mut self, kills: u64) -> Self {
        self.kills = kills;
        self
    }

    /// How long to wait between two kills, on average.
    #[must_use]
    pub fn mean(mut self, mean: Duration) -> Self {
        self.mean = mean;
        self
    }

    /// How long nobody may get on, and the workers may take to stop, before the storm is taken
    /// for hung; twenty seconds unless told.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// How long an [own](StormEnd::own_stall) stall may be (any stall where the kernel does not count); as
    /// long as it likes unless told. For proofs, not for tests: it races the clock.
    #[must_use]
    pub fn longest_stall(mut self, longest: Duration) -> Self {
        self.longest_stall = longest;
        self
    }

    /// Kills nobody who is the first of its role: those live as long as the storm, and what they hold is
    /// looked at early and in the end ([`StormEnd::spared`]).
    #[must_use]
    pub fn spare_the_first(mut self) -> Self {
        self.spares = true;
        self
    }

    /// Other kills than the run's.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// Lets it storm: as often as told, or as `TESTKIT_KILLS` says for every storm; or as long as
    /// `TESTKIT_MINUTES` says, or until all of a role have done all they had to do.
    ///
    /// # Errors
    ///
    /// What went wrong in words, with a trace of where everybody was if nobody got on.
    ///
    /// # Panics
    ///
    /// If this process cannot fork (see [`crate::main`]).
    pub fn run(self) -> Result<StormEnd, String> {
        // Should this process itself be held up, say by a worker it waits for.
        let what = format!("{}: nobody gets on, and the storm does not notice", self.name);
        let watch = || Watchdog::start_without_thread((self.limit + self.mean) * 2, &what);
        let words = SharedArena::<Counter>::new(1);
        let meter = StallMeter::new();
        let mut rng = Rng::new(self.seed, &lasting::purpose(&self.name));
        let start = clock::now_ns();
        let mut raging = Raging::new(&self, &words[0], &meter);
        raging.start();
        let mut kills_by_role = vec![0; self.roles.len()];
        let mut kills = 0;
        let wanted = std::env::var("TESTKIT_KILLS").ok().and_then(|kills| kills.parse().ok());
        let wanted: u64 = wanted.unwrap_or(self.kills);
        // How much of the storm is over, in hundredths.
        let progress = |kills: u64| match lasting::until() {
            Some(until) => (clock::now_ns() - start) * 100 / until.saturating_sub(start).max(1),
            None => (kills * 100).checked_div(wanted).unwrap_or(100),
        };
        let mut early = None;
        while progress(kills) < 100 {
            let _watchdog = watch();
            raging.wait_until(clock::now_ns() + ns(rng.until_next(self.mean)))?;
            if early.is_none() && self.spares && progress(kills) >= EARLY {
                early = Some(raging.holdings()?);
            }
            let victims = raging.victims();
            if lasting::until().is_some() && kills > 0 && raging.misses_a_role() {
                break;
            }
            if victims.is_empty() {
                return Err(format!("{}: all was done after {kills} kills", self.name));
            }
            if let Some(role) = raging.kill(victims[rng.index(victims.len())])? {
                kills_by_role[role] += 1;
                kills += 1;
            }
        }
        let spared = match early {
            Some(early) => Spared::all(&early, &raging.holdings()?),
            None => Vec::new(),
        };
        let (longest_stall, own_stall) = raging.calm()?;
        let elapsed = Duration::from_nanos(clock::now_ns() - start);
        let judged = own_stall.unwrap_or(longest_stall);
        if judged > self.longest_stall {
            let name = &self.name;
            return Err(format!(
                "{name}: nobody got on for {judged:?} (of {longest_stall:?}, with waits for a processor)"
            ));
        }
        Ok(StormEnd { kills, kills_by_role, longest_stall, own_stall, elapsed, spared })
    }
}

impl<S> fmt::Debug for Storm<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles = self.roles.iter().map(|role| (&role.name, role.n_places));
        f.debug_struct("Storm")
            .field("name", &self.name)
            .field("roles", &roles.collect::<Vec<_>>())
            .field("kills", &self.kills)
            .field("mean", &self.mean)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
