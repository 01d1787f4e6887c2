//! What is measured: a file a subject.

pub(crate) mod manager;
pub(crate) mod pipe;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod start;
pub(crate) mod sync;
pub(crate) mod value;

use crate::bench::Bench;

/// A part of multiproc that is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Sync,
    Pipe,
    Queue,
    Value,
    Pool,
    Start,
    Manager,
}

impl Subject {
    const ALL: [Self; 7] =
        [Self::Sync, Self::Pipe, Self::Queue, Self::Pool, Self::Start, Self::Value, Self::Manager];

    /// The subject of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subject| subject.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Pipe => "pipe",
            Self::Queue => "queue",
            Self::Value => "value",
            Self::Pool => "pool",
            Self::Start => "start",
            Self::Manager => "manager",
        }
    }

    /// What there is to measure, in order.
    pub(crate) fn benches(self) -> Vec<Bench> {
        match self {
            Self::Sync => sync::benches(),
            Self::Pipe => pipe::benches(),
            Self::Queue => queue::benches(),
            Self::Value => value::benches(),
            Self::Pool => pool::benches(),
            Self::Start => start::benches(),
            Self::Manager => manager::benches(),
        }
    }
}

/// Everything that there is to measure.
pub(crate) fn benches() -> impl Iterator<Item = Bench> {
    Subject::ALL.into_iter().flat_map(Subject::benches)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::rounds::OURS;

    #[test]
    fn every_bench_begins_with_its_subject_and_has_us_and_a_rival() {
        for subject in Subject::ALL {
            for bench in subject.benches() {
                assert!(bench.name.starts_with(&format!("{}/", subject.name())), "{}", bench.name);
                assert_eq!(bench.peers[0].name, OURS, "{}", bench.name);
                assert!(bench.peers.len() > 1, "{}", bench.name);
            }
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut names = HashSet::new();
        for bench in benches() {
            let mut peers = HashSet::new();
            assert!(bench.peers.iter().all(|peer| peers.insert(peer.name)), "{}", bench.name);
            assert!(names.insert(bench.name));
        }
    }
}
