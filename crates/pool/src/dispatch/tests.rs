//! The table against a reference that knows only what was promised.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ipc_core::Deadline;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::place::MOST_PARCELS_AHEAD;
use super::{Dispatch, Give, MOST_GIVEN, MOST_NANOS_AHEAD, Standing, Task};
use crate::board::Said;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Work {
    number: u32,
    nanos: u64,
    has_parcel: bool,
    is_prepared: bool,
    priority: i32,
}

impl Task for Work {
    fn number(&self) -> u64 {
        self.number.into()
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn nanos(&self) -> u64 {
        self.nanos
    }

    fn has_parcel(&self) -> bool {
        self.has_parcel
    }

    fn is_prepared(&self) -> bool {
        self.is_prepared
    }

    fn was_given(&mut self) {}
}

type Table = Dispatch<usize, Work>;

fn short(number: u32) -> Work {
    Work { number, nanos: 1_000, has_parcel: false, is_prepared: true, priority: 0 }
}

fn long(number: u32) -> Work {
    Work { number, nanos: u64::MAX, has_parcel: false, is_prepared: true, priority: 0 }
}

fn table(n_workers: usize) -> Table {
    let mut table = Dispatch::new(n_workers);
    for place in 0..n_workers {
        table.employ(place, place);
    }
    table
}

/// Gives all that can be given; returns who got what.
fn feed(table: &mut Table) -> Vec<(usize, u64, u32)> {
    let mut given = Vec::new();
    let fed = table.feed(|place, ticket, work| {
        given.push((*place, ticket, work.number));
        Give::Taken
    });
    assert!(fed.unsendable.is_empty() && !fed.is_unable && !fed.is_unprepared);
    given
}

#[test]
fn task_that_is_not_prepared_waits_for_that_and_others_behind_it() {
    let mut table = table(1);
    table.queue(Work { is_prepared: false, ..long(0) });
    table.queue(long(1));
    let fed = table.feed(|_, _, _| unreachable!("it is not prepared"));
    assert!(fed.is_unprepared && !fed.is_unable && fed.unsendable.is_empty());
    table.next_task().unwrap().is_prepared = true;
    assert_eq!(feed(&mut table), [(0, 2, 0)]);
    // Nobody has room for it, so there is no hurry.
    table.next_task().unwrap().is_prepared = false;
    assert_eq!(feed(&mut table), []);
    assert_eq!(table.take_next(), Some(long(1)).map(|work| Work { is_prepared: false, ..work }));
}

#[test]
fn long_tasks_are_given_one_at_a_time_to_each_worker() {
    let mut table = table(2);
    (0..5).for_each(|number| table.queue(long(number)));
    let given = feed(&mut table);
    assert_eq!(
        given.iter().map(|(place, _, number)| (*place, *number)).collect::<Vec<_>>(),
        [(0, 0), (1, 1)]
    );
    assert_eq!(table.n_queued(), 3);
    assert_eq!(table.answered(1, given[1].1), Some(long(1)));
    assert_eq!(feed(&mut table)[0].0, 1);
}

#[test]
fn short_tasks_are_given_many_at_a_time_and_of_others_one_ahead() {
    let mut table = table(2);
    table.queue(long(0));
    let n_short = u32::try_from(2 * MOST_GIVEN).unwrap();
    (1..=n_short).for_each(|number| table.queue(short(number)));
    let given = feed(&mut table);
    assert_eq!(given.iter().filter(|(place, ..)| *place == 0).count(), 2);
    assert_eq!(given.iter().filter(|(place, ..)| *place == 1).count(), MOST_GIVEN);
    let mut table = self::table(1);
    (0..9).for_each(|number| table.queue(Work { nanos: MOST_NANOS_AHEAD, ..short(number) }));
    assert_eq!(feed(&mut table).len(), 2);
}

#[test]
fn what_was_not_begun_is_taken_back_for_a_worker_that_has_nothing() {
    let mut table = table(2);
    (0..4).for_each(|number| table.queue(Work { nanos: MOST_NANOS_AHEAD, ..short(number) }));
    let given = feed(&mut table);
    assert_eq!(given.len(), 4);
    assert!(table.most_ahead().is_none(), "nobody is idle");
    for (place, ticket, _) in &given {
        if *place == 1 {
            assert!(table.answered(1, *ticket).is_some());
        }
    }
    let (place, ahead) = (0, given.iter().rfind(|(place, ..)| *place == 0).unwrap());
    assert_eq!(table.most_ahead(), Some((place, &0)));
    table.taken_back(place, ahead.1);
    let again = feed(&mut table);
    assert_eq!((again[0].0, again[0].2), (1, ahead.2));
    assert!(table.most_ahead().is_none());
    assert_eq!(table.answered(0, ahead.1), None, "its ticket is worth nothing now");
}

#[test]
fn at_most_some_tasks_with_parcels_are_with_a_worker() {
    let mut table = table(1);
    (0..5).for_each(|number| table.queue(Work { has_parcel: true, ..short(number) }));
    assert_eq!(feed(&mut table).len(), MOST_PARCELS_AHEAD);
}

#[test]
fn death_costs_what_was_begun_and_queues_the_rest_first_and_in_order() {
    let mut table = table(1);
    (0..6).for_each(|number| table.queue(short(number)));
    let given = feed(&mut table);
    table.queue(long(6));
    assert!(feed(&mut table).is_empty());
    assert_eq!(table.answered(0, given[0].1), Some(short(0)));
    let gone = table.died(0, 1, Said::Begun(given[1].1)).unwrap();
    assert_eq!((gone.worker, gone.victim), (0, Some(short(1))));
    assert!(feed(&mut table).is_empty(), "nobody works there");
    table.employ(0, 7);
    let again: Vec<u32> = feed(&mut table).iter().map(|(_, _, number)| *number).collect();
    assert_eq!(again, [2, 3, 4, 5]);
}

#[test]
fn death_between_two_tasks_costs_none() {
    for said in [Said::Nothing, Said::Ready, Said::Begun(2)] {
        let mut table = table(1);
        (0..3).for_each(|number| table.queue(short(number)));
        let given = feed(&mut table);
        assert_eq!(table.answered(0, given[0].1), Some(short(0)));
        assert_eq!(given[0].1, 2);
        assert_eq!(table.died(0, 1, said).unwrap().victim, None);
        assert_eq!(table.n_queued(), 2);
    }
}

#[test]
fn report_of_an_earlier_worker_changes_nothing() {
    let mut table = table(1);
    table.queue(long(0));
    let old = feed(&mut table)[0].1;
    assert!(table.died(0, 1, Said::Ready).is_some());
    assert!(table.died(0, 1, Said::Ready).is_none(), "it is dead already");
    table.employ(0, 1);
    let new = feed(&mut table)[0].1;
    assert_ne!(old, new);
    assert_eq!(table.answered(0, old), None);
    assert!(table.died(0, 1, Said::Begun(new)).is_none());
    assert_eq!(table.answered(0, new), Some(long(0)));
    assert!(table.is_idle());
}

#[test]
fn full_ring_gets_nothing_until_it_has_answered() {
    let mut table = table(1);
    (0..3).for_each(|number| table.queue(short(number)));
    let mut n_calls = 0;
    let mut first = 0;
    let fed = table.feed(|_, ticket, _| {
        n_calls += 1;
        if n_calls > 1 {
            return Give::Full;
        }
        first = ticket;
        Give::Taken
    });
    assert!(!fed.is_unable);
    assert_eq!(n_calls, 2);
    assert!(feed(&mut table).is_empty());
    assert!(table.answered(0, first).is_some());
    assert_eq!(feed(&mut table).len(), 2);
}

#[test]
fn worker_of_no_use_gets_nothing_and_is_told_when_it_has_nothing_left() {
    let mut table = table(2);
    table.queue(short(0));
    let ticket = feed(&mut table)[0].1;
    table.retire(0);
    assert_eq!(table.retired().count(), 0, "it has something to answer");
    table.queue(short(1));
    assert_eq!(feed(&mut table)[0].0, 1);
    assert!(table.answered(0, ticket).is_some());
    assert_eq!(table.retired().collect::<Vec<_>>(), [&0]);
    // One whose ring takes nothing although it has nothing is of no use either.
    let mut table = self::table(1);
    table.queue(short(0));
    let fed = table.feed(|_, _, _| Give::Full);
    assert!(!fed.is_unable);
    assert_eq!(table.retired().count(), 1);
    assert_eq!(table.n_queued(), 1);
}

#[test]
fn task_that_cannot_be_sent_is_given_back_and_the_next_is_tried() {
    let mut table = table(1);
    (0..3).for_each(|number| table.queue(short(number)));
    let fed = table.feed(|_, _, work| match work.number {
        1 => Give::Unsendable("why".to_owned()),
        _ => Give::Taken,
    });
    assert_eq!(fed.unsendable, [(short(1), "why".to_owned())]);
    assert_eq!(table.n_queued(), 0);
}

#[test]
fn urgent_tasks_go_first_and_equal_ones_in_their_order() {
    let mut table = table(1);
    let priorities = [0, -1, 2, 0, 7, 2, -1, i32::MIN, i32::MAX];
    for (number, priority) in (0..).zip(priorities) {
        table.queue(Work { priority, ..short(number) });
    }
    let order: Vec<u32> = feed(&mut table).iter().map(|(_, _, number)| *number).collect();
    assert_eq!(order, [8, 4, 2, 5, 0, 3, 1, 6, 7]);
    assert!(!table.has_backlog());
}

/// Takes back all that a worker has but the first, as for a task that overtakes it.
fn take_back_rest(table: &mut Table, place: usize) {
    let tickets: Vec<u64> =
        table.places()[place].given().skip(1).map(|(ticket, _)| ticket).collect();
    tickets.into_iter().for_each(|ticket| table.taken_back(place, ticket));
}

#[test]
fn urgent_task_overtakes_what_was_not_begun_where_it_comes_first() {
    let mut table = table(2);
    let task = |number, micros: u64| Work { nanos: micros * 1_000, ..short(number) };
    // One worker is at a task that takes long, the other at a short one, with long ones behind them.
    table.queue(task(0, 900_000));
    table.queue(task(1, 400));
    (2..8).for_each(|number| table.queue(task(number, 1_000)));
    assert_eq!(feed(&mut table).len(), 6);
    let urgent = |number| Work { priority: 1, ..task(number, 10) };
    assert_eq!(table.overtaken(), None);
    table.queue(urgent(8));
    assert_eq!(feed(&mut table), []);
    assert_eq!(table.overtaken(), Some((1, 8)));
    take_back_rest(&mut table, 1);
    let order: Vec<_> =
        feed(&mut table).iter().map(|(place, _, number)| (*place, *number)).collect();
    assert_eq!(order, [(1, 8), (1, 2), (1, 3), (1, 4)]);
    assert_eq!(table.overtaken(), None);
    // Of those behind it none is less urgent, so what follows goes between them.
    table.queue(urgent(9));
    assert_eq!(table.overtaken(), Some((1, 9)));
    take_back_rest(&mut table, 1);
    let order: Vec<_> =
        feed(&mut table).iter().map(|(place, _, number)| (*place, *number)).collect();
    assert_eq!(order, [(1, 8), (1, 9), (1, 2), (1, 3), (1, 4)]);
    // Nobody knows how long it takes: it waits for whoever is free, and one place is enough for that.
    table.queue(Work { priority: 2, ..long(10) });
    assert_eq!(table.overtaken(), Some((1, 10)));
    take_back_rest(&mut table, 1);
    assert_eq!(feed(&mut table), []);
    assert_eq!(table.overtaken(), None);
}

#[test]
fn urgent_task_waits_for_those_that_are_soon_done_and_for_its_equals() {
    let mut table = table(1);
    (0..60).for_each(|number| table.queue(short(number)));
    assert_eq!(feed(&mut table).len(), 60);
    table.queue(Work { priority: 1, ..short(60) });
    assert_eq!(table.overtaken(), None);
    assert_eq!(feed(&mut table).len(), 1);
    let mut table = self::table(1);
    (0..9).for_each(|number| {
        table.queue(Work { priority: 1, nanos: MOST_NANOS_AHEAD / 4, ..short(number) });
    });
    assert_eq!(feed(&mut table).len(), 4);
    table.queue(Work { priority: 1, ..short(9) });
    assert_eq!(table.overtaken(), None);
    assert_eq!(feed(&mut table), []);
}

#[test]
fn short_tasks_are_given_in_runs_and_the_shorter_they_are_the_more_in_each() {
    let places = |nanos: u64| {
        let mut table = table(2);
        (0..64).for_each(|number| table.queue(Work { nanos, ..short(number) }));
        feed(&mut table).iter().map(|(place, ..)| *place).collect::<Vec<_>>()
    };
    let changes = |places: &[usize]| places.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(changes(&places(100)), 64 / 16 - 1);
    assert_eq!(changes(&places(5_000)), 64 / 4 - 1);
    assert_eq!(changes(&places(15_000)), 64 - 1);
    // Whoever has nothing does not wait until a run is over.
    let mut table = table(2);
    for number in 0..2 {
        table.queue(short(number));
        assert_eq!(feed(&mut table)[0].0, usize::try_from(number).unwrap());
    }
}

#[test]
fn task_that_comes_back_has_the_place_that_it_had() {
    let mut table = table(1);
    (0..MOST_GIVEN).for_each(|number| table.queue(short(u32::try_from(number).unwrap())));
    let given = feed(&mut table);
    table.queue(short(1000));
    table.queue(Work { priority: 1, ..short(1001) });
    // In any order.
    for at in [5, 3, 4] {
        table.taken_back(0, given[at].1);
    }
    let order: Vec<u32> = feed(&mut table).iter().map(|(_, _, number)| *number).collect();
    assert_eq!(order, [1001, 3, 4], "and no more, as the worker has no more room");
}

#[test]
fn cancelled_task_is_taken_out_wherever_it_waits() {
    let mut table = Table::new(1);
    (0..5).for_each(|number| table.queue(short(number)));
    (5..7).for_each(|number| table.queue(Work { priority: 3, ..short(number) }));
    assert_eq!(table.take_queued(0, 3), Some(short(3)));
    assert_eq!(table.take_queued(0, 3), None);
    assert_eq!(table.take_queued(3, 2), None, "it has another priority");
    assert_eq!(table.take_queued(9, 0), None);
    assert!(table.take_queued(3, 5).is_some() && table.take_queued(3, 6).is_some());
    table.rest(Deadline::NEVER, short(9));
    assert_eq!(table.n_queued(), 5);
    assert_eq!(table.take_waiting(|work| work.number >= 2), [short(2), short(4), short(9)]);
    table.employ(0, 0);
    assert_eq!(feed(&mut table).len(), 2);
}

#[test]
fn task_that_rests_is_queued_when_its_time_has_come() {
    let mut table = table(1);
    let later = Deadline::after(Duration::from_secs(1000));
    table.rest(later, short(3));
    table.rest(Deadline::now(), short(2));
    table.rest(Deadline::now(), short(1));
    table.rest(Deadline::NEVER, short(4));
    assert!(feed(&mut table).is_empty());
    assert!(!table.is_idle() && !table.has_backlog() && table.n_queued() == 4);
    assert_eq!(table.wake_rested(), later);
    let order: Vec<u32> = feed(&mut table).iter().map(|(_, _, number)| *number).collect();
    assert_eq!(order, [1, 2]);
    assert_eq!(table.take_all().len(), 4);
    assert!(table.is_idle());
    assert!(table.wake_rested().is_never());
}

/// Something that happens to a pool.
#[derive(Clone, Debug)]
enum Event {
    Queued {
        nanos: u64,
        has_parcel: bool,
        priority: i32,
    },
    /// A worker goes on with what it has: begins the next task, or answers the one it has begun.
    Worked {
        place: usize,
    },
    /// A worker dies.
    Died {
        place: usize,
    },
    /// The victims of this one are to run again.
    DiedAndRetried {
        place: usize,
    },
    Hired {
        place: usize,
    },
    /// The victims of this one are to run again when they have rested.
    DiedAndRests {
        place: usize,
    },
    /// All that rests has rested.
    Rested,
    /// Somebody who has nothing takes from another.
    Balanced,
    /// What is urgent overtakes what was not begun.
    Overtaken,
    /// A task, if it waits, is not wanted any more.
    Cancelled {
        number: u32,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let nanos = prop_oneof![Just(0_u64), 1..MOST_NANOS_AHEAD, Just(u64::MAX)];
    prop_oneof![
        4 => (nanos, any::<bool>(), -1..2).prop_map(|(nanos, has_parcel, priority)| {
            Event::Queued { nanos, has_parcel, priority }
        }),
        8 => (0..3_usize).prop_map(|place| Event::Worked { place }),
        1 => (0..3_usize).prop_map(|place| Event::Died { place }),
        1 => (0..3_usize).prop_map(|place| Event::DiedAndRetried { place }),
        1 => (0..3_usize).prop_map(|place| Event::DiedAndRests { place }),
        1 => Just(Event::Rested),
        1 => (0..100_u32).prop_map(|number| Event::Cancelled { number }),
        3 => (0..3_usize).prop_map(|place| Event::Hired { place }),
        2 => Just(Event::Balanced),
        2 => Just(Event::Overtaken),
    ]
}

/// A worker as it is: what its ring holds, and what it has begun.
#[derive(Debug, Default)]
struct Worker {
    lives: bool,
    incarnation: u64,
    ring: VecDeque<(u64, u32)>,
    begun: Option<(u64, u32)>,
    said: Option<u64>,
}

proptest! {
    #[test]
    fn every_task_is_in_one_place_and_comes_to_one_end(events in vec(event(), 0..400)) {
        let mut table: Table = Dispatch::new(3);
        let mut workers = [(); 3].map(|()| Worker::default());
        // What each task has come to: how often it was answered, how often it was a victim.
        let mut ends: BTreeMap<u32, u32> = BTreeMap::new();
        let mut n_queued = 0_u32;
        for event in events {
            match event {
                Event::Queued { nanos, has_parcel, priority } => {
                    let number = n_queued;
                    table.queue(Work { number, nanos, has_parcel, is_prepared: true, priority });
                    ends.insert(n_queued, 0);
                    n_queued += 1;
                }
                Event::Hired { place } if !workers[place].lives => {
                    table.employ(place, place);
                    let incarnation = workers[place].incarnation + 1;
                    workers[place] = Worker { lives: true, incarnation, ..Worker::default() };
                }
                Event::Worked { place } if workers[place].lives => {
                    let worker = &mut workers[place];
                    if let Some((ticket, number)) = worker.begun.take() {
                        let answered = table.answered(place, ticket);
                        prop_assert_eq!(answered.map(|work| work.number), Some(number));
                        *ends.entry(number).or_default() += 1;
                    } else if let Some(next) = worker.ring.pop_front() {
                        worker.begun = Some(next);
                        worker.said = Some(next.0);
                    }
                }
                Event::Died { place }
                | Event::DiedAndRetried { place }
                | Event::DiedAndRests { place } if workers[place].lives => {
                    let worker = std::mem::take(&mut workers[place]);
                    workers[place].incarnation = worker.incarnation;
                    let said = worker.said.map_or(Said::Ready, Said::Begun);
                    let gone = table.died(place, worker.incarnation, said).unwrap();
                    prop_assert_eq!(
                        gone.victim.as_ref().map(|work| work.number),
                        worker.begun.map(|(_, number)| number)
                    );
                    match (gone.victim, event) {
                        (Some(work), Event::Died { .. }) => {
                            *ends.entry(work.number).or_default() += 1;
                        }
                        (Some(work), Event::DiedAndRests { .. }) => table.rest(Deadline::now(), work),
                        (Some(work), _) => table.queue(work),
                        (None, _) => {}
                    }
                }
                Event::Rested => prop_assert!(table.wake_rested().is_never()),
                Event::Cancelled { number } => {
                    let waits = |work: &Work| work.number == number;
                    let by_number = (-1..2).find_map(|level| table.take_queued(level, number.into()));
                    let resting = table.take_waiting(waits);
                    for work in by_number.into_iter().chain(resting) {
                        prop_assert_eq!(work.number, number);
                        *ends.entry(number).or_default() += 1;
                    }
                }
                Event::Balanced => {
                    if let Some((place, _)) = table.most_ahead() {
                        // The worker may have taken it before.
                        if let Some((ticket, _)) = workers[place].ring.pop_front() {
                            table.taken_back(place, ticket);
                        }
                    }
                }
                Event::Overtaken => {
                    if let Some((place, _)) = table.overtaken() {
                        for (ticket, _) in workers[place].ring.drain(..) {
                            table.taken_back(place, ticket);
                        }
                    }
                }
                _ => {}
            }
            let mut given = Vec::new();
            let fed = table.feed(|place, ticket, work| {
                given.push((*place, ticket, work.clone()));
                Give::Taken
            });
            prop_assert!(fed.unsendable.is_empty());
            for (place, ticket, work) in given {
                prop_assert!(workers[place].lives);
                workers[place].ring.push_back((ticket, work.number));
                // What is more urgent is not left behind.
                prop_assert!(table.next_task().is_none_or(|next| (next.priority, Reverse(next.number)) < (work.priority, Reverse(work.number))));
            }
            // I3, and nobody has more than is good.
            for (worker, place) in workers.iter().zip(table.places()) {
                prop_assert!(!worker.lives || !worker.ring.is_empty() || worker.begun.is_some() || !table.has_backlog());
                prop_assert_eq!(place.n_given(), worker.ring.len() + usize::from(worker.begun.is_some()));
                prop_assert!(place.n_given() <= MOST_GIVEN);
            }
            // Every task is somewhere, once.
            let n_with_workers: usize = table.places().iter().map(super::Place::n_given).sum();
            let n_ended = ends.values().map(|n| *n as usize).sum::<usize>();
            prop_assert_eq!(table.n_queued() + n_with_workers + n_ended, n_queued as usize);
            prop_assert!(ends.values().all(|n| *n <= 1), "a task has ended twice");
        }
        let left = table.take_all();
        prop_assert_eq!(left.len() + ends.values().filter(|n| **n == 1).count(), n_queued as usize);
        prop_assert!(left.iter().all(|work| ends[&work.number] == 0));
        prop_assert!(table.is_idle());
    }
}

#[test]
fn worker_that_prepares_itself_gets_nothing_until_it_is_ready() {
    let mut table = table(2);
    table.await_ready(0);
    (0..3).for_each(|number| table.queue(long(number)));
    assert_eq!(feed(&mut table), [(1, 2, 0)]);
    assert!(table.ready(0) && !table.ready(0));
    assert_eq!(feed(&mut table), [(0, 3, 1)]);
    // Only who prepares itself becomes ready by saying so.
    table.retire(1);
    assert!(!table.ready(1));
    assert_eq!(table.places()[1].standing(), Standing::Retiring);
}

#[test]
fn worker_that_leaves_gives_back_what_it_has_and_gets_nothing() {
    let mut table = table(1);
    (0..5).for_each(|number| table.queue(short(number)));
    assert_eq!(feed(&mut table).len(), 5);
    assert!(table.answered(0, 2).is_some());
    table.left(0);
    assert_eq!((table.n_queued(), table.retired().count()), (4, 0));
    assert!(feed(&mut table).is_empty());
    assert!(table.died(0, 1, Said::Leaving).unwrap().victim.is_none());
    table.employ(0, 1);
    let order: Vec<u32> = feed(&mut table).iter().map(|(_, _, number)| *number).collect();
    assert_eq!(order, [1, 2, 3, 4]);
}

#[test]
fn more_workers_are_wanted_if_tasks_wait_that_others_could_begin() {
    let mut table = table(1);
    assert!(!table.wants_more_workers());
    (0..3).for_each(|number| table.queue(short(number)));
    assert_eq!(feed(&mut table).len(), 3);
    assert!(!table.wants_more_workers(), "they are done before anybody else is there");
    table.queue(Work { nanos: MOST_NANOS_AHEAD, ..short(3) });
    assert!(feed(&mut table).is_empty() && table.wants_more_workers());
    let mut table = self::table(1);
    (0..2).for_each(|number| table.queue(Work { nanos: MOST_NANOS_AHEAD, ..short(number) }));
    assert_eq!(feed(&mut table).len(), 2);
    assert!(table.wants_more_workers(), "one waits behind another");
}
