//! What a thread lends is neither copied by a fork nor outlived by the references to it.
//!
//! Each body runs in a process of its own, in which it is the only thread.
#![expect(clippy::unwrap_used, clippy::panic, clippy::mem_forget, clippy::exit, reason = "a test")]
#![expect(unsafe_code, reason = "uses up libc's thread keys")]

use std::mem;
use std::thread;
use std::time::Duration;

use multiproc::{
    Array, ByteQueue, Condition, ExitStatus, Fork, JoinError, JoinableQueue, Lock, LockError,
    Mutex, Process, Queue, RLock, RwLock, Semaphore, Start, StartError, Value, fork, wait_for,
};

/// Runs a test where it is the only thread.
macro_rules! alone {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            Process::spawn(|()| body::$name(), ()).unwrap().join().unwrap();
        }
    )*};
}

alone! {
    fork_refuses_while_the_thread_lends_a_value_and_not_before_or_after
    fork_does_not_mind_what_lends_nothing
    what_is_given_on_is_not_lent_any_more
    lock_is_not_taken_by_a_thread_whose_end_would_not_be_noticed
}

mod body {
    use super::*;

    /// Forks a child that ends at once; both ways of it agree.
    fn fork_both_ways() -> Result<(), StartError> {
        let started = Process::builder().start(Start::Fork).spawn(drop, ());
        let forked = fork();
        if matches!(forked, Ok(Fork::Child)) {
            std::process::exit(0);
        }
        match forked {
            Ok(Fork::Parent(pid)) => {
                assert_eq!(wait_for(pid).unwrap(), ExitStatus::Exited(0));
                started.unwrap().join().unwrap();
                Ok(())
            }
            Err(error) => {
                assert_eq!(error.to_string(), started.unwrap_err().to_string());
                Err(error)
            }
            Ok(Fork::Child) => unreachable!(),
        }
    }

    fn refuses<G>(what: &str, lender: G) {
        let refused = fork_both_ways();
        assert!(matches!(refused, Err(StartError::Lends)), "{what}: {refused:?}");
        drop(lender);
        fork_both_ways().unwrap_or_else(|error| panic!("after {what}: {error}"));
    }

    pub(super) fn fork_refuses_while_the_thread_lends_a_value_and_not_before_or_after() {
        let mutex = Mutex::new(1_u64).unwrap();
        let rwlock = RwLock::new(1_u64).unwrap();
        let array = Array::<u64>::zeroed(8).unwrap();
        let queue = ByteQueue::bounded(4).unwrap();
        fork_both_ways().unwrap();
        refuses("a mutex", mutex.lock().unwrap());
        refuses("a mutex that is tried", mutex.try_lock().unwrap());
        refuses("a reader", rwlock.read().unwrap());
        refuses("two guards", (rwlock.read().unwrap(), mutex.lock().unwrap()));
        refuses("a writer", rwlock.write().unwrap());
        refuses("an array to read", array.read().unwrap());
        refuses("an array to write", array.write().unwrap());
        refuses("a loan", queue.loan(10_000).unwrap());
        queue.put(&[7; 10_000]).unwrap();
        refuses("a sample", queue.get_in_place().unwrap());

        // A guard that may be half of a dead one's work lends, too.
        let handle = mutex.clone();
        let victim = Process::spawn(
            |mutex: Mutex<u64>| {
                let _guard = mutex.lock().unwrap();
                std::process::abort();
            },
            handle,
        );
        let ended: Result<(), _> = victim.unwrap().join();
        assert!(ended.is_err());
        match mutex.lock() {
            Err(LockError::OwnerDied(recovery)) => refuses("a recovery", recovery),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn lock_is_not_taken_by_a_thread_whose_end_would_not_be_noticed() {
        let mutex = Mutex::new(1_u64).unwrap();
        let mut keys = Vec::new();
        let mut key = 0;
        // SAFETY: the key is written to a variable; it has no destructor.
        while unsafe { libc::pthread_key_create(&raw mut key, None) } == 0 {
            keys.push(key);
        }
        assert!(matches!(mutex.lock(), Err(LockError::TooManyHeld)));
        assert!(!mutex.is_locked());
        // SAFETY: it was made above, and is used by nobody.
        assert_eq!(unsafe { libc::pthread_key_delete(keys.pop().unwrap()) }, 0);
        *mutex.lock().unwrap() += 1;
        assert_eq!(mutex.get().unwrap(), 2);
    }

    pub(super) fn fork_does_not_mind_what_lends_nothing() {
        let (lock, rlock) = (Lock::new().unwrap(), RLock::new().unwrap());
        let semaphore = Semaphore::new(1).unwrap();
        let value = Value::new(3_u64).unwrap();
        let queue = Queue::bounded(4).unwrap();
        let tasks = JoinableQueue::bounded(4).unwrap();
        queue.put(1_u64).unwrap();
        tasks.put(2_u64).unwrap();
        let _held = (lock.lock().unwrap(), rlock.lock().unwrap(), semaphore.acquire().unwrap());
        let _turn = value.lock().unwrap();
        let _task = tasks.get().unwrap();
        assert_eq!(queue.get().unwrap(), 1);
        fork_both_ways().unwrap();
    }

    pub(super) fn what_is_given_on_is_not_lent_any_more() {
        let mutex = Mutex::new(1_u64).unwrap();
        let condition = Condition::new().unwrap();
        let guard = mutex.lock().unwrap();
        let (guard, _timed_out) = condition.wait_timeout(guard, Duration::from_millis(1)).unwrap();
        drop(guard);
        let rwlock = RwLock::new(1_u64).unwrap();
        drop(multiproc::RwLockWriteGuard::downgrade(rwlock.write().unwrap()).unwrap());
        let queue = ByteQueue::bounded(4).unwrap();
        queue.loan(10_000).unwrap().commit().unwrap();
        assert_eq!(queue.get_in_place().unwrap().len(), 10_000);
        fork_both_ways().unwrap();
    }
}

/// What a thread forgets, it lends beyond its end.
#[test]
fn thread_that_ends_lending_a_value_ends_its_process_and_peers_are_told() {
    let mutex = Mutex::new(1_u64).unwrap();
    let child = Process::spawn(
        |mutex: Mutex<u64>| {
            let mutex: &'static Mutex<u64> = Box::leak(Box::new(mutex));
            let lent: &'static u64 = thread::spawn(|| {
                let guard = Box::leak(Box::new(mutex.lock().unwrap()));
                &**guard
            })
            .join()
            .unwrap();
            // Not reached: the value would be another's by now.
            *lent
        },
        mutex.clone(),
    );
    let ended = child.unwrap().join();
    assert!(matches!(ended, Err(JoinError::Signaled { signal: libc::SIGABRT, .. })), "{ended:?}");
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
}

#[test]
fn thread_that_ends_its_process_while_it_lends_a_value_does_so_as_it_said() {
    for how in [0_u8, 1, 2] {
        let mutex = Mutex::new(1_u64).unwrap();
        let child = Process::spawn(
            |(mutex, how): (Mutex<u64>, u8)| {
                let end = move || {
                    let guard = mutex.lock().unwrap();
                    if how == 2 {
                        mem::forget(guard);
                    }
                    std::process::exit(7);
                };
                if how == 0 { end() } else { thread::spawn(end).join().unwrap() }
            },
            (mutex.clone(), how),
        );
        let ended: Result<(), _> = child.unwrap().join();
        assert!(matches!(ended, Err(JoinError::Exited(7))), "{ended:?}");
        assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
    }
}
