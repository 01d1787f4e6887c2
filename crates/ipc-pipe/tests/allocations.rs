//! Once warm, sending and receiving allocate nothing.

#![expect(unsafe_code, reason = "counts what the allocator is asked for")]
#![expect(clippy::disallowed_types, reason = "a counter that never leaves the process")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ipc_pipe::pipe;
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
    testkit::main(&[("messages of 64 bytes, sent and received in all forms", messages)])
}

fn messages() -> Outcome {
    let (mut left, right) = pipe::<[u64; 8], [u64; 8]>()?;
    let mut buffer = [0; 64];
    let mut round = || -> Result<(), Box<dyn std::error::Error>> {
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
    };
    round()?;
    let before = N_ALLOCATIONS.load(Relaxed);
    for _ in 0..100 {
        round()?;
    }
    match N_ALLOCATIONS.load(Relaxed) - before {
        0 => Ok(Report::PASSED),
        n_allocations => Err(format!("{n_allocations} allocations in 100 rounds").into()),
    }
}
