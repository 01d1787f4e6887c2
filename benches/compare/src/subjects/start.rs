//! Starting a process that does nothing, and waiting until it has ended.
//!
//! The figure of a round is the one in the middle of its starts, in nanoseconds; the first one, which
//! may start a server, does not count. Nobody is kept on a core.
//!
//! - `start/forkserver`, `start/spawn`: from a small process, by our two ways. Beside the first, what
//!   else copies a process; beside the second, what else runs a program.
//! - `start/forkserver-1gib`: from a process that has 1 GiB of memory in small pages in use.
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
    let large = Bench::new("start/forkserver-1gib", Metric::Ns)
        .peer(OURS, |effort| time_large(effort, || process::start(Way::ForkServer)))
        .peer("fork-1gib", |effort| time_large(effort, fork::start))
        .peer("std-command", |effort| time_large(effort, command::start))
        .peer("procspawn", |effort| time_large(effort, procspawn::start))
        .peer("python", |effort| python::measure("start", &["forkserver", "1024"], effort));
    let batch = Bench::new("start/batch", Metric::Operations)
        .peer(OURS, |effort| timing::rate(effort, process::start_batch))
        .peer("one-by-one", |effort| timing::rate(effort, process::start_one_by_one));
    vec![forkserver, spawn, large, batch]
}

fn time(effort: Effort, start: impl Fn() -> Result) -> Result<f64> {
    start()?;
    timing::middle(effort, start)
}

fn time_large(effort: Effort, start: impl Fn() -> Result) -> Result<f64> {
    fork::use_much_memory()?;
    time(effort, start)
}
