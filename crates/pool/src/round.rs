//! A round: answers that lie behind one another are taken under one lock, and delivered when it is free again.
//!
//! The engine's are taken in here, and those of `tests/model`, which so proves the code that runs. What is no
//! answer ends the round before it, and is handled when the round is delivered: so whoever hears of a worker's
//! death, or that no task is left, hears so behind all answers that were there before.

use std::cell::Cell;
use std::sync::Arc;

use crate::mailbox::{Fate, Mailbox};
use crate::planted::round::{DELIVERS_LATE, LOSES_TAIL, MIXES};

/// So many reports at most are taken under one lock.
pub(crate) const MOST_TOGETHER: usize = 32;

/// Where answers are taken, under a lock.
pub(crate) trait Round {
    /// A report.
    type Report;
    /// An answer that takes longer than others, so that it is the last of its round.
    type Last;

    /// Whether a report is an answer.
    fn is_answer(report: &Self::Report) -> bool;

    /// Takes the next report, if it is there.
    fn next(&mut self) -> Option<Self::Report>;

    /// Takes an answered task out of the table. Its result goes with the others, or is given back.
    fn take(&mut self, answer: Self::Report, arrivals: &mut Arrivals) -> Option<Self::Last>;

    /// Gives what there is to give, and lets go of the lock. Returns what is to be done when the others are
    /// delivered.
    fn end(self, last: Option<Self::Last>) -> impl FnOnce();
}

/// Takes a report, if it is an answer, and the answers behind it, and delivers them. Gives back the first report
/// that is none, if it comes to one.
pub(crate) fn run<R: Round>(mut round: R, first: R::Report) -> Option<R::Report> {
    let mut arrivals = Arrivals::lend();
    let (mut last, mut next) = (None, Some(first));
    for n_taken in 1..=MOST_TOGETHER {
        let Some(answer) = next.take_if(|report| R::is_answer(report)) else { break };
        last = round.take(answer, &mut arrivals);
        if last.is_some() || n_taken == MOST_TOGETHER {
            break;
        }
        next = round.next();
    }
    let rest = round.end(last);
    if DELIVERS_LATE {
        rest();
        arrivals.deliver();
    } else {
        arrivals.deliver();
        rest();
    }
    next
}

/// Results of a few bytes, on their way to who waits for them.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// Those that follow one another are for the same mailbox: how many.
    runs: Vec<(Arc<Mailbox>, usize)>,
    fates: Vec<(usize, Fate)>,
}

impl Arrivals {
    /// Lends a list that this thread keeps.
    fn lend() -> Self {
        LENT.try_with(Cell::take).unwrap_or_default()
    }

    pub(crate) fn add(&mut self, mailbox: Arc<Mailbox>, index: usize, fate: Fate) {
        self.fates.push((index, fate));
        match self.runs.last_mut() {
            Some((last, n_fates)) if Arc::ptr_eq(last, &mailbox) || MIXES => *n_fates += 1,
            _ => self.runs.push((mailbox, 1)),
        }
    }

    /// Delivers all, and gives the list back.
    fn deliver(mut self) {
        if LOSES_TAIL {
            self.runs.truncate(1);
        }
        let mut fates = self.fates.drain(..);
        for (mailbox, n_fates) in self.runs.drain(..) {
            mailbox.deliver_all(fates.by_ref().take(n_fates));
        }
        drop(fates);
        let _kept = LENT.try_with(|lent| lent.set(self));
    }
}

thread_local! {
    /// Taken out and put back: who hears of a result may collect in turn, and finds none then.
    static LENT: Cell<Arrivals> = const { Cell::new(Arrivals { runs: Vec::new(), fates: Vec::new() }) };
}
