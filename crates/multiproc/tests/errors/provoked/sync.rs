//! Locks and the like.

use std::time::Duration;

use multiproc::{
    Barrier, BoundedSemaphore, Condition, Lock, Mutex, Once, Process, Segment, Semaphore, Value,
    memory::{Kind, Layout, robust::MAX_HELD},
    sync, value,
};

use super::{Met, meets};

pub(super) fn met() -> Met {
    let mut met = Met::new();
    of_locks(&mut met);
    of_mutexes(&mut met);
    of_barriers(&mut met);
    of_semaphores(&mut met);
    of_onces(&mut met);
    of_a_full_hand(&mut met);
    met
}

/// Dies with the lock in its hands.
fn die_holding(lock: Lock) {
    let _held = lock.lock();
    std::process::abort();
}

fn of_locks(met: &mut Met) {
    let lock = Lock::new().unwrap();
    let guard = lock.lock().unwrap();
    meets!(met, lock.lock(), sync::LockError::WouldDeadlock);
    meets!(met, lock.try_lock(), sync::TryLockError::WouldBlock);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| lock.lock_timeout(Duration::ZERO).err().unwrap().without_lock());
        meets!(met, Err::<(), _>(other.join().unwrap()), sync::LockError::Timeout);
    });
    drop(guard);
    for is_tried in [false, true] {
        Process::spawn(die_holding, lock.clone()).unwrap().wait().unwrap();
        if is_tried {
            meets!(met, lock.try_lock(), sync::TryLockError::OwnerDied(_));
        } else {
            meets!(met, lock.lock(), sync::LockError::OwnerDied(_));
        }
    }
}

/// Dies in the middle of a change.
fn die_changing(number: Mutex<u32>) {
    if let Ok(mut number) = number.lock() {
        *number = 1;
        std::process::abort();
    }
}

fn of_mutexes(met: &mut Met) {
    let number = Mutex::new(0).unwrap();
    Process::spawn(die_changing, number.clone()).unwrap().wait().unwrap();
    // Who was told and repairs nothing leaves it as it is.
    drop(number.lock().err().unwrap());
    meets!(met, number.lock(), sync::LockError::Poisoned(_));
    meets!(met, number.try_lock(), sync::TryLockError::Poisoned(_));
}

fn of_barriers(met: &mut Met) {
    meets!(met, Barrier::new(0), sync::NewBarrierError::Parties { .. });
    let barrier = Barrier::new(2).unwrap();
    meets!(met, barrier.wait_timeout(Duration::ZERO), sync::BarrierError::Timeout);
    meets!(met, barrier.wait(), sync::BarrierError::PartyTimedOut);
    barrier.reset();
    barrier.abort();
    meets!(met, barrier.wait(), sync::BarrierError::Aborted);
    let member = barrier.member().unwrap();
    meets!(met, barrier.member(), sync::MemberError::AlreadyMember);
    drop(member);
    let alone = Barrier::new(1).unwrap();
    alone
        .wait_with(|| {
            meets!(met, alone.wait(), sync::BarrierError::WouldDeadlock);
        })
        .unwrap();
    barrier.reset();
    let joins = |barrier: Barrier| -> () {
        let _member = barrier.member();
        std::process::abort();
    };
    Process::spawn(joins, barrier.clone()).unwrap().wait().unwrap();
    meets!(met, barrier.wait(), sync::BarrierError::PartyDied { .. });
}

fn of_semaphores(met: &mut Met) {
    let semaphore = BoundedSemaphore::new(1).unwrap();
    meets!(met, semaphore.release(), sync::ReleaseError::TooManyPermits);
    semaphore.take().unwrap();
    meets!(met, semaphore.try_acquire(), sync::TryAcquireError::WouldBlock);
    meets!(met, semaphore.acquire_timeout(Duration::ZERO), sync::AcquireError::Timeout);
    meets!(met, Semaphore::new(u32::MAX), sync::SemaphoreError::TooManyPermits { .. });
    meets!(met, Semaphore::with_seats(1, u32::MAX), sync::SemaphoreError::TooManySeats { .. });
    let without = Semaphore::with_seats(1, 0).unwrap();
    meets!(met, without.acquire(), sync::AcquireError::NoSeat);
    meets!(met, without.try_acquire(), sync::TryAcquireError::NoSeat);
}

fn of_onces(met: &mut Met) {
    let once = Once::new().unwrap();
    let failed = once.call_once_fallible(|_| Err(std::fmt::Error));
    meets!(met, failed, sync::OnceError::Failed(_));
    once.call_once(|_| {
        meets!(met, once.call_once(|_| ()), sync::OnceError::Recursive);
        std::thread::scope(|scope| {
            let tried = scope.spawn(|| once.try_call_once(|_| ()));
            meets!(met, tried.join().unwrap(), sync::OnceError::Busy);
            let waited = scope.spawn(|| once.call_once_timeout(Duration::ZERO, |_| ()));
            meets!(met, waited.join().unwrap(), sync::OnceError::Timeout);
        });
    })
    .unwrap();
}

/// Of a thread that holds as many locks as a thread can.
fn of_a_full_hand(met: &mut Met) {
    let mut layout = Layout::new();
    let offsets: Vec<usize> = (0..MAX_HELD).map(|_| Lock::reserve(&mut layout)).collect();
    let segment = Segment::create(Kind::new(*b"many\0\0\0\0", 1), 0, layout.size()).unwrap();
    let locks: Vec<Lock> =
        offsets.iter().map(|at| Lock::in_segment(&segment, *at).unwrap()).collect();
    // One by one, as each guard of the condition's has to be the last.
    let (last, locks) = locks.split_last().unwrap();
    locks.iter().for_each(|lock| lock.acquire().unwrap());
    let guard = last.lock().unwrap();
    let one_more = Lock::new().unwrap();
    meets!(met, one_more.lock(), sync::LockError::TooManyHeld);
    meets!(met, one_more.try_lock(), sync::TryLockError::TooManyHeld);
    meets!(met, Barrier::new(2).unwrap().wait(), sync::BarrierError::TooManyHeld);
    meets!(met, Barrier::new(2).unwrap().member(), sync::MemberError::TooManyHeld);
    meets!(met, Semaphore::new(1).unwrap().acquire(), sync::AcquireError::TooManyHeld);
    meets!(met, Semaphore::new(1).unwrap().try_acquire(), sync::TryAcquireError::TooManyHeld);
    meets!(met, Once::new().unwrap().call_once(|_| ()), sync::OnceError::TooManyHeld);
    meets!(met, Value::new([0_u64; 4]).unwrap().set([1; 4]), value::AccessError::TooManyHeld);
    let condition = Condition::new().unwrap();
    meets!(met, condition.wait(guard), sync::WaitError::TooManyHeld);
    locks.iter().for_each(|lock| lock.release().unwrap());
}
