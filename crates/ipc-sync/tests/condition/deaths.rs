//! What becomes of the others when one dies.

use std::mem;

use ipc_sync::{Condition, Lock, Mutex, WaitEnd, WaitError};
use testkit::child::Child;
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, passed, start};

/// Starts one that takes one of what the number counts.
fn start_taker(stock: &Mutex<u64>, more: &Condition) -> Result<Child, String> {
    let mut child = start(|| {
        let guard = stock.lock().unwrap();
        *more.wait_while(guard, |stock| *stock == 0).unwrap() -= 1;
        true
    });
    child.wait_asleep(LONG)?;
    Ok(child)
}

pub(crate) fn who_dies_takes_nothing() -> Outcome {
    let (stock, more) = (Mutex::new(0_u64)?, Condition::new()?);
    // First in line, in the middle, last.
    for victim in 0..3 {
        let mut takers = Vec::new();
        for _ in 0..3 {
            takers.push(start_taker(&stock, &more)?);
        }
        let mut dead = takers.remove(victim);
        dead.kill();
        dead.wait();
        for _ in 0..2 {
            stock.update(|stock| stock + 1).unwrap();
            more.notify_one();
        }
        takers.iter_mut().for_each(finish);
        assert_eq!(stock.get().unwrap(), 0);
    }
    assert_eq!(stock.stats().deaths, 0, "none of them died holding it");
    passed()
}

pub(crate) fn who_dies_first_is_in_nobodys_way() -> Outcome {
    let (stock, more) = (Mutex::new(0_u64)?, Condition::new()?);
    let mut takers = Vec::new();
    for _ in 0..4 {
        takers.push(start_taker(&stock, &more)?);
    }
    // It has been notified, and is stopped before it can look.
    takers[0].signal(libc::SIGSTOP);
    stock.set(3).unwrap();
    more.notify_all();
    takers[0].kill();
    takers[0].wait();
    takers[1..].iter_mut().for_each(finish);
    assert_eq!(stock.get().unwrap(), 0);
    passed()
}

pub(crate) fn the_death_of_a_holder_is_told() -> Outcome {
    let (lock, condition) = (Lock::new()?, Condition::new()?);
    let notes = SharedArena::<Counter>::new(2);
    // One is notified, and dies holding the lock; the other is told as soon as it looks again.
    let mut victim = start(|| {
        let guard = condition.wait(lock.lock().unwrap()).unwrap();
        notes[0].set(1);
        mem::forget(guard);
        loop {
            std::thread::park();
        }
    });
    victim.wait_asleep(LONG)?;
    let mut other = start(|| {
        let waited = condition.wait(lock.lock().unwrap());
        let told = waited.as_ref().is_err_and(WaitError::is_owner_died);
        // It holds the lock.
        told && lock.try_acquire().is_err() && waited.unwrap_err().into_inner().is_some()
    });
    other.wait_asleep(LONG)?;
    condition.notify_one();
    notes[0].wait_until(|note| note == 1);
    victim.kill();
    victim.wait();
    condition.notify_one();
    finish(&mut other);
    assert!(lock.try_lock().is_ok());
    passed()
}

pub(crate) fn nothing_is_left_of_the_dead() -> Outcome {
    let (lock, condition) = (Lock::new()?, Condition::new()?);
    let notifiers: [fn(&Condition); 3] =
        [Condition::notify_one, |condition| condition.notify_n(3), Condition::notify_all];
    for notify in notifiers {
        let mut waiting = [(); 2].map(|()| start(|| condition.wait(lock.lock().unwrap()).is_ok()));
        for child in &mut waiting {
            child.wait_asleep(LONG)?;
        }
        for child in &mut waiting {
            child.kill();
            child.wait();
        }
        notify(&condition);
        let (_guard, end) = condition.wait_timeout(lock.lock().unwrap(), SHORT).unwrap();
        assert_eq!(end, WaitEnd::TimedOut, "what was for the dead is not for the living");
    }
    // And it works as ever.
    let mut waiting = start(|| condition.wait(lock.lock().unwrap()).is_ok());
    waiting.wait_asleep(LONG)?;
    condition.notify_one();
    finish(&mut waiting);
    passed()
}
