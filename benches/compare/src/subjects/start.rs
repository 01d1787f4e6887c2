//! Starting a process that does nothing, and waiting until it has ended.
//!
//! The figure of a round is the one in the middle of its starts, in nanoseconds; the first one, which
//! may start a server, does not count. Nobody is kept on a core.
//!
//! - `start/forkserver`, `start/spawn`: from a small process, by our two ways. Beside the first, what
//!   else copies a process; beside the second, what else runs a program.
//! - `start/forkserver-64mib`, `-256mib`, `-1gib`: from a process that has so much memory in small pages
//!   in use.
//! - `start/batch`: starts a second by spawn, when a hundred are made by as many threads as there are
//!   processors and joined after that. Beside it, how many there are one after another.

use crate::bench::{Bench, Metric};
use crate::flags::Effort;
use crate::peers::multiproc::process::{self, Way};
use crate::peers::{command, fork, procspawn, python};
use crate::rounds::OURS;
use crate::{Result, timing};

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    let forkserver = Bench::new("start/forkserver", Metric::Ns)
        .peer(OURS, |effort| time(effort, || process::start(Way::ForkServer)))
        .peer("fork", |effort| time(effort, fork::start))
        .peer("std-command", |effort| time(effort, command::start))
        .peer("procspawn", |effort| time(effort, procspawn::start))
        .peer("python", |effort| python::measure("start", &["forkserver", "0"], effort));
    let spawn = Bench::new("start/spawn", Metric::Ns)
        .peer(OURS, |effort| time(effort, || process::start(Way::Spawn)))
        .peer("std-command", |effort| time(effort, command::start))
        .peer("procspawn", |effort| time(effort, procspawn::start))
        .peer("python", |effort| python::measure("start", &["spawn", "0"], effort));
    let batch = Bench::new("start/batch", Metric::Operations)
        .peer(OURS, |effort| timing::rate(effort, process::start_batch))
        .peer("one-by-one", |effort| timing::rate(effort, process::start_one_by_one));
    let large =
        [("64mib", 64), ("256mib", 256), ("1gib", 1024)].map(|(name, mib)| large(name, mib));
    [forkserver, spawn].into_iter().chain(large).chain([batch]).collect()
}

fn large(name: &str, mib: usize) -> Bench {
    let with = move |effort, start: &dyn Fn() -> Result| {
        fork::use_memory(mib)?;
        time(effort, start)
    };
    Bench::new(format!("start/forkserver-{name}"), Metric::Ns)
        .peer(OURS, move |effort| with(effort, &|| process::start(Way::ForkServer)))
        .peer("fork", move |effort| with(effort, &fork::start))
        .peer("std-command", move |effort| with(effort, &command::start))
        .peer("procspawn", move |effort| with(effort, &procspawn::start))
        .peer("python", move |effort| {
            python::measure("start", &["forkserver", &mib.to_string()], effort)
        })
}

fn time(effort: Effort, start: impl Fn() -> Result) -> Result<f64> {
    start()?;
    timing::middle(effort, start)
}
