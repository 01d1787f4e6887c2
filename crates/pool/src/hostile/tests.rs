//! Scripts at random, and some that are written out.

use ipc_core::Deadline;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};
use proptest::proptest;

use super::{Scene, Script, play};
use crate::mailbox::{Fate, Waited};
use crate::parcel::Freight;
use crate::record::{Report, What};

#[test]
fn worker_that_closes_the_ring_of_reports_ends_the_pool_which_says_so() {
    let mut scene = Scene::new();
    scene.submit(&mut Script(&[]));
    scene.engine.outbox.close();
    let waited = scene.engine.wait(&scene.mailboxes[0], Deadline::NEVER);
    match waited {
        Waited::Arrived(0, Fate::NoWorkers(why)) => assert!(why.contains("closed"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rest_of_a_chunk_that_is_answered_in_part_when_it_is_cancelled_is_cancelled_too() {
    let mut scene = Scene::new();
    // Known to be quick, so that the worker has another task behind the chunk, and is not ended for it.
    scene.plans[0].known.pace.took(1, 1, 1);
    let chunk_of_four: [u8; 2] = [8 | 16, 3];
    scene.submit(&mut Script(&chunk_of_four));
    scene.submit(&mut Script(&[]));
    scene.take(&mut Script(&[0]));
    let ticket = *scene.tickets.last().unwrap();
    scene.take(&mut Script(&[0]));
    assert!(*scene.tickets.last().unwrap() > ticket, "it has taken both");
    assert!(scene.engine.cancel_all(&scene.mailboxes[0]));
    let mut record = Vec::new();
    let (what, freight) = (What::Outcome, Freight::None);
    Report { what, place: 0, ticket, nanos: 1, n_items: 1, freight }.write(&mut record);
    scene.engine.outbox.try_put(&record).unwrap();
    scene.engine.poll();
    // What it said of the first is no result.
    assert!(matches!(scene.mailboxes[0].take(), Waited::Arrived(0, Fate::Lost(_))));
    for index in 1..4 {
        let waited = scene.mailboxes[0].take();
        assert!(
            matches!(waited, Waited::Arrived(at, Fate::Cancelled) if at == index),
            "{waited:?}"
        );
    }
    assert!(matches!(scene.mailboxes[0].take(), Waited::NothingDue));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn workers_that_say_anything_cost_no_task_its_end(script in vec(any::<u8>(), 0..600)) {
        play(&script);
    }
}
