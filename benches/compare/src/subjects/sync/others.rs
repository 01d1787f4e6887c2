//! The other primitives, when nobody else wants them: nanoseconds on core 0.
//!
//! - `sync/semaphore/free`: take and release of one permit that belongs to nobody.
//! - `sync/semaphore/permit`: the same with a permit that comes back when its holder dies.
//! - `sync/event/test`: whether an event is set.
//! - `sync/rwlock/read`: take and give back for reading.

use crate::bench::{Bench, Metric};
use crate::flags::Effort;
use crate::peers::multiproc::event::OurEvent;
use crate::peers::multiproc::rwlock::OurRwLock;
use crate::peers::multiproc::semaphore::{OurPermits, OurSemaphore};
use crate::peers::{bare, posix, std_sync};
use crate::rounds::OURS;
use crate::{Result, cores, timing};

/// Something that one thread does over and over.
pub(crate) trait Operation: Sized {
    /// Sets the scene.
    fn new() -> Result<Self>;

    /// Does it once.
    fn operate(&self) -> Result;
}

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    vec![
        Bench::new("sync/semaphore/free", Metric::Ns)
            .peer(OURS, free::<OurSemaphore>)
            .peer("posix", free::<posix::Semaphore>),
        Bench::new("sync/semaphore/permit", Metric::Ns)
            .peer(OURS, free::<OurPermits>)
            .peer("posix", free::<posix::Semaphore>),
        Bench::new("sync/event/test", Metric::Ns)
            .peer(OURS, free::<OurEvent>)
            .peer("posix", free::<posix::Value>)
            .peer("bare-word", free::<bare::Look>),
        Bench::new("sync/rwlock/read", Metric::Ns)
            .peer(OURS, free::<OurRwLock>)
            .peer("pthread", free::<posix::RwLock>)
            .peer("std", free::<std_sync::RwLock>),
    ]
}

fn free<O: Operation>(effort: Effort) -> Result<f64> {
    cores::pin(0)?;
    let scene = O::new()?;
    timing::mean(effort, || scene.operate())
}
