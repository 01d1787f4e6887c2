//! `mproc ls`, while real objects are alive.

use std::os::fd::AsFd as _;
use std::process::Command;
use std::time::Duration;

use ipc_core::Segment;
use ipc_core::primitive::{AtomicU32, Ordering::Relaxed};
use ipc_queue::Queue;
use ipc_sync::{Event, Lock, LockError, Semaphore};
use proc_core::Process;
use serde_json::Value;
use shm_value::ShmMap;
use testkit::Watchdog;

use crate::run::{json, mproc, own_pid};

/// What `ls` says of a segment.
fn see(segment: &Segment) -> Value {
    let listing = json(&["ls", "--json"]);
    assert_eq!(listing["schema"], 1);
    let objects = listing["objects"].as_array().unwrap();
    let id = segment.id().to_string();
    objects.iter().find(|object| object["id"] == *id).unwrap().clone()
}

#[test]
fn queues_locks_and_maps_are_told_of() {
    let queue = Queue::<u32>::bounded(5).unwrap();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    let seen = see(queue.segment());
    assert_eq!(
        (&seen["what"], &seen["depth"], &seen["capacity"]),
        (&"Queue".into(), &2.into(), &5.into())
    );
    assert_eq!(seen["open_in"][0]["pid"], own_pid());
    assert_eq!(seen["holders"][0]["pid"], own_pid());

    let semaphore = Semaphore::new(7).unwrap();
    assert_eq!(see(semaphore.segment())["depth"], 7);

    let map = ShmMap::<u32, u32>::with_capacity(9).unwrap();
    map.insert(1, 1).unwrap();
    assert_eq!(
        (see(map.segment())["what"].as_str(), see(map.segment())["depth"].as_u64()),
        (Some("ShmMap"), Some(1))
    );
}

#[test]
fn a_lock_whose_holder_was_killed_is_told_of_and_so_is_its_repair() {
    let (lock, held) = (Lock::new().unwrap(), Event::new().unwrap());
    let child = Process::spawn(
        |(lock, held): (Lock, Event)| {
            lock.acquire().unwrap();
            held.set();
            loop {
                std::thread::park();
            }
        },
        (lock.clone(), held.clone()),
    );
    let child: Process<()> = child.unwrap();
    held.wait();
    let seen = see(lock.segment());
    assert_eq!((&seen["what"], &seen["depth"]), (&"Lock".into(), &1.into()));
    assert_eq!(seen["holders"][0]["pid"], child.pid());
    let users: Vec<_> = seen["open_in"].as_array().unwrap().iter().map(|it| &it["pid"]).collect();
    // Others may have it for a moment: what other tests start, until it runs its own program.
    assert!(users.contains(&&child.pid().into()) && users.contains(&&own_pid().into()));

    child.kill().unwrap();
    child.wait().unwrap();
    let seen = see(lock.segment());
    assert_eq!((&seen["state"][0], &seen["deaths_repaired"]), (&"owner died".into(), &0.into()));
    assert!(matches!(lock.lock(), Err(LockError::OwnerDied(_))));
    let seen = see(lock.segment());
    assert_eq!((seen["state"].as_array().unwrap().len(), &seen["deaths_repaired"]), (0, &1.into()));
}

#[test]
fn who_waits_for_a_lock_is_told_of_where_the_kernel_tells_it() {
    let lock = Lock::new().unwrap();
    let held = lock.lock().unwrap();
    let child = Process::spawn(|lock: Lock| drop(lock.lock()), lock.clone()).unwrap();
    // It goes to sleep when it has the processor, and stays asleep.
    let _watch = Watchdog::start(Duration::from_secs(120), "a child that goes to sleep");
    let line = format!("/proc/{}/syscall", child.pid());
    loop {
        // Another program is allowed what `mproc` is.
        let may_look = Command::new("cat").arg(&line).output().unwrap().status.success();
        match see(lock.segment())["waiters"].as_array() {
            Some(waiters) if !waiters.is_empty() => {
                assert_eq!((waiters.len(), &waiters[0]["pid"]), (1, &child.pid().into()));
                break;
            }
            None if !may_look => break,
            // It is not asleep yet; or somebody who is about to run another program has the lock open.
            _ => {}
        }
    }
    drop(held);
    child.join().unwrap();
    assert!(see(lock.segment())["waiters"].as_array().is_none_or(|waiters| waiters.is_empty()));
}

#[test]
fn an_object_with_a_name_is_told_by_it_even_if_nobody_has_it_open() {
    let name = format!("mproc-test-{}", own_pid());
    let event = Event::create_named(&name).unwrap();
    let seen = see(event.segment());
    assert_eq!(seen["name"], *name);
    let id = event.segment().id().to_string();
    drop(event);
    let listing = json(&["ls", "--json"]);
    Segment::unlink(&name).unwrap();
    let objects = listing["objects"].as_array().unwrap();
    let seen = objects.iter().find(|object| object["id"] == *id).unwrap();
    assert_eq!((&seen["name"], &seen["what"]), (&name.into(), &"Event".into()));
    assert_eq!(seen["open_in"].as_array().unwrap().len(), 0);
}

#[test]
fn a_segment_of_a_kind_of_ones_own_is_listed_and_left_as_it_was() {
    let kind = ipc_core::Kind::new(*b"my-own\0\0", 3);
    let segment = Segment::create(kind, 0, 64).unwrap();
    segment.at::<AtomicU32>(0).unwrap().store(u32::MAX, Relaxed);
    let seen = see(&segment);
    assert_eq!((&seen["what"], &seen["kind"]), (&"Segment".into(), &"my-own/3".into()));
    assert_eq!((&seen["bytes"], &seen["memory"]), (&64.into(), &4096.into()));
    assert_eq!(segment.at::<AtomicU32>(0).unwrap().load(Relaxed), u32::MAX);
}

#[test]
fn the_table_is_for_one_process_if_that_is_asked_for() {
    let lock = Lock::new().unwrap();
    let out = mproc(&["ls", "--pid", &own_pid().to_string()]);
    assert_eq!(out.status, 0);
    let line = out.stdout.lines().find(|line| line.contains(&lock.segment().id().to_string()));
    assert!(line.unwrap().starts_with("Lock "), "{}", out.stdout);
    // Nobody has this number: it is greater than any that Linux gives.
    let out = mproc(&["ls", "--pid", "99999999"]);
    assert_eq!((out.status, out.stdout.as_str()), (2, ""));
    assert_eq!(out.stderr, "mproc: there is no process 99999999 of this user\n");
    assert!(lock.segment().as_fd().try_clone_to_owned().is_ok());
}
