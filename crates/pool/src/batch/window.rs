//! How many items of a batch are taken and sent at a time, and when nobody is needed for that.

use std::time::Duration;

use super::{Batch, MOST_TOGETHER};

/// How many tasks shall be under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// With so many, a result is handed out before another item is taken.
    pub(super) enough: usize,
    /// With so many, no item is taken.
    pub(crate) most: usize,
}

impl<A, R, I: Iterator> Batch<'_, A, R, I> {
    /// How long nobody needs us: while all workers have enough short tasks in their rings.
    ///
    /// A worker that answers wakes whoever waits for answers, which can take as long as a short task
    /// does. So it is better not to wait, but to come and see after some of them.
    pub(super) fn time_to_nap(&self) -> Option<Duration> {
        /// Of longer tasks each is worth waking up for.
        const LONGEST_TASK: Duration = Duration::from_micros(250);
        /// The same if nobody sees a result before all are there.
        const LONGEST_TO_GATHER: Duration = Duration::from_millis(2);
        /// With less work ahead for each worker, it might come to the end of it.
        const LEAST_AHEAD: Duration = Duration::from_micros(300);
        /// The kernel adds so much to the time for which somebody wants to sleep.
        const SLACK: Duration = Duration::from_micros(50);

        let plans = self.plans.as_ref().ok()?;
        let task = Duration::from_nanos(plans.one.known.pace.nanos()?);
        let n_each = u32::try_from(self.n_away / self.pool.n_workers()).ok()?;
        let ahead = task.saturating_mul(n_each);
        let longest = if self.gathers { LONGEST_TO_GATHER } else { LONGEST_TASK };
        (task <= longest && ahead >= LEAST_AHEAD).then(|| ahead / 3 - SLACK)
    }

    /// How many items go together as long as there are many.
    fn usual_portion(&self) -> usize {
        let plans = match &self.plans {
            Ok(plans) if plans.many.is_some() && !self.goes_alone => plans,
            _ => return 1,
        };
        if let Some(n_each) = self.n_each {
            return n_each;
        }
        let portion = plans.one.known.pace.portion();
        match self.items.as_ref().map(Iterator::size_hint) {
            Some((n_left, most_left)) if most_left != Some(n_left) => {
                // The next item may be long in coming, and those that were taken would wait for it.
                if self.gathers { portion.min(MOST_BLINDLY) } else { 1 }
            }
            _ => portion,
        }
    }

    /// How many items go together now.
    pub(super) fn portion(&self) -> usize {
        let portion = self.usual_portion();
        match self.items.as_ref().map(Iterator::size_hint) {
            // Towards the end they become smaller, so that all workers are done at about the same time.
            Some((n_left, Some(most_left))) if n_left == most_left && self.n_each.is_none() => {
                let least = portion.div_ceil(LEAST_PART);
                portion.min(n_left / (2 * self.pool.n_workers())).max(least)
            }
            _ => portion,
        }
    }

    /// How many items that go alone are taken before they are sent: more than one if they are short, and
    /// nobody waits for the first of them while the others are long in coming.
    pub(super) fn n_alone_together(&self, window: Window) -> usize {
        let plans = match (&self.plans, &self.items) {
            (Ok(plans), Some(items)) if plans.many.is_none() => {
                let (n_left, most_left) = items.size_hint();
                (most_left == Some(n_left) || self.gathers).then_some(plans)
            }
            _ => None,
        };
        match plans {
            Some(plans) if plans.one.known.pace.depth() > 2 => {
                window.most.saturating_sub(self.n_away).min(MOST_TOGETHER)
            }
            _ => 1,
        }
    }

    pub(crate) fn window(&self) -> Window {
        self.window_of(self.portion())
    }

    /// As many tasks as the workers take at a time, and if they are long, one more for each worker,
    /// which somebody gives to it while the caller is busy with a result. Of chunks, one that a worker
    /// is at, one that lies ready, and one on its way; and if nobody sees a result before all are there,
    /// more of those that take no time, so that neither the workers nor the caller need sleep between two.
    pub(super) fn window_of(&self, portion: usize) -> Window {
        let n_workers = self.pool.n_workers();
        if portion > 1 {
            let pace = self.plans.as_ref().ok().map(|plans| &plans.one.known.pace);
            if let Some(pace) = pace.filter(|_| self.gathers) {
                let usual = self.usual_portion();
                let n_chunks = pace.n_chunks(usual).max(CHUNKS_AHEAD_EACH);
                let most = n_workers.saturating_mul(n_chunks).saturating_mul(usual);
                return Window { enough: most, most };
            }
            let most = n_workers.saturating_mul(CHUNKS_AHEAD_EACH).saturating_mul(portion);
            return Window { enough: most.div_ceil(2), most };
        }
        let depth = self.plans.as_ref().map_or(1, |plans| plans.one.known.pace.depth());
        let most = if self.gathers { depth } else { depth.min(MOST_AHEAD_EACH) };
        let most = n_workers * if depth <= 2 { depth + 1 } else { most };
        Window { enough: most.div_ceil(2).max(n_workers), most }
    }
}

/// So many chunks for each worker are taken ahead, whatever they take.
const CHUNKS_AHEAD_EACH: usize = 3;

/// So many items for each worker are taken ahead if they go alone and somebody takes results one by one.
const MOST_AHEAD_EACH: usize = 64;

/// So many items are taken before they are sent if nobody knows when the next one comes.
const MOST_BLINDLY: usize = 256;

/// The last chunks have this part of the usual number of items.
const LEAST_PART: usize = 8;
