//! What is said of workers and can never be is an error of `build`, which says so.

use std::time::Duration;

use pool::{Builder, PoolError};
use proc_core::{Refusal, StartError};

use common::{builders, square, watch};

mod common;

/// How the start of a worker fails.
fn failure(builder: Builder) -> StartError {
    match builder.workers(1).build() {
        Err(PoolError::Start(error)) => error,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn processors_that_are_not_there_are_named_also_beside_others_that_are() {
    let _watchdog = watch("no such processor");
    for processors in [vec![1023], vec![0, 1023]] {
        for builder in builders() {
            match failure(builder.affinity(processors.clone())) {
                StartError::Refused(Refusal::Setup(_, why)) => {
                    assert_eq!(why, "there is no processor 1023 for it");
                }
                error => unreachable!("{error}"),
            }
        }
    }
}

#[test]
fn limit_of_memory_that_is_too_small_for_a_worker_is_told_as_such() {
    let _watchdog = watch("no memory for a start");
    for builder in builders() {
        for limit in [0, 1 << 20, 8 << 20] {
            let error = failure(builder.clone().memory_limit(limit));
            assert!(matches!(error, StartError::MemoryLimit(_)), "{limit}: {error}");
        }
        let pool = builder.workers(1).memory_limit(1 << 30).build().unwrap();
        assert_eq!(pool.call(square, 3).unwrap(), 9);
    }
}

#[test]
fn worker_without_any_processor_time_is_refused() {
    let _watchdog = watch("no processor time");
    for builder in builders() {
        let error = failure(builder.cpu_time_limit(Duration::ZERO));
        assert!(matches!(error, StartError::Setup(_)), "{error}");
    }
}
