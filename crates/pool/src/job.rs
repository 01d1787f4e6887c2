//! A task, as the parent has it.

use std::sync::Arc;

use crate::board::Moment;
use crate::chunk::Chunk;
use crate::chunk::answers::Answers;
use crate::dispatch::Task;
use crate::mailbox::{Fate, Mailbox};
use crate::options::Options;
use crate::pace::Pace;
use crate::parcel::{Freight, Parcel};

/// A function and its argument, and who waits for what comes of it; or items that travel together, each
/// of which is a task for its caller.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) plan: Arc<Plan>,
    pub(crate) argument: Argument,
    /// Which of all tasks of the pool it is, or the first of its items.
    pub(crate) number: u64,
    /// Its number among the tasks of its caller, or that of the first of its items.
    pub(crate) index: usize,
    pub(crate) mailbox: Arc<Mailbox>,
    /// How many workers have died of it.
    pub(crate) n_deaths: u32,
    /// When it was submitted, if that is to be known.
    pub(crate) submitted: Option<Moment>,
}

/// What a function is called with.
#[derive(Debug)]
pub(crate) enum Argument {
    /// One value.
    One(Parcel),
    /// Each of these.
    Many(Chunk),
}

/// A function, and how a task of it is to be run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) known: Arc<Known>,
    pub(crate) options: Options,
}

/// A function that was called before.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its name, encoded.
    pub(crate) name: Vec<u8>,
    /// What all its arguments begin with.
    pub(crate) prefix: Vec<u8>,
    pub(crate) pace: Arc<Pace>,
    /// Where the user's function lies in the program.
    pub(crate) place: u64,
}

impl Job {
    /// A task whose result shall arrive in a mailbox.
    pub(crate) fn new(
        plan: &Arc<Plan>,
        argument: Argument,
        index: usize,
        mailbox: &Arc<Mailbox>,
    ) -> Self {
        let (plan, mailbox) = (Arc::clone(plan), Arc::clone(mailbox));
        // The number is given to it when it is taken.
        Self { plan, argument, number: 0, index, mailbox, n_deaths: 0, submitted: None }
    }

    /// Its only parcel, if it is one task.
    pub(crate) fn parcel(&mut self) -> Option<&mut Parcel> {
        match &mut self.argument {
            Argument::One(parcel) => Some(parcel),
            Argument::Many(_) => None,
        }
    }

    /// Whether it is one task, of whose argument nothing is but a few bytes: letting go of it takes no time.
    pub(crate) fn is_light(&self) -> bool {
        matches!(&self.argument, Argument::One(parcel) if parcel.freight() == Freight::None)
    }

    /// Takes off all but the first `n_first` of its items; `None` if there are no more.
    pub(crate) fn split_off(&mut self, n_first: usize) -> Option<Self> {
        let Argument::Many(chunk) = &mut self.argument else { return None };
        if n_first >= chunk.n_items() {
            return None;
        }
        Some(Self {
            argument: Argument::Many(chunk.split_off(n_first)),
            plan: Arc::clone(&self.plan),
            number: self.number + u64::try_from(n_first).unwrap_or(u64::MAX),
            index: self.index + n_first,
            mailbox: Arc::clone(&self.mailbox),
            n_deaths: self.n_deaths,
            submitted: self.submitted,
        })
    }

    /// Delivers the fate of all its items of which no result was told, each its own.
    pub(crate) fn meet(&self, mut fate: impl FnMut() -> Fate) {
        for index in (self.index..).take(self.n_items()).skip(self.n_told()) {
            self.mailbox.deliver(index, fate());
        }
    }

    /// Delivers what came of its items, the first of which may have been told before.
    pub(crate) fn tell(&self, answers: Answers) {
        let n_told = self.n_told();
        let answers = answers.skip(n_told);
        if answers.n_items() > 0 {
            self.mailbox.deliver(self.index + n_told, Fate::Chunk(answers));
        }
    }

    /// Of how many of its items, the first ones, the caller has the results.
    pub(crate) fn n_told(&self) -> usize {
        match &self.argument {
            Argument::One(_) => 0,
            Argument::Many(chunk) => chunk.n_told(),
        }
    }
}

impl Task for Job {
    fn number(&self) -> u64 {
        self.number
    }

    fn priority(&self) -> i32 {
        self.plan.options.priority
    }

    fn n_items(&self) -> usize {
        match &self.argument {
            Argument::One(_) => 1,
            Argument::Many(chunk) => chunk.n_items(),
        }
    }

    fn nanos(&self) -> u64 {
        let n_items = u64::try_from(self.n_items()).unwrap_or(u64::MAX);
        self.plan.known.pace.nanos().map_or(u64::MAX, |nanos| nanos.saturating_mul(n_items))
    }

    fn has_parcel(&self) -> bool {
        matches!(&self.argument, Argument::One(parcel) if parcel.freight().needs_socket())
    }

    fn is_prepared(&self) -> bool {
        !matches!(&self.argument, Argument::One(parcel) if parcel.unpacked().is_some())
    }

    fn was_given(&mut self) {
        if let Some(parcel) = self.parcel() {
            parcel.drop_file();
        }
    }

    fn cut(&mut self) -> Option<Self> {
        let portion = match &self.argument {
            Argument::Many(chunk) if !chunk.is_whole() => self.plan.known.pace.portion(),
            _ => return None,
        };
        // What would be left is not worth a message of its own.
        if self.n_items() <= portion + portion / 2 { None } else { self.split_off(portion) }
    }

    fn divide(&mut self, n_kept: usize) -> Option<Self> {
        let rest = self.split_off(n_kept.max(self.n_told()));
        if let Argument::Many(chunk) = &mut self.argument {
            chunk.make_whole();
        }
        rest
    }
}
