//! Whom a notification reaches, and when.
#![expect(unsafe_code, reason = "installs a signal handler")]

use std::ptr;
use std::sync::OnceLock;
use std::thread;

use ipc_core::Deadline;
use ipc_sync::{Condition, Lock, Mutex, WaitEnd};
use testkit::child::Child;
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

/// Starts children that wait once and then add one to a count, one after the other.
fn start_waiting<const N: usize>(
    (lock, condition): (&Lock, &Condition),
    through: &Counter,
) -> Result<[Child; N], String> {
    let mut waiting = [(); N].map(|()| None);
    for child in &mut waiting {
        let mut started = start(|| {
            let waited = condition.wait(lock.lock().unwrap());
            through.add(1);
            waited.is_ok()
        });
        started.wait_asleep(LONG)?;
        *child = Some(started);
    }
    Ok(waiting.map(Option::unwrap))
}

/// Waits until so many have come through, and sees that the others sleep on.
fn expect_through(
    children: &mut [Child],
    through: &Counter,
    expected: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    through.wait_until(|count| count >= expected);
    let mut asleep = 0;
    for child in children.iter_mut() {
        asleep += u64::from(child.wait_settled(LONG)?.is_none());
    }
    assert_eq!((through.get(), asleep), (expected, children.len() as u64 - expected));
    Ok(())
}

pub(crate) fn as_many_wake_up_as_are_notified() -> Outcome {
    let (lock, condition) = (Lock::new()?, Condition::new()?);
    let through = SharedArena::<Counter>::new(1);
    let mut waiting = start_waiting::<6>((&lock, &condition), &through[0])?;
    condition.notify_n(0);
    expect_through(&mut waiting, &through[0], 0)?;
    condition.notify_one();
    expect_through(&mut waiting, &through[0], 1)?;
    condition.notify_n(2);
    expect_through(&mut waiting, &through[0], 3)?;
    {
        // With the lock, too.
        let _guard = lock.lock().unwrap();
        condition.notify_one();
    }
    expect_through(&mut waiting, &through[0], 4)?;
    condition.notify_all();
    expect_through(&mut waiting, &through[0], 6)?;
    let mut waiting = start_waiting::<2>((&lock, &condition), &through[0])?;
    condition.notify_n(usize::MAX);
    waiting.iter_mut().for_each(finish);
    passed()
}

pub(crate) fn it_is_for_those_who_wait_then() -> Outcome {
    let (lock, condition) = (Lock::new()?, Condition::new()?);
    let notifiers: [fn(&Condition); 3] =
        [Condition::notify_one, |condition| condition.notify_n(9), Condition::notify_all];
    let through = SharedArena::<Counter>::new(1);
    for notify in notifiers {
        notify(&condition);
        let (_guard, end) = condition.wait_timeout(lock.lock().unwrap(), SHORT).unwrap();
        assert_eq!(end, WaitEnd::TimedOut, "nobody waited then");
    }
    // One who came for the first notification is not there for the second.
    for notify in notifiers {
        let mut waiting = start_waiting::<1>((&lock, &condition), &through[0])?;
        notify(&condition);
        waiting.iter_mut().for_each(finish);
        let (_guard, end) = condition.wait_timeout(lock.lock().unwrap(), SHORT).unwrap();
        assert_eq!(end, WaitEnd::TimedOut);
    }
    passed()
}

/// Each notifies the other and waits, all on one condition: who takes its own notification leaves
/// both asleep.
pub(crate) fn two_take_turns() -> Outcome {
    let (turn, condition) = (Mutex::new(0_u64)?, Condition::new()?);
    let mut players = [0, 1].map(|me| {
        start(|| {
            for _ in 0..2000 {
                let guard = turn.lock().unwrap();
                let mut guard = condition.wait_while(guard, |turn| *turn % 2 != me).unwrap();
                *guard += 1;
                // Before it gives the lock back, and after.
                if *guard % 3 == 0 {
                    drop(guard);
                }
                condition.notify_one();
            }
            true
        })
    });
    players.iter_mut().for_each(finish);
    assert_eq!(turn.get().unwrap(), 4000);
    passed()
}

pub(crate) fn what_is_made_is_taken() -> Outcome {
    const EACH: u64 = 1500;
    let (stock, more, room) = (Mutex::new(0_u64)?, Condition::new()?, Condition::new()?);
    let taken = SharedArena::<Counter>::new(1);
    let mut makers = [(); 2].map(|()| {
        start(|| {
            for _ in 0..EACH {
                let guard = stock.lock().unwrap();
                *room.wait_while(guard, |stock| *stock >= 3).unwrap() += 1;
                more.notify_one();
            }
            true
        })
    });
    let mut takers = [(); 3].map(|()| {
        start(|| {
            for _ in 0..EACH * 2 / 3 {
                let guard = stock.lock().unwrap();
                *more.wait_while(guard, |stock| *stock == 0).unwrap() -= 1;
                room.notify_one();
                taken[0].add(1);
            }
            true
        })
    });
    makers.iter_mut().chain(&mut takers).for_each(finish);
    assert_eq!((taken[0].get(), stock.get().unwrap()), (EACH * 2, 0));
    passed()
}

