//! A thousand processes at one lock, and at one barrier.

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("thousand: one lock", thousand::one_lock),
        ("thousand: one lock, some die holding it", thousand::one_lock_over_deaths),
        ("thousand: one barrier", thousand::one_barrier),
        ("thousand: one barrier, one of them dies", thousand::one_barrier_over_a_death),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}

#[cfg(not(ipc_loom))]
mod thousand {
    #![expect(clippy::unwrap_used, reason = "a test binary")]
    #![expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")]

    use std::time::Duration;

    use ipc_sync::{Barrier, BarrierError, LockError, Mutex};
    use testkit::child::{self, Child};
    use testkit::report::Report;
    use testkit::{Counter, Outcome, SharedArena};

    /// How many processes there are.
    const N: usize = 1000;

    /// Longer than anything here takes.
    const LONG: Duration = Duration::from_secs(50);

    /// Starts them all, content or not.
    fn start(body: impl Fn(usize) -> bool) -> Vec<Child> {
        (0..N).map(|idx| child::fork(|| i32::from(!body(idx)))).collect()
    }

    fn finish(child: &mut Child) -> Result<(), String> {
        match child.wait_within(LONG) {
            Some(end) if end.is_success() => Ok(()),
            Some(end) => Err(format!("a child {end}")),
            None => Err(format!("a child does not go on:\n{}", testkit::trace(child.pid()))),
        }
    }

    pub(crate) fn one_lock() -> Outcome {
        let total = Mutex::new(0_u64)?;
        let first = total.lock().unwrap();
        let mut children = start(|_| (0..3).all(|_| total.update(|total| total + 1).is_ok()));
        // Nobody gets in before they are all there.
        drop(first);
        children.iter_mut().try_for_each(finish)?;
        assert_eq!(total.get().unwrap(), 3 * N as u64);
        assert_eq!(total.stats().deaths, 0);
        Ok(Report::PASSED)
    }

    pub(crate) fn one_lock_over_deaths() -> Outcome {
        let total = Mutex::new(0_u64)?;
        let first = total.lock().unwrap();
        let mut children = start(|idx| {
            let mut guard = match total.lock() {
                Ok(guard) => guard,
                Err(LockError::OwnerDied(recovery)) => recovery.mark_consistent(),
                Err(_) => return false,
            };
            *guard += 1;
            if idx % 10 == 0 {
                // It ends holding the lock.
                std::mem::forget(guard);
            }
            true
        });
        drop(first);
        children.iter_mut().try_for_each(finish)?;
        if let Err(error) = total.lock() {
            assert!(error.is_owner_died());
            drop(error.into_inner().unwrap().mark_consistent());
        }
        assert_eq!(total.get().unwrap(), N as u64);
        assert_eq!(total.stats().deaths as usize, N / 10, "each was told");
        Ok(Report::PASSED)
    }

    pub(crate) fn one_barrier() -> Outcome {
        const ROUNDS: u64 = 3;
        let barrier = Barrier::new(u32::try_from(N)?)?;
        let notes = SharedArena::<Counter>::new(N + 1);
        let mut children = start(|_| {
            (1..=ROUNDS).all(|round| {
                notes[N].add(1);
                let number = barrier.wait().unwrap();
                notes[number as usize].add(1);
                notes[N].get() >= round * N as u64
            })
        });
        children.iter_mut().try_for_each(finish)?;
        assert!(notes[..N].iter().all(|note| note.get() == ROUNDS), "each number once a round");
        assert!(!barrier.is_broken());
        Ok(Report::PASSED)
    }

    pub(crate) fn one_barrier_over_a_death() -> Outcome {
        // One more than there are, so that all of them wait.
        let barrier = Barrier::new(u32::try_from(N)? + 1)?;
        let notes = SharedArena::<Counter>::new(1);
        let mut children = start(|_| match barrier.wait() {
            Err(BarrierError::PartyDied { pid }) => u64::from(pid) == notes[0].get(),
            _ => false,
        });
        while (barrier.waiting() as usize) < N {
            std::thread::yield_now();
        }
        let mut victim = children.remove(N / 2);
        notes[0].set(u64::try_from(victim.pid())?);
        victim.kill();
        victim.wait();
        children.iter_mut().try_for_each(finish)?;
        Ok(Report::PASSED)
    }
}
