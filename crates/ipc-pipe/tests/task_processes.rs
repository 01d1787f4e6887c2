//! Connections in tasks whose other end is another process, which may die.
#![expect(clippy::unwrap_used, reason = "a test binary")]

use std::process::ExitCode;

use futures_util::StreamExt as _;
use ipc_pipe::{Connection, ShmConnection, pipe, shm_pipe};
use testkit::child::{self, Child};
use testkit::{Counter, Outcome, Report, SharedArena};

fn main() -> ExitCode {
    testkit::main(&[
        ("the death of the other end is told in a task", a_death_is_told),
        (
            "the death of the other end of a shared-memory pipe is told in a task",
            a_shm_death_is_told,
        ),
        ("what the dead had sent is received, then the stream ends", what_was_sent_is_received),
        ("who waits for room is told of the death of who should make it", room_from_the_dead),
    ])
}

/// Runs a task in this process; its children have been forked.
fn run<T>(task: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(task)
}

/// A child that says that it is there and then does nothing, holding what `body` has returned.
fn idle<T>(there: &Counter, body: impl FnOnce() -> T) -> Child {
    let child = child::fork(|| {
        let _held = body();
        there.set(1);
        there.wait_until(|told| told == 2);
        0
    });
    there.wait_until(|told| told == 1);
    child
}

fn a_death_is_told() -> Outcome {
    for _ in 0..20 {
        let there = SharedArena::<Counter>::new(1);
        let (here, other): (Connection<u8, u8>, Connection<u8, u8>) = pipe()?;
        let child = idle(&there[0], || ());
        drop(other);
        run(async {
            let mut waiting = std::pin::pin!(here.recv_async());
            tokio::select! {
                biased;
                _ = &mut waiting => panic!("the child has the other end"),
                () = tokio::task::yield_now() => child.kill(),
            }
            assert!(waiting.await.unwrap_err().is_disconnected());
        });
    }
    Ok(Report::PASSED)
}

fn a_shm_death_is_told() -> Outcome {
    for _ in 0..20 {
        let there = SharedArena::<Counter>::new(1);
        let (mut here, mut other): (ShmConnection<u8, u8>, ShmConnection<u8, u8>) = shm_pipe()?;
        // It has the end as soon as it has used it; this process still has a handle to it.
        let child = idle(&there[0], || other.send(&1).unwrap());
        run(async {
            assert_eq!(here.recv_async().await.unwrap(), 1);
            let mut waiting = std::pin::pin!(here.recv_async());
            tokio::select! {
                biased;
                _ = &mut waiting => panic!("the child has the other end"),
                () = tokio::task::yield_now() => child.kill(),
            }
            assert!(waiting.await.unwrap_err().is_disconnected());
        });
    }
    Ok(Report::PASSED)
}

fn what_was_sent_is_received() -> Outcome {
    let there = SharedArena::<Counter>::new(1);
    let (here, other): (Connection<u8, u8>, Connection<u8, u8>) = pipe()?;
    let (near, mut far): (ShmConnection<u8, u8>, ShmConnection<u8, u8>) = shm_pipe()?;
    let child = idle(&there[0], || {
        for number in 0..50 {
            other.send(&number).unwrap();
            far.send(&number).unwrap();
        }
    });
    drop((other, far));
    child.kill();
    run(async {
        let got: Vec<u8> = here.into_messages().map(Result::unwrap).collect().await;
        assert!(got.into_iter().eq(0..50));
        let got: Vec<u8> = near.into_messages().map(Result::unwrap).collect().await;
        assert!(got.into_iter().eq(0..50));
    });
    Ok(Report::PASSED)
}

fn room_from_the_dead() -> Outcome {
    let there = SharedArena::<Counter>::new(1);
    let (here, other): (Connection<Vec<u8>, u8>, Connection<u8, Vec<u8>>) = pipe()?;
    let (mut near, mut far): (ShmConnection<Vec<u8>, u8>, ShmConnection<u8, Vec<u8>>) = shm_pipe()?;
    // This process has the other ends of these two all the time.
    let (mut beside, mut far_beside) = shm_pipe::<Vec<u8>, u8>()?;
    let child = idle(&there[0], || {
        far.send(&1).unwrap();
        far_beside.send(&1).unwrap();
    });
    drop(other);
    let message = vec![0; 1000];
    // They fill the socket beside the ring, and not the ring.
    let long = vec![0; 50_000];
    run(async {
        while here.try_send(&message).is_ok() {}
        while near.try_send(&message).is_ok() {}
        while beside.try_send(&long).is_ok() {}
        // Each in a task of its own, which looks again only if it is woken.
        let waiting = [
            tokio::spawn({
                let message = message.clone();
                async move { here.send_async(&message).await }
            }),
            tokio::spawn(async move { near.send_async(&message).await }),
            tokio::spawn(async move { beside.send_async(&long).await }),
        ];
        tokio::task::yield_now().await;
        assert!(waiting.iter().all(|sending| !sending.is_finished()), "there is no room");
        child.kill();
        for sending in waiting {
            assert!(sending.await.unwrap().unwrap_err().is_disconnected());
        }
    });
    Ok(Report::PASSED)
}
