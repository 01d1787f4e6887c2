//! Errors as programs meet them: they say what the page says.

use std::time::Duration;

use multiproc::{
    Address, Barrier, BoundedSemaphore, JoinableQueue, Key, Listener, Lock, Pool, Process, Program,
    Queue, Segment, ShmVec, channel, connect, pipe,
};

use crate::all;

/// That the page has this error with these words.
#[track_caller]
fn is_listed<E: std::error::Error>(name: &str, error: &E) {
    let said = error.to_string();
    let found = all().iter().find(|row| row.name == name).unwrap();
    assert_eq!(said, found.message, "{name}");
}

#[test]
fn queues_say_what_the_page_says() {
    let (sender, receiver) = channel::<u8>(1).unwrap();
    is_listed("queue::GetError::Empty", &receiver.try_get().unwrap_err());
    is_listed("queue::GetError::TimedOut", &receiver.get_timeout(Duration::ZERO).unwrap_err());
    sender.put(1).unwrap();
    is_listed("queue::PutError::Full", &sender.try_put(2).unwrap_err());
    is_listed("queue::PutError::TimedOut", &sender.put_timeout(2, Duration::ZERO).unwrap_err());
    drop(sender);
    receiver.get().unwrap();
    is_listed("queue::GetError::Disconnected", &receiver.get().unwrap_err());
    let queue = Queue::<u8>::bounded(1).unwrap();
    queue.close();
    is_listed("queue::PutError::Closed", &queue.put(1).unwrap_err());
    is_listed("queue::GetError::Closed", &queue.get().unwrap_err());
    let jobs = JoinableQueue::<u8>::bounded(1).unwrap();
    jobs.put(1).unwrap();
    is_listed("queue::UnfinishedError::Unfinished", &jobs.try_join().unwrap_err());
    let lease = jobs.get().unwrap();
    is_listed("queue::UnfinishedError::ByCaller", &jobs.join().unwrap_err());
    drop(lease);
}

#[test]
fn locks_say_what_the_page_says() {
    let lock = Lock::new().unwrap();
    let guard = lock.lock().unwrap();
    is_listed("sync::LockError::WouldDeadlock", &lock.lock().unwrap_err().without_lock());
    is_listed("sync::TryLockError::WouldBlock", &lock.try_lock().unwrap_err().without_lock());
    let waited = std::thread::scope(|scope| {
        let other = scope.spawn(|| lock.lock_timeout(Duration::ZERO).err().unwrap().without_lock());
        other.join().unwrap()
    });
    is_listed("sync::LockError::Timeout", &waited);
    drop(guard);
    let child = Process::spawn(
        |lock: Lock| -> () {
            let _held = lock.lock();
            std::process::abort();
        },
        lock.clone(),
    );
    child.unwrap().wait().unwrap();
    is_listed("sync::LockError::OwnerDied", &lock.lock().unwrap_err().without_lock());
    is_listed("sync::NewBarrierError::Parties", &Barrier::new(0).unwrap_err());
    let semaphore = BoundedSemaphore::new(1).unwrap();
    is_listed("sync::ReleaseError::TooManyPermits", &semaphore.release().unwrap_err());
}

#[test]
fn names_and_values_say_what_the_page_says() {
    is_listed("memory::SegmentError::BadName", &Lock::create_named("a/b").unwrap_err());
    let name = format!("multiproc-errors-{}", multiproc::current().pid());
    is_listed("memory::SegmentError::NotFound", &Lock::open_named(&name).unwrap_err());
    let lock = Lock::create_named(&name).unwrap();
    is_listed("memory::SegmentError::AlreadyExists", &Lock::create_named(&name).unwrap_err());
    Segment::unlink(&name).unwrap();
    drop(lock);
    let values = ShmVec::<u8>::with_capacity(1).unwrap();
    values.push(1).unwrap();
    is_listed("value::ChangeError::Full", &values.push(2).unwrap_err());
    is_listed("value::MemoryError::BadSize", &multiproc::SharedMemory::new(0).unwrap_err());
}

#[test]
fn connections_say_what_the_page_says() {
    let (here, there) = pipe::<u8, u8>().unwrap();
    is_listed("connection::RecvError::Empty", &here.try_recv().unwrap_err());
    is_listed("connection::RecvError::TimedOut", &here.recv_timeout(Duration::ZERO).unwrap_err());
    drop(there);
    is_listed("connection::RecvError::Disconnected", &here.recv().unwrap_err());
    is_listed("connection::SendError::Disconnected", &here.send(&1).unwrap_err());
    let address = Address::abstract_name(format!("errors {}", multiproc::current().pid()));
    let listener = Listener::builder().key(Key::new("right")).bind(&address).unwrap();
    is_listed(
        "connection::AcceptError::TimedOut",
        &listener.accept_timeout::<u8, u8>(Duration::ZERO).unwrap_err(),
    );
    std::thread::scope(|scope| {
        // Whoever accepts looks after all who knock.
        scope.spawn(|| listener.accept::<u8, u8>().unwrap());
        let wrong = connect::<u8, u8>(&address, Some(&Key::new("wrong"))).unwrap_err();
        is_listed("connection::ConnectError::Refused", &wrong);
        let none = connect::<u8, u8>(&address, None).unwrap_err();
        is_listed("connection::ConnectError::KeyWanted", &none);
        drop(connect::<u8, u8>(&address, Some(&Key::new("right"))).unwrap());
    });
}

/// Does not end.
fn park(_: ()) {
    loop {
        std::thread::park();
    }
}

#[test]
fn processes_and_pools_say_what_the_page_says() {
    let child = Process::spawn(|()| -> () { std::process::exit(3) }, ()).unwrap();
    is_listed("process::JoinError::Exited", &child.join().unwrap_err());
    let child = Process::spawn(|()| (), ()).unwrap();
    child.join().unwrap();
    is_listed("process::JoinError::Taken", &child.join().unwrap_err());
    let missing = Program::new("no-such-tool").call().unwrap_err();
    assert_eq!(missing.to_string(), "there is no program no-such-tool");
    let failed = Program::new("sh").args(["-c", "exit 2"]).check_output().unwrap_err();
    is_listed("process::ProgramError::Failed", &failed);

    is_listed("pool::PoolError::BadWorkers", &Pool::builder().workers(0).build().unwrap_err());
    let pool = Pool::builder().workers(1).build().unwrap();
    let task = pool.submit(|()| (), ()).unwrap();
    task.join().unwrap();
    is_listed("pool::TaskError::Taken", &task.join().unwrap_err());
    let task = pool.submit(park, ()).unwrap();
    assert!(task.cancel());
    is_listed("pool::TaskError::Cancelled", &task.join().unwrap_err());
    pool.close();
    let late = pool.submit(|()| (), ()).unwrap_err();
    is_listed("pool::PoolError::Closed", &late);
}
