//! Who a process is, and that its end is seen: at once, and never in another's place.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ipc_core::{Deadline, DeathWatch, ProcessId, is_alive, wait_for_death, wire};

/// A child that lives until its standard input is closed, or it is killed.
fn child() -> (Child, ProcessId) {
    let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let id = ProcessId::of(child.id()).unwrap().unwrap();
    (child, id)
}

fn far() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

#[test]
fn a_process_knows_itself() {
    let me = ProcessId::current().unwrap();
    assert_eq!(ProcessId::current().unwrap(), me);
    assert_eq!(ProcessId::of(me.pid()).unwrap(), Some(me));
    assert!(me.start_time() > 0);
    assert!(is_alive(me).unwrap());
    assert_eq!(ProcessId::from_parts(me.pid(), me.start_time()), me);
}

#[test]
fn nobody_has_a_pid_that_is_not_given_out() {
    for pid in [0, u32::MAX, i32::MAX.unsigned_abs()] {
        assert_eq!(ProcessId::of(pid).unwrap(), None, "{pid}");
        let id = ProcessId::from_parts(pid, 1);
        assert!(!is_alive(id).unwrap(), "{pid}");
        assert!(DeathWatch::open(id).unwrap().is_none(), "{pid}");
        assert!(wait_for_death(id, Deadline::NEVER).unwrap(), "{pid}");
    }
}

#[test]
fn a_killed_process_is_dead_as_soon_as_the_kernel_says_so() {
    let (mut child, id) = child();
    let watch = DeathWatch::open(id).unwrap().unwrap();
    assert_eq!(watch.id(), id);
    assert!(!watch.is_dead().unwrap());
    assert!(!watch.wait(Deadline::after(Duration::from_millis(5))).unwrap());
    child.kill().unwrap();
    assert!(watch.wait(far()).unwrap());
    // Nobody has waited for it yet, so it is a zombie; it is dead all the same.
    assert!(!is_alive(id).unwrap());
    assert!(wait_for_death(id, Deadline::NEVER).unwrap());
    child.wait().unwrap();
    assert!(!is_alive(id).unwrap());
    assert!(watch.is_dead().unwrap());
}

#[test]
fn a_wait_ends_when_the_process_does() {
    let (mut child, id) = child();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || wait_for_death(id, Deadline::NEVER).unwrap());
        assert!(is_alive(id).unwrap());
        drop(child.stdin.take());
        assert!(waiter.join().unwrap());
    });
    child.wait().unwrap();
}

#[test]
fn a_recycled_pid_is_not_the_old_process() {
    let (mut child, id) = child();
    // The same pid with another birth time is what a recycled pid looks like.
    let predecessor = ProcessId::from_parts(id.pid(), id.start_time() - 1);
    assert_ne!(predecessor, id);
    assert!(!is_alive(predecessor).unwrap());
    assert!(wait_for_death(predecessor, Deadline::NEVER).unwrap());
    assert!(is_alive(id).unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_identity_travels() {
    let me = ProcessId::current().unwrap();
    let message = wire::encode(&me).unwrap();
    assert_eq!(wire::decode::<ProcessId>(message).unwrap(), me);
}
