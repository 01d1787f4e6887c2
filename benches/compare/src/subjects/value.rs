//! Values that processes share.
//!
//! - `value/add/2`: how often a second 2 workers on different cores add one to the same number; ours as
//!   who adds all the time does, with the [`Atomic`](shm_value::Atomic) at hand, and by the handle.
//! - `value/update/free`: nanoseconds that one thread takes to change a number under a lock.
//! - `value/update/2`: how often a second 2 workers do so.
//! - `value/get/64`: nanoseconds that one thread takes to read 64 bytes that belong together.
//! - `value/map-get/free`, `/2`: one thread, and 2 workers, that look up numbers among 1,000.
//! - `value/map-set/free`: one thread that changes what belongs to one of them.

use std::cell::Cell;

use crate::bench::{Bench, Metric};
use crate::crew::{Crew, Kind, Worker};
use crate::flags::Effort;
use crate::peers::multiproc::value::{OurAdd, OurGet, OurHandleAdd, OurMap, OurMapSet, OurUpdate};
use crate::peers::{bare, mmap_sync, pthread, python, std_sync};
use crate::rounds::OURS;
use crate::{Result, cores, timing};

/// Something that several workers do over and over to the same thing.
pub(crate) trait Work: Sized + Send + 'static {
    /// Between whom.
    const KIND: Kind;

    /// Makes the thing, which forked workers share if it is for processes.
    fn new() -> Result<Self>;

    /// The same thing, for another worker.
    fn share(&self) -> Result<Self>;

    /// Does it once.
    fn work(&mut self) -> Result;
}

/// How many keys are in a map.
pub(crate) const KEYS: u64 = 1_000;

/// The key that is to be looked up next, in an order that is no order.
pub(crate) fn next_key() -> u64 {
    thread_local!(static LAST: Cell<u64> = const { Cell::new(0) });
    let key = LAST.get().wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
    LAST.set(key);
    (key >> 32) % KEYS
}

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    vec![
        Bench::new("value/add/2", Metric::Operations)
            .peer(OURS, |effort| rate::<OurAdd>(2, effort))
            .peer("multiproc-handle", |effort| rate::<OurHandleAdd>(2, effort))
            .peer("bare-word", |effort| rate::<bare::Add>(2, effort)),
        Bench::new("value/update/free", Metric::Ns)
            .peer(OURS, free::<OurUpdate>)
            .peer("pthread", free::<pthread::Update<false>>)
            .peer("pthread-robust", free::<pthread::Update<true>>)
            .peer("python", |effort| python::measure("values", &["update"], effort)),
        Bench::new("value/update/2", Metric::Operations)
            .peer(OURS, |effort| rate::<OurUpdate>(2, effort))
            .peer("pthread", |effort| rate::<pthread::Update<false>>(2, effort))
            .peer("pthread-robust", |effort| rate::<pthread::Update<true>>(2, effort)),
        Bench::new("value/get/64", Metric::Ns)
            .peer(OURS, free::<OurGet>)
            .peer("mmap-sync", free::<mmap_sync::Get>),
        Bench::new("value/map-get/free", Metric::Ns)
            .peer(OURS, free::<OurMap>)
            .peer("std", free::<std_sync::Map>)
            .peer("python", |effort| python::measure("values", &["dict-get"], effort)),
        Bench::new("value/map-get/2", Metric::Operations)
            .peer(OURS, |effort| rate::<OurMap>(2, effort))
            .peer("std", |effort| rate::<std_sync::Map>(2, effort)),
        Bench::new("value/map-set/free", Metric::Ns)
            .peer(OURS, free::<OurMapSet>)
            .peer("std", free::<std_sync::MapSet>)
            .peer("python", |effort| python::measure("values", &["dict-set"], effort)),
    ]
}

/// Nanoseconds that it takes, all on one core.
pub(crate) fn free<W: Work>(effort: Effort) -> Result<f64> {
    cores::pin(0)?;
    let mut thing = W::new()?;
    timing::mean(effort, || thing.work())
}

/// How often a second so many workers do it.
pub(crate) fn rate<W: Work>(n_workers: usize, effort: Effort) -> Result<f64> {
    let thing = W::new()?;
    let worker = |core| {
        let mut thing = thing.share()?;
        Ok(Worker::on(core, move |seat| {
            while seat.goes_on() {
                thing.work()?;
                seat.count();
            }
            Ok(())
        }))
    };
    let workers = (0..n_workers).map(worker).collect::<Result<_>>()?;
    let mut crew = Crew::start(W::KIND, workers)?;
    let window = crew.measure(effort)?;
    crew.finish()?;
    Ok(window.per_second())
}
