//! A bench: what is measured of several peers under one name.

use crate::Result;
use crate::flags::Effort;

/// One scenario at one size.
pub(crate) struct Bench {
    /// Subject, shape and size: `queue/1:1/64`.
    pub(crate) name: String,
    /// What the figures are.
    pub(crate) metric: Metric,
    /// Who is measured, ours first.
    pub(crate) peers: Vec<Peer>,
}

/// Somebody who can do what a bench measures.
pub(crate) struct Peer {
    /// `multiproc`, a rival's crate, a call of the system, or `python`.
    pub(crate) name: &'static str,
    /// Makes one measurement.
    pub(crate) measure: Measure,
}

/// Makes one measurement; called in a process of its own.
pub(crate) type Measure = Box<dyn Fn(Effort) -> Result<f64>>;

/// What the figures of a bench are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Nanoseconds an operation.
    Ns,
    /// Messages a second, of all consumers together.
    Messages,
    /// Operations a second, of all workers together.
    Operations,
    /// Tasks a second.
    Tasks,
    /// Time spent in tasks, by the time that all workers had.
    Efficiency,
    /// What the luckiest worker had, by what the unluckiest had.
    MostOverLeast,
}

impl Metric {
    /// Its name in a row.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Messages => "msgs_per_s",
            Self::Operations => "ops_per_s",
            Self::Tasks => "tasks_per_s",
            Self::Efficiency => "efficiency",
            Self::MostOverLeast => "most_over_least",
        }
    }

    /// Its unit in a row.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Messages => "msgs/s",
            Self::Operations => "ops/s",
            Self::Tasks => "tasks/s",
            Self::Efficiency | Self::MostOverLeast => "",
        }
    }
}

impl Bench {
    /// A bench that nobody takes part in yet.
    pub(crate) fn new(name: impl Into<String>, metric: Metric) -> Self {
        Self { name: name.into(), metric, peers: vec![] }
    }

    /// Adds a peer.
    pub(crate) fn peer(
        mut self,
        name: &'static str,
        measure: impl Fn(Effort) -> Result<f64> + 'static,
    ) -> Self {
        self.peers.push(Peer { name, measure: Box::new(measure) });
        self
    }
}