pub(crate) fn a_notifier_waits_for_nobody() -> Outcome {
    let (lock, condition) = (Lock::new()?, Condition::new()?);
    let through = SharedArena::<Counter>::new(1);
    let mut waiting = start_waiting::<3>((&lock, &condition), &through[0])?;
    for child in &mut waiting {
        child.signal(libc::SIGSTOP);
    }
    // All of them are stopped, and the lock is held.
    let guard = lock.lock().unwrap();
    in_child(|| {
        condition.notify_one();
        condition.notify_n(1);
        condition.notify_all();
        true
    });
    drop(guard);
    for child in &mut waiting {
        child.signal(libc::SIGCONT);
    }
    waiting.iter_mut().for_each(finish);
    passed()
}

/// What the handler notifies.
static CONDITION: OnceLock<Condition> = OnceLock::new();

extern "C" fn notify_one(_: libc::c_int) {
    if let Some(condition) = CONDITION.get() {
        condition.notify_one();
    }
}

#[expect(clippy::fn_to_numeric_cast_any, reason = "that is how a handler is given")]
pub(crate) fn a_signal_handler_may_notify() -> Outcome {
    let (lock, condition) = (Lock::new()?, Condition::new()?);
    CONDITION.get_or_init(|| condition.clone());
    // SAFETY: all zeros are a valid `sigaction`: no mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = notify_one as *const () as usize;
    // SAFETY: the action is valid, and the handler does what handlers may.
    let result = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()) };
    assert_eq!(result, 0);
    let through = SharedArena::<Counter>::new(1);
    let mut waiting = start_waiting::<3>((&lock, &condition), &through[0])?;
    for expected in 1..=3 {
        // The handler runs in one who waits, first in line or not, while it waits.
        let mut living = waiting.iter_mut().rev().filter_map(|child| {
            let lives = child.try_wait().is_none();
            lives.then_some(child)
        });
        living.next().unwrap().signal(libc::SIGUSR1);
        drop(living);
        expect_through(&mut waiting, &through[0], expected)?;
    }
    passed()
}

pub(crate) fn a_timeout_ends_a_wait() -> Outcome {
    let (value, condition) = (Mutex::new(5_u64)?, Condition::new()?);
    let guard = value.lock().unwrap();
    let (guard, end) = condition.wait_timeout(guard, SHORT).unwrap();
    assert!(end.is_timed_out());
    in_child(|| value.try_lock().unwrap_err().is_would_block());
    let (guard, end) = condition.wait_deadline(guard, Deadline::now()).unwrap();
    assert!(end.is_timed_out());
    let (guard, end) = condition.wait_while_timeout(guard, SHORT, |value| *value == 5).unwrap();
    assert!(end.is_timed_out());
    drop(guard);
    // First in line, and behind another.
    let mut first = start(|| {
        let (guard, end) = condition.wait_timeout(value.lock().unwrap(), LONG).unwrap();
        !end.is_timed_out() && *guard == 5
    });
    first.wait_asleep(LONG)?;
    in_child(|| {
        let before = Deadline::now();
        let (_guard, end) = condition.wait_timeout(value.lock().unwrap(), SHORT).unwrap();
        end.is_timed_out() && before < Deadline::now()
    });
    // What was not taken by those who gave up is there for the one who did not.
    condition.notify_one();
    finish(&mut first);
    passed()
}

pub(crate) fn it_waits_while_there_is_reason() -> Outcome {
    let (value, condition) = (Mutex::new(0_u64)?, Condition::new()?);
    // No reason, no wait.
    let guard = condition.wait_while(value.lock().unwrap(), |value| *value > 0).unwrap();
    let (guard, end) = condition.wait_while_timeout(guard, SHORT, |value| *value > 0).unwrap();
    assert!(!end.is_timed_out());
    drop(guard);
    let mut waiting = start(|| {
        let guard = value.lock().unwrap();
        *condition.wait_while(guard, |value| *value < 3).unwrap() == 3
    });
    for expected in 1..=3 {
        waiting.wait_asleep(LONG)?;
        assert_eq!(value.update(|value| value + 1).unwrap(), expected);
        condition.notify_all();
    }
    finish(&mut waiting);
    // Threads of one process, and a lock on nothing.
    let (lock, ready) = (Lock::new()?, SharedArena::<Counter>::new(1));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let guard = lock.lock().unwrap();
            condition.wait_while(guard, |()| ready[0].get() == 0).is_ok()
        });
        let guard = lock.lock().unwrap();
        ready[0].set(1);
        drop(guard);
        condition.notify_one();
        assert!(waiting.join().unwrap());
    });
    passed()
}
