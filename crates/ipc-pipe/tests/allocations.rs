//! Once warm, sending and receiving allocate nothing.

#![expect(unsafe_code, reason = "counts what the allocator is asked for")]
#![expect(clippy::disallowed_types, reason = "a counter that never leaves the process")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ipc_pipe::{RecvError, pipe, shm_pipe};
use testkit::{Outcome, Report};

struct Counting;

static N_ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: the system's allocator does it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        N_ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller vouches for the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller vouches for both.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    testkit::main(&[
        ("messages of 64 bytes, sent and received in all forms", messages),
        ("messages of 1 MiB, through memory", long_messages),
        ("messages through shared memory, and waiting for them in vain", shm_messages),
    ])
}

/// That a round allocates nothing once some have been made.
fn count(mut round: impl FnMut() -> Result<(), Box<dyn std::error::Error>>) -> Outcome {
    for _ in 0..4 {
        round()?;
    }
    let before = N_ALLOCATIONS.load(Relaxed);
    for _ in 0..100 {
        round()?;
    }
    match N_ALLOCATIONS.load(Relaxed) - before {
        0 => Ok(Report::PASSED),
        n_allocations => Err(format!("{n_allocations} allocations in 100 rounds").into()),
    }
}

fn messages() -> Outcome {
    let (mut left, right) = pipe::<[u64; 8], [u64; 8]>()?;
    let mut buffer = [0; 64];
    count(|| {
        left.send(&[1; 8])?;
        right.recv()?;
        left.try_send(&[1; 8])?;
        right.try_recv()?;
        left.send_timeout(&[1; 8], Duration::from_secs(60))?;
        right.recv_timeout(Duration::from_secs(60))?;
        left.send_bytes(&[7; 64])?;
        right.recv_bytes_into(&mut buffer)?;
        right.send(&[2; 8])?;
        left.request(&[1; 8])?;
        right.recv()?;
        Ok(())
    })
}

fn long_messages() -> Outcome {
    let (left, right) = pipe::<(), ()>()?;
    let (mut shm_left, mut shm_right) = shm_pipe::<(), ()>()?;
    let (message, mut buffer) = (vec![7; 1 << 20], vec![0; 1 << 20]);
    count(|| {
        for _ in 0..3 {
            left.send_bytes(&message)?;
            shm_left.send_bytes(&message)?;
        }
        for _ in 0..3 {
            right.recv_bytes_into(&mut buffer)?;
            shm_right.recv_bytes_into(&mut buffer)?;
        }
        Ok(())
    })
}

fn shm_messages() -> Outcome {
    let (mut left, mut right) = shm_pipe::<[u64; 8], [u64; 8]>()?;
    let mut buffer = [0; 64];
    count(|| {
        left.send(&[1; 8])?;
        right.recv()?;
        left.try_send(&[1; 8])?;
        right.try_recv()?;
        right.send(&[2; 8])?;
        left.request(&[1; 8])?;
        right.recv_timeout(Duration::from_secs(60))?;
        left.send_bytes(&[7; 64])?;
        right.recv_bytes_into(&mut buffer)?;
        // It sleeps.
        match right.recv_timeout(Duration::from_micros(100)) {
            Err(RecvError::TimedOut) => Ok(()),
            received => Err(format!("nothing was sent: {received:?}").into()),
        }
    })
}
