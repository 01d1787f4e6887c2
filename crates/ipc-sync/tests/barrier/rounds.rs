//! Rounds that are completed.

use ipc_core::Deadline;
use ipc_sync::{Barrier, BarrierError};
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

pub(crate) fn nobody_goes_on_until_all_have_come() -> Outcome {
    let barrier = Barrier::new(4)?;
    let notes = SharedArena::<Counter>::new(5);
    let mut parties = [(); 3].map(|()| {
        start(|| {
            notes[4].add(1);
            let number = barrier.wait().unwrap();
            notes[number as usize].add(1);
            // Who goes on sees what everybody did before.
            notes[4].get() == 4
        })
    });
    for (came, party) in parties.iter_mut().enumerate() {
        party.wait_asleep(LONG)?;
        assert!(barrier.waiting() > 0 && barrier.waiting() as usize >= came);
    }
    assert_eq!((barrier.waiting(), barrier.parties()), (3, 4));
    assert_eq!(notes[..4].iter().map(Counter::get).sum::<u64>(), 0);
    notes[4].add(1);
    let number = barrier.wait().unwrap();
    notes[number as usize].add(1);
    parties.iter_mut().for_each(finish);
    assert!(notes[..4].iter().all(|note| note.get() == 1), "each number once");
    assert_eq!(number, 3, "they are numbered as they come");
    let stats = barrier.stats();
    assert_eq!((stats.parties, stats.waiting.len(), stats.broken), (4, 0, None));
    passed()
}

pub(crate) fn one_party_is_let_through() -> Outcome {
    let barrier = Barrier::new(1)?;
    for _ in 0..100 {
        assert_eq!(barrier.wait(), Ok(0));
        assert_eq!(barrier.wait_timeout(SHORT), Ok(0));
    }
    in_child(|| barrier.wait() == Ok(0));
    assert!(!barrier.is_broken());
    passed()
}

pub(crate) fn rounds_follow_each_other() -> Outcome {
    const ROUNDS: u64 = 2_000;
    const PARTIES: u32 = 3;
    let barrier = Barrier::new(PARTIES)?;
    let notes = SharedArena::<Counter>::new(1);
    let mut parties = [(); PARTIES as usize].map(|()| {
        start(|| {
            (1..=ROUNDS).all(|round| {
                notes[0].add(1);
                barrier.wait().unwrap();
                let seen = notes[0].get();
                // Nobody is a round ahead of the slowest.
                let all = u64::from(PARTIES) * round;
                barrier.wait().is_ok() && seen == all
            })
        })
    });
    parties.iter_mut().for_each(finish);
    passed()
}

pub(crate) fn more_threads_than_parties() -> Outcome {
    const TIMES: u64 = 2_000;
    let barrier = Barrier::new(2)?;
    let notes = SharedArena::<Counter>::new(2);
    let mut parties = [(); 6].map(|()| {
        start(|| {
            loop {
                match barrier.wait() {
                    Ok(number) => notes[number as usize].add(1),
                    Err(error) => return error == BarrierError::Aborted,
                };
            }
        })
    });
    for note in notes.iter() {
        note.wait_until(|passed| passed > TIMES);
    }
    barrier.abort();
    parties.iter_mut().for_each(finish);
    assert_eq!(notes[0].get(), notes[1].get(), "both of a round, or none");
    passed()
}

pub(crate) fn the_last_runs_the_action() -> Outcome {
    let barrier = Barrier::new(3)?;
    let notes = SharedArena::<Counter>::new(1);
    let party = || {
        let action = || {
            notes[0].add(1);
        };
        // Each way to come takes an action, and one of those is run.
        match notes[0].get() % 3 {
            0 => barrier.wait_with(action),
            1 => barrier.wait_timeout_with(LONG, action),
            _ => barrier.wait_deadline_with(Deadline::NEVER, action),
        }
    };
    for round in 1..=20 {
        let mut others = [(); 2].map(|()| start(|| party().is_ok() && notes[0].get() == round));
        let number = party().unwrap();
        assert!(number < 3);
        assert_eq!(notes[0].get(), round);
        others.iter_mut().for_each(finish);
    }
    // Who comes alone is not the last, and its time runs out.
    let untold = barrier.wait_timeout_with(SHORT, || panic!("nobody else has come"));
    assert_eq!(untold, Err(BarrierError::Timeout));
    assert!(barrier.is_broken());
    passed()
}

pub(crate) fn who_comes_in_the_action() -> Outcome {
    let barrier = Barrier::new(2)?;
    let mut first = start(|| barrier.wait().is_ok());
    first.wait_asleep(LONG)?;
    let mut late = Vec::new();
    barrier
        .wait_with(|| {
            assert_eq!(barrier.waiting(), 2);
            let mut next = start(|| barrier.wait() == Ok(0));
            let mut hasty = start(|| barrier.wait_timeout(SHORT) == Err(BarrierError::Timeout));
            next.wait_asleep(LONG).unwrap();
            // It has not arrived, so it breaks nothing.
            finish(&mut hasty);
            assert!(!barrier.is_broken());
            late.push(next);
        })
        .unwrap();
    finish(&mut first);
    late[0].wait_asleep(LONG)?;
    assert_eq!(barrier.wait(), Ok(1));
    late.iter_mut().for_each(finish);
    passed()
}

pub(crate) fn a_signal_does_not_end_a_wait() -> Outcome {
    let barrier = Barrier::new(3)?;
    let mut waiting = [start(|| barrier.wait().is_ok()), start(|| barrier.wait().is_ok())];
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
        child.signal(libc::SIGSTOP);
        child.signal(libc::SIGCONT);
    }
    waiting[0].wait_asleep(LONG)?;
    barrier.wait().unwrap();
    waiting.iter_mut().for_each(finish);
    passed()
}
