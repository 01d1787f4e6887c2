//! Members: threads that are missed when they die, wherever they are.
#![expect(unsafe_code, reason = "threads and programs that end in the middle")]

use std::ffi::CString;
use std::panic::{self, AssertUnwindSafe};
use std::{mem, ptr, thread};

use ipc_core::{Deadline, ProcessId};
use ipc_sync::{Barrier, BarrierError, MemberError};
use testkit::child::Child;
use testkit::{Counter, Outcome, SharedArena, child};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

/// A child that becomes a member, and then does nothing until it is killed.
fn idle(barrier: &Barrier) -> Child {
    let before = barrier.stats().members.len();
    let child = child::fork(|| {
        let _member = barrier.member().unwrap();
        loop {
            thread::park();
        }
    });
    while barrier.stats().members.len() == before {
        thread::yield_now();
    }
    child
}

fn died(child: &Child) -> BarrierError {
    BarrierError::PartyDied { pid: u32::try_from(child.pid()).unwrap() }
}

/// A child that waits and is content if it is told that this one died; it is asleep by now.
fn told(barrier: &Barrier, victim: &Child) -> Child {
    let expected = died(victim);
    let mut child = start(|| barrier.wait() == Err(expected));
    child.wait_asleep(LONG).unwrap();
    child
}

fn kill(mut victim: Child) {
    victim.kill();
    victim.wait();
}

/// That the barrier works, and misses nobody.
fn works(barrier: &Barrier) {
    let mut others: Vec<_> =
        (1..barrier.parties()).map(|_| start(|| barrier.wait().is_ok())).collect();
    barrier.wait().unwrap();
    others.iter_mut().for_each(finish);
}

pub(crate) fn a_death_on_the_way_is_told_to_all_who_wait() -> Outcome {
    let barrier = Barrier::new(4)?;
    for deaths in 1..=3 {
        // One that was a member before they came, and one that becomes a member while they sleep.
        let early = idle(&barrier);
        let mut sleepers = [(); 2].map(|()| told(&barrier, &early));
        let late = idle(&barrier);
        kill(early);
        sleepers.iter_mut().for_each(finish);
        let stats = barrier.stats();
        assert_eq!((stats.deaths, stats.members.len()), (2 * deaths - 1, 1), "{stats:?}");
        barrier.reset();
        let mut sleepers = [(); 3].map(|()| told(&barrier, &late));
        kill(late);
        sleepers.iter_mut().for_each(finish);
        assert_eq!(barrier.stats().deaths, 2 * deaths);
        barrier.reset();
        works(&barrier);
    }
    passed()
}

pub(crate) fn who_joins_while_others_sleep_is_missed() -> Outcome {
    let barrier = Barrier::new(3)?;
    let notes = SharedArena::<Counter>::new(1);
    let mut sleepers = [(); 2].map(|()| {
        let mut child = start(|| match barrier.wait() {
            Err(BarrierError::PartyDied { pid }) => u64::from(pid) == notes[0].get(),
            _ => false,
        });
        child.wait_asleep(LONG).unwrap();
        child
    });
    let victim = idle(&barrier);
    notes[0].set(u64::try_from(victim.pid())?);
    kill(victim);
    sleepers.iter_mut().for_each(finish);
    passed()
}

pub(crate) fn a_death_before_anybody_came_is_told() -> Outcome {
    for parties in [1, 2] {
        let barrier = Barrier::new(parties)?;
        let victim = idle(&barrier);
        let expected = died(&victim);
        kill(victim);
        // The last to come is told as well as the first, and also if it would not wait.
        assert_eq!(barrier.wait(), Err(expected));
        assert_eq!(barrier.stats().broken, Some(expected));
        barrier.reset();
        if parties == 1 {
            assert_eq!(barrier.wait(), Ok(0), "it is told once");
        } else {
            let victim = idle(&barrier);
            let expected = died(&victim);
            kill(victim);
            assert_eq!(barrier.wait_deadline(Deadline::now()), Err(expected));
            barrier.reset();
            works(&barrier);
        }
    }
    passed()
}

pub(crate) fn a_death_between_two_rounds_is_told() -> Outcome {
    let barrier = Barrier::new(2)?;
    let mut victim = child::fork(|| {
        let member = barrier.member().unwrap();
        member.wait().unwrap();
        // It comes through once and does not come again.
        mem::forget(member);
        0
    });
    barrier.wait().unwrap();
    assert_eq!(barrier.wait(), Err(died(&victim)));
    victim.wait();
    passed()
}

pub(crate) fn a_death_at_the_barrier_is_told_once() -> Outcome {
    let barrier = Barrier::new(3)?;
    let mut victim = start(|| barrier.member().unwrap().wait().is_err());
    victim.wait_asleep(LONG)?;
    let mut other = told(&barrier, &victim);
    victim.kill();
    finish(&mut other);
    victim.wait();
    barrier.reset();
    works(&barrier);
    assert_eq!(barrier.stats().deaths, 1);
    passed()
}

