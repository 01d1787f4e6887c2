//! Connections of bytes.
//!
//! - `pipe/round-trip/64`: nanoseconds that a message takes to another process and back, where each has a
//!   core; `pipe/round-trip-one-core/64`: where both are on core 0.
//! - `pipe/shm-round-trip/64`: the same through shared memory; the rival is a message beside a bare word
//!   that is looked at until it says so.
//! - `pipe/1:1/SIZE`: messages a second from one process to another.

use crate::bench::{Bench, Metric};
use crate::peers::multiproc::pipe::{OurPipe, OurShmPipe};
use crate::peers::{bare_line, ipc_channel, socketpair};
use crate::rounds::OURS;
use crate::subjects::queue::{Shape, ping_pong, throughput};

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    let mut benches = vec![
        round_trip_bench("pipe/round-trip/64", 1),
        round_trip_bench("pipe/round-trip-one-core/64", 0),
        Bench::new("pipe/shm-round-trip/64", Metric::Ns)
            .peer(OURS, |effort| ping_pong::<OurShmPipe>(64, 1, effort))
            .peer("bare", |effort| ping_pong::<bare_line::Bare>(64, 1, effort)),
    ];
    benches.extend([64, 1 << 20].map(throughput_bench));
    benches
}

fn round_trip_bench(name: &str, echo_core: usize) -> Bench {
    Bench::new(name, Metric::Ns)
        .peer(OURS, move |effort| ping_pong::<OurPipe>(64, echo_core, effort))
        .peer("multiproc-shm", move |effort| ping_pong::<OurShmPipe>(64, echo_core, effort))
        .peer("socketpair", move |effort| {
            ping_pong::<socketpair::SocketPair>(64, echo_core, effort)
        })
        .peer("ipc-channel", move |effort| ping_pong::<ipc_channel::Channel>(64, echo_core, effort))
}

fn throughput_bench(size: usize) -> Bench {
    let shape = Shape { n_tx: 1, n_rx: 1, size };
    Bench::new(format!("pipe/1:1/{size}"), Metric::Messages)
        .peer(OURS, move |effort| throughput::<OurPipe>(shape, effort))
        .peer("multiproc-shm", move |effort| throughput::<OurShmPipe>(shape, effort))
        .peer("ipc-channel", move |effort| throughput::<ipc_channel::Channel>(shape, effort))
}
