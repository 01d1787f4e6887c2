//! Handing over and back, millions of times: one lost wake-up, and both wait for ever.

use ipc_sync::{Condition, Event, LockError, Mutex, Semaphore, WaitError};
use testkit::child::{self, End};
use testkit::{Outcome, Report};

/// Handovers of each kind: ten millions in the full form, of all together.
fn rounds(share: u64) -> u64 {
    let all = if testkit::full() { 10_000_000 } else { 100_000 };
    all / 100 * share
}

/// Lets a child do one half and this process the other, and waits for both.
fn both(
    theirs: impl FnOnce() -> Result<(), String>,
    ours: impl FnOnce() -> Result<(), String>,
) -> Outcome {
    let mut child = child::fork(|| i32::from(theirs().is_err()));
    ours()?;
    match child.wait() {
        End::Exited(0) => Ok(Report::PASSED),
        end => Err(format!("the other one: {end:?}").into()),
    }
}

/// Through two semaphores.
pub(crate) fn permits() -> Outcome {
    let (ping, pong) = (Semaphore::new(0)?, Semaphore::new(0)?);
    let hand_over = |from: &Semaphore, to: &Semaphore| {
        for _ in 0..rounds(25) {
            from.take().map_err(|error| error.to_string())?;
            to.release().map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    ping.release()?;
    both(|| hand_over(&ping, &pong), || hand_over(&pong, &ping))
}

/// Through two events, each cleared by whoever waited for it.
pub(crate) fn events() -> Outcome {
    let (ping, pong) = (Event::new()?, Event::new()?);
    let hand_over = |from: &Event, to: &Event| {
        for _ in 0..rounds(25) {
            from.wait();
            from.clear();
            to.set();
        }
        Ok(())
    };
    ping.set();
    both(|| hand_over(&ping, &pong), || hand_over(&pong, &ping))
}

/// Through one condition, whose two waiters wait for each other's turn.
pub(crate) fn turns() -> Outcome {
    let (turn, changed) = (Mutex::new(0_u64)?, Condition::new()?);
    let hand_over = |mine: u64| {
        for _ in 0..rounds(25) {
            let guard =
                turn.lock().map_err(|error: LockError<_>| error.without_lock().to_string())?;
            let mut guard = changed
                .wait_while(guard, |turn| *turn % 2 != mine)
                .map_err(|error: WaitError<_>| error.without_lock().to_string())?;
            *guard += 1;
            drop(guard);
            changed.notify_one();
        }
        Ok(())
    };
    both(|| hand_over(1), || hand_over(0))
}

/// Through a lock that four want all the time.
pub(crate) fn locks() -> Outcome {
    let total = Mutex::new(0_u64)?;
    let add = || {
        for _ in 0..rounds(25) / 4 {
            match total.lock() {
                Ok(mut total) => *total += 1,
                Err(error) => return Err(error.without_lock().to_string()),
            }
        }
        Ok(())
    };
    let mut others = [(); 3].map(|()| child::fork(|| i32::from(add().is_err())));
    add()?;
    for other in &mut others {
        assert_eq!(other.wait(), End::Exited(0));
    }
    let total = total.get().map_err(|error| error.without_lock())?;
    assert_eq!(total, rounds(25) / 4 * 4);
    Ok(Report::PASSED)
}