pub(crate) fn many_members_may_die_at_once() -> Outcome {
    let barrier = Barrier::new(200)?;
    let victims: Vec<_> = (0..Barrier::MOST_MEMBERS).map(|_| idle(&barrier)).collect();
    assert_eq!(barrier.member().unwrap_err(), MemberError::TooManyMembers);
    let mut sleepers: Vec<_> = (0..3)
        .map(|_| {
            let mut child = start(|| matches!(barrier.wait(), Err(BarrierError::PartyDied { .. })));
            child.wait_asleep(LONG).unwrap();
            child
        })
        .collect();
    victims.iter().for_each(Child::kill);
    sleepers.iter_mut().for_each(finish);
    victims.into_iter().for_each(kill);
    barrier.reset();
    assert_eq!(barrier.stats().members, []);
    // Their places are free again.
    let members: Vec<_> = (0..Barrier::MOST_MEMBERS).map(|_| idle(&barrier)).collect();
    members.into_iter().for_each(kill);
    passed()
}

pub(crate) fn who_leaves_is_not_missed() -> Outcome {
    let barrier = Barrier::new(2)?;
    for _ in 0..5 {
        in_child(|| {
            let member = barrier.member().unwrap();
            assert_eq!(barrier.member().unwrap_err(), MemberError::AlreadyMember);
            assert_eq!(member.barrier().parties(), 2);
            drop(member);
            drop(barrier.member().unwrap());
            true
        });
        assert_eq!(barrier.stats().members, []);
        works(&barrier);
    }
    assert_eq!(barrier.stats().deaths, 0);
    passed()
}

pub(crate) fn who_leaves_in_a_panic_is_missed() -> Outcome {
    let barrier = Barrier::new(2)?;
    let me = ProcessId::current()?.pid();
    let mut other = start(|| barrier.wait() == Err(BarrierError::PartyDied { pid: me }));
    other.wait_asleep(LONG)?;
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        let _member = barrier.member().unwrap();
        panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    finish(&mut other);
    barrier.reset();
    works(&barrier);
    passed()
}

pub(crate) fn a_thread_may_die_alone() -> Outcome {
    let barrier = Barrier::new(2)?;
    let me = ProcessId::current()?.pid();
    let mut other = start(|| barrier.wait() == Err(BarrierError::PartyDied { pid: me }));
    other.wait_asleep(LONG)?;
    let handle = barrier.clone();
    thread::spawn(move || mem::forget(handle.member().unwrap())).join().unwrap();
    finish(&mut other);
    passed()
}

pub(crate) fn who_executes_another_program_is_missed() -> Outcome {
    let barrier = Barrier::new(2)?;
    let program = CString::new("/bin/true")?;
    let mut other = start(|| {
        mem::forget(barrier.member().unwrap());
        let arguments = [program.as_ptr(), ptr::null()];
        // SAFETY: both lists end in a null pointer, and live until the call has replaced the process.
        unsafe { libc::execv(program.as_ptr(), arguments.as_ptr()) };
        false
    });
    finish(&mut other);
    assert_eq!(barrier.wait(), Err(died(&other)));
    passed()
}

pub(crate) fn a_forked_child_is_no_member() -> Outcome {
    let barrier = Barrier::new(2)?;
    let member = barrier.member()?;
    in_child(|| {
        // SAFETY: the child has a copy of its own, which nobody else drops.
        drop(unsafe { ptr::read(&raw const member) });
        // It may become one itself, and leave.
        drop(barrier.member().unwrap());
        true
    });
    assert!(!barrier.is_broken());
    assert_eq!(barrier.stats().members.len(), 1, "the parent's is left alone");
    let mut child = child::fork(|| 0);
    child.wait();
    assert_eq!(barrier.wait_timeout(SHORT), Err(BarrierError::Timeout), "nobody is missed");
    let members = member.stats().members;
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].pid, Some(ProcessId::current()?.pid()));
    assert!(format!("{member:?}").contains(&members[0].to_string()), "{member:?}");
    passed()
}

pub(crate) fn who_waits_is_named() -> Outcome {
    let barrier = Barrier::new(3)?;
    let mut waiting = start(|| barrier.wait().is_ok());
    waiting.wait_asleep(LONG)?;
    let who = barrier.stats().waiting;
    assert_eq!(who.len(), 1);
    assert_eq!(who[0].pid, Some(u32::try_from(waiting.pid())?));
    assert!(format!("{barrier:?}").contains(&who[0].to_string()), "{barrier:?}");
    let mut last = start(|| barrier.wait().is_ok());
    last.wait_asleep(LONG)?;
    barrier.wait().unwrap();
    finish(&mut waiting);
    finish(&mut last);
    passed()
}
