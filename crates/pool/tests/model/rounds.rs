//! Rounds, as `round` has them: answers that are taken under one lock and delivered behind it.
//!
//! Whatever is taken together, and whoever takes it: each result arrives once, those of one caller in the order of
//! their reports, and before anybody hears of what was reported behind them.

use ipc_core::Deadline;

use crate::collectors::{Parent, Report, run};
use crate::explore;
use crate::mailbox::{Fate, Waited};

/// Two callers with two tasks each, the last of which dies.
const REPORTS: [Report; 4] =
    [Report::Answer(0, 0), Report::Answer(1, 0), Report::Answer(0, 1), Report::Death(1, 1)];

/// Waits for the two results of a caller, which are in their order.
fn take_both(parent: &Parent, caller: usize, first: Deadline) {
    let mut results = 0..2;
    let mut deadline = first;
    while !results.is_empty() {
        match parent.wait(caller, deadline) {
            Waited::Arrived(index, fate) => {
                assert_eq!(results.next(), Some(index));
                let has_died = (caller, index) == (1, 1);
                assert_eq!(matches!(fate, Fate::Noted), has_died, "it is another's");
            }
            Waited::TimedOut => deadline = Deadline::NEVER,
            waited => unreachable!("{waited:?}"),
        }
    }
    assert!(matches!(parent.take(caller), Waited::NothingDue), "it has too many");
}

/// All of it, where the first caller at first waits only so long.
fn play(first: fn() -> Deadline) {
    explore(move || {
        let parent = Parent::with(&[2, 2]);
        let clerk = run(&parent, Parent::be_clerk);
        let worker =
            run(&parent, |parent| REPORTS.into_iter().for_each(|it| parent.outbox.put(it)));
        let other = run(&parent, |parent| take_both(parent, 1, Deadline::NEVER));
        take_both(&parent, 0, first());
        other.join().unwrap();
        worker.join().unwrap();
        parent.close();
        clerk.join().unwrap();
    });
}

#[test]
fn each_result_comes_once_and_in_order_whoever_takes_it_with_others() {
    play(|| Deadline::NEVER);
}

#[test]
fn nothing_of_a_round_is_lost_when_the_time_of_its_collector_is_up() {
    play(Deadline::now);
}

#[test]
fn who_waits_for_the_last_task_finds_all_results() {
    explore(|| {
        let parent = Parent::with(&[1, 1]);
        let reports = [Report::Answer(0, 0), Report::Answer(1, 0)];
        let worker =
            run(&parent, move |parent| reports.into_iter().for_each(|it| parent.outbox.put(it)));
        let other = run(&parent, |parent| {
            assert!(matches!(parent.wait(1, Deadline::NEVER), Waited::Arrived(0, _)));
        });
        let clerk = run(&parent, Parent::be_clerk);
        parent.drain();
        assert!(matches!(parent.take(0), Waited::Arrived(0, _)), "it has not arrived yet");
        other.join().unwrap();
        worker.join().unwrap();
        parent.close();
        clerk.join().unwrap();
    });
}
