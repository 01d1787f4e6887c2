//! Handing over and back between two processes: what a wake-up costs.
//!
//! - `sync/handover/spin`: nanoseconds there and back between two cores, while the one who waits
//!   looks all the time. The yardstick is two bare words that are looked at.
//! - `sync/handover/sleep`: the same on one core, where looking is of no use. The yardstick is two
//!   bare futexes.

use std::sync::Arc;

use crate::bench::{Bench, Metric};
use crate::crew::{Crew, Kind, Worker};
use crate::flags::Effort;
use crate::peers::bare;
use crate::peers::multiproc::semaphore::OurSemaphore;
use crate::peers::posix::Semaphore;
use crate::rounds::OURS;
use crate::{Result, cores};

/// A signal from one process to another, for one waiter.
pub(crate) trait Signalling: Sized + Send + Sync + 'static {
    /// Makes one, which forked workers share.
    fn new() -> Result<Self>;

    /// Gives the signal.
    fn signal(&self) -> Result;

    /// Waits for a signal and takes it.
    fn wait(&self) -> Result;
}

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    let spin = Bench::new("sync/handover/spin", Metric::Ns)
        .peer(OURS, |effort| there_and_back::<OurSemaphore>(1, effort))
        .peer("bare-spin", |effort| there_and_back::<bare::Spin>(1, effort))
        .peer("posix", |effort| there_and_back::<Semaphore>(1, effort));
    let sleep = Bench::new("sync/handover/sleep", Metric::Ns)
        .peer(OURS, |effort| there_and_back::<OurSemaphore>(0, effort))
        .peer("bare-futex", |effort| there_and_back::<bare::Futex>(0, effort))
        .peer("posix", |effort| there_and_back::<Semaphore>(0, effort));
    vec![spin, sleep]
}

/// The other worker is on core `other`, this one on core 0.
fn there_and_back<S: Signalling>(other: usize, effort: Effort) -> Result<f64> {
    if other > 0 && cores::count()? < 2 {
        return Err("there is one core only".into());
    }
    let (ping, pong) = (Arc::new(S::new()?), Arc::new(S::new()?));
    let (answered, asked) = (ping.clone(), pong.clone());
    let asks = Worker::on(0, move |seat| {
        while seat.goes_on() {
            ping.signal()?;
            pong.wait()?;
            seat.count();
        }
        // The last signal lets the other see that this is the end.
        ping.signal()
    });
    let answers = Worker::on(other, move |seat| {
        while seat.goes_on() {
            answered.wait()?;
            asked.signal()?;
        }
        Ok(())
    });
    let mut crew = Crew::start(Kind::Processes, vec![asks, answers])?;
    let per_second = crew.measure(effort)?.per_second();
    // Whoever is in the middle of a wait is not waited for.
    drop(crew);
    Ok(1e9 / per_second)
}
