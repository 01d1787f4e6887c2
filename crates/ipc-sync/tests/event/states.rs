//! Setting, clearing and waiting, by the living and the dead.

use std::thread;

use ipc_core::Deadline;
use ipc_sync::Event;
use testkit::child::Child;
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

/// Children that wait for the event, asleep.
fn sleepers<const N: usize>(event: &Event) -> Result<[Child; N], String> {
    ipc_sync::raw::set_spin(0);
    let mut children = [(); N].map(|()| {
        start(|| {
            event.wait();
            true
        })
    });
    for child in &mut children {
        child.wait_asleep(LONG)?;
    }
    Ok(children)
}

pub(crate) fn an_event_stays_as_it_was_left() -> Outcome {
    let event = Event::new()?;
    assert!(!event.is_set());
    in_child(|| {
        event.set();
        event.set();
        true
    });
    for _ in 0..2 {
        assert!(event.is_set());
        assert!(event.clone().wait_deadline(Deadline::now()));
        event.wait();
    }
    in_child(|| {
        event.clear();
        event.clear();
        true
    });
    assert!(!event.is_set());
    assert!(!event.wait_deadline(Deadline::now()));
    assert_eq!(format!("{event:?}"), "Event { is_set: false, waiters: 0, .. }");
    passed()
}

pub(crate) fn a_set_releases_all_who_wait() -> Outcome {
    let event = Event::new()?;
    let mut children = sleepers::<3>(&event)?;
    assert!(event.stats().has_waiters);
    event.set();
    children.iter_mut().for_each(finish);
    // The mark of the sleepers is gone: setting it takes no system call any more.
    assert!(event.is_set() && !event.stats().has_waiters);
    passed()
}

pub(crate) fn a_clear_at_once_keeps_nobody() -> Outcome {
    let event = Event::new()?;
    for _ in 0..20 {
        let mut children = sleepers::<2>(&event)?;
        event.set();
        event.clear();
        children.iter_mut().for_each(finish);
        assert!(!event.is_set());
    }
    passed()
}

pub(crate) fn a_timeout_ends_a_wait() -> Outcome {
    let event = Event::new()?;
    let before = Deadline::now();
    assert!(!event.wait_timeout(SHORT), "nobody has set it");
    assert!(before < Deadline::now());
    // One whose time has passed leaves the others asleep, and is no hindrance.
    let mut children = sleepers::<2>(&event)?;
    assert!(!event.wait_timeout(SHORT));
    let mut timed = start(|| event.wait_timeout(LONG));
    timed.wait_asleep(LONG)?;
    event.set();
    finish(&mut timed);
    children.iter_mut().for_each(finish);
    assert!(event.wait_timeout(SHORT));
    passed()
}

pub(crate) fn a_signal_does_not_end_a_wait() -> Outcome {
    let event = Event::new()?;
    let mut waiting = [start(|| event.wait_timeout(LONG)), start(|| event.wait_timeout(LONG))];
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
        // What stops and continues a process interrupts its sleep.
        for _ in 0..3 {
            child.signal(libc::SIGSTOP);
            child.signal(libc::SIGCONT);
        }
        child.wait_asleep(LONG)?;
    }
    event.set();
    waiting.iter_mut().for_each(finish);
    passed()
}

pub(crate) fn nobody_waits_for_the_dead() -> Outcome {
    let event = Event::new()?;
    let mut children = sleepers::<3>(&event)?;
    children[0].kill();
    children[0].wait();
    event.set();
    let [_, others @ ..] = &mut children;
    others.iter_mut().for_each(finish);
    event.clear();
    // Nor does a dead one count among those who come after it.
    let mut children = sleepers::<1>(&event)?;
    event.set();
    children.iter_mut().for_each(finish);
    passed()
}

pub(crate) fn nobody_waits_for_the_stopped() -> Outcome {
    let event = Event::new()?;
    let mut children = sleepers::<2>(&event)?;
    children[0].signal(libc::SIGSTOP);
    event.set();
    finish(&mut children[1]);
    event.clear();
    // It was released, whenever it goes on.
    children[0].signal(libc::SIGCONT);
    finish(&mut children[0]);
    passed()
}

pub(crate) fn threads_wait_too() -> Outcome {
    let (there, back) = (Event::new()?, Event::new()?);
    let rounds = SharedArena::<Counter>::new(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..1000 {
                there.wait();
                there.clear();
                rounds[0].add(1);
                back.set();
            }
        });
        for round in 1..=1000 {
            there.set();
            back.wait();
            back.clear();
            assert_eq!(rounds[0].get(), round);
        }
    });
    passed()
}
