//! Dicts that live in a server's process: a round trip for each look and each change.
//!
//! - `manager/get/1`, `manager/set/1`: nanoseconds that one client takes, wherever it and the server run.
//! - `manager/get/one-core`: the same, with both on one core.
//! - `manager/get/2`: how often a second 2 clients on different cores look something up.
//! - `manager/pipeline/100`: how often a second one client does, which asks for 100 things at once.
//! - `manager/memory-get/1`, `manager/memory-set/1`: with a map in shared memory, which needs no server.

use crate::Result;
use crate::bench::{Bench, Metric};
use crate::flags::Effort;
use crate::peers::multiproc::manager::{OurDict, OurHundred, OurSet};
use crate::peers::multiproc::value::{OurMap, OurMapSet};
use crate::peers::{python, redis};
use crate::rounds::OURS;
use crate::subjects::value::{Work, free, rate};
use crate::timing;

/// So many things are asked for at once.
pub(crate) const HUNDRED: u32 = 100;

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    let python = |what: &'static str| move |effort| python::measure("values", &[what], effort);
    vec![
        Bench::new("manager/get/1", Metric::Ns)
            .peer(OURS, anywhere::<OurDict>)
            .peer("redis", anywhere::<redis::Get>)
            .peer("python", python("dict-get")),
        Bench::new("manager/set/1", Metric::Ns)
            .peer(OURS, anywhere::<OurSet>)
            .peer("redis", anywhere::<redis::Set>)
            .peer("python", python("dict-set")),
        Bench::new("manager/get/one-core", Metric::Ns)
            .peer(OURS, free::<OurDict>)
            .peer("redis", free::<redis::Get>),
        Bench::new("manager/get/2", Metric::Operations)
            .peer(OURS, |effort| rate::<OurDict>(2, effort))
            .peer("redis", |effort| rate::<redis::Get>(2, effort)),
        Bench::new("manager/pipeline/100", Metric::Operations)
            .peer(OURS, hundreds::<OurHundred>)
            .peer("redis", hundreds::<redis::Hundred>),
        Bench::new("manager/memory-get/1", Metric::Ns)
            .peer(OURS, anywhere::<OurMap>)
            .peer("python", python("dict-get")),
        Bench::new("manager/memory-set/1", Metric::Ns)
            .peer(OURS, anywhere::<OurMapSet>)
            .peer("python", python("dict-set")),
    ]
}

fn anywhere<W: Work>(effort: Effort) -> Result<f64> {
    let mut thing = W::new()?;
    timing::mean(effort, || thing.work())
}

/// How many a second, where each `work` is a hundred.
fn hundreds<W: Work>(effort: Effort) -> Result<f64> {
    Ok(f64::from(HUNDRED) * 1e9 / anywhere::<W>(effort)?)
}
