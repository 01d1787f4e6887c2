//! Methods that return iterators: these stay in the manager, and callers take items out of them.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::sync::{Arc, Mutex};

use common::{wait_until, watch};
use manager::{Error, Event, List, Manager, RemoteIter};
use proc_core::{Process, Start};
use serde::{Deserialize, Serialize, Serializer};

mod common;

/// What makes iterators, and knows of each as long as it lives.
pub(crate) struct Numbers {
    /// How often an iterator was moved on; shared with all of them.
    n_moves: Arc<Mutex<u64>>,
}

/// What cannot be sent.
#[derive(Debug, Deserialize)]
pub(crate) struct Unsendable;

impl Serialize for Unsendable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it stays here"))
    }
}

#[manager::object]
impl Numbers {
    pub(crate) fn new() -> Self {
        Self { n_moves: Arc::default() }
    }

    /// All numbers from one on.
    pub(crate) fn from(&self, first: u64) -> impl Iterator<Item = u64> + 'static {
        let n_moves = Arc::clone(&self.n_moves);
        (first..).inspect(move |_| *n_moves.lock().unwrap() += 1)
    }

    pub(crate) fn words(&self, text: &str) -> Box<dyn Iterator<Item = String> + Send> {
        let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        Box::new(words.into_iter())
    }

    pub(crate) fn until_panic(&mut self, good: u8) -> impl Iterator<Item = u8> + Send + use<> {
        (0..=good).inspect(move |n| assert!(*n < good, "{n} is too much"))
    }

    pub(crate) fn some_unsendable(&self) -> impl Iterator<Item = Option<Unsendable>> + 'static {
        [None, None, Some(Unsendable), None].into_iter()
    }

    /// As many, of as many bytes each.
    pub(crate) fn long(&self, count: u8, len: usize) -> impl Iterator<Item = Vec<u8>> + 'static {
        (0..count).map(move |n| vec![n; len])
    }

    /// Lists that are made as they are asked for.
    pub(crate) fn lists(&self) -> impl Iterator<Item = List<u8>> + 'static {
        (0..).map(|n| {
            let list = Manager::current().unwrap().unwrap().list().unwrap();
            list.push(&n).unwrap();
            list
        })
    }

    /// The first is there, and the next when the event is set.
    pub(crate) fn waiting(&self, event: Event) -> impl Iterator<Item = u8> + 'static {
        (1..3).inspect(move |n| assert!(*n == 1 || event.wait().is_ok()))
    }

    pub(crate) fn n_moves(&self) -> u64 {
        *self.n_moves.lock().unwrap()
    }
}

fn start() -> (Manager, NumbersProxy) {
    let manager = common::builder().register::<Numbers>().workers(4).start().unwrap();
    let numbers = NumbersProxy::new_in(&manager).unwrap();
    (manager, numbers)
}

/// Waits until the manager has nothing but what made the iterators.
fn are_gone(manager: &Manager) {
    wait_until(manager, "they are gone", |stats| (stats.objects, stats.references) == (1, 1));
}

#[test]
fn the_items_are_those_of_the_iterator_that_the_method_returned() {
    let _watchdog = watch("items");
    let (manager, numbers) = start();
    let words: Vec<String> = numbers.words("one two  three").unwrap().map(Result::unwrap).collect();
    assert_eq!(words, ["one", "two", "three"]);
    let mut none = numbers.words("").unwrap();
    assert!(none.next().is_none() && none.next().is_none());
    are_gone(&manager);
}

#[test]
fn who_has_iterators_made_without_end_is_told_and_has_those_that_were_made() {
    let _watchdog = watch("many");
    let builder = common::builder().register::<Numbers>().max_kept_bytes_per_client(20_000);
    let manager = builder.start().unwrap();
    let numbers = NumbersProxy::new_in(&manager).unwrap();
    let mut all = Vec::new();
    let error = loop {
        match numbers.from(0) {
            Ok(iterator) => all.push(iterator),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::ShareFull { limit: 20_000, .. }), "{error}");
    assert!(all.len() > 10);
    assert!(all.iter_mut().all(|iterator| iterator.next().unwrap().unwrap() == 0));
    drop(all);
    are_gone(&manager);
    assert_eq!(numbers.from(5).unwrap().next().unwrap().unwrap(), 5);
}

#[test]
fn an_endless_iterator_is_taken_from_as_far_as_one_likes_and_dropped() {
    let _watchdog = watch("endless");
    let (manager, numbers) = start();
    let mut from = numbers.from(7).unwrap();
    let taken: Vec<u64> = from.by_ref().take(5_000).map(Result::unwrap).collect();
    assert!(taken.into_iter().eq(7..5_007));
    // It is ahead by a batch at most.
    let n_moves = numbers.n_moves().unwrap();
    assert!((5_000..5_000 + 256).contains(&n_moves), "{n_moves}");
    assert_eq!(manager.stats().unwrap().types["iterator<u64>"], 1);
    drop(from);
    are_gone(&manager);
}

#[test]
fn in_batches_of_one_the_iterator_is_not_ahead() {
    let _watchdog = watch("one at a time");
    let (_manager, numbers) = start();
    for (most, batch) in [(1, 1), (0, 1), (3, 3)] {
        let before = numbers.n_moves().unwrap();
        let mut from = numbers.from(0).unwrap().in_batches_of(most);
        for taken in 1..=20 {
            assert_eq!(from.next().unwrap().unwrap(), taken - 1);
            let n_moves = numbers.n_moves().unwrap() - before;
            assert!((taken..taken + batch).contains(&n_moves), "{n_moves} for {taken}");
        }
    }
}

#[test]
fn items_of_any_length_come_in_their_order() {
    let _watchdog = watch("long");
    let (manager, numbers) = start();
    for (count, len) in [(200, 0), (100, 3_000), (5, 100_000), (2, 3 << 20)] {
        let items: Vec<_> = numbers.long(count, len).unwrap().map(Result::unwrap).collect();
        assert!(items.into_iter().eq((0..count).map(|n| vec![n; len])), "{count} of {len}");
    }
    are_gone(&manager);
}

#[test]
fn a_panic_is_told_behind_what_came_before_it_and_is_the_end() {
    let _watchdog = watch("panics");
    let (manager, numbers) = start();
    for good in [0, 1, 2, 5, 100] {
        let mut items = numbers.until_panic(good).unwrap();
        assert!(items.by_ref().take(good.into()).map(Result::unwrap).eq(0..good));
        let told = items.next();
        assert!(
            matches!(&told, Some(Err(Error::Panicked(panic))) if panic.message() == format!("{good} is too much")),
            "{told:?}"
        );
        assert!(items.next().is_none() && items.next().is_none());
    }
    let mut items = numbers.some_unsendable().unwrap();
    assert!(matches!(items.next(), Some(Ok(None))));
    assert!(matches!(items.next(), Some(Ok(None))));
    let told = items.next();
    assert!(
        matches!(&told, Some(Err(Error::Refused(why))) if why.contains("serialize")),
        "{told:?}"
    );
    assert!(items.next().is_none());
    assert_eq!(numbers.n_moves().unwrap(), 0);
    are_gone(&manager);
}

#[test]
fn items_may_be_proxies() {
    let _watchdog = watch("proxies");
    let (manager, numbers) = start();
    let lists: Vec<_> = numbers.lists().unwrap().take(5).map(Result::unwrap).collect();
    for (n, list) in (0..).zip(&lists) {
        list.push(&9).unwrap();
        assert_eq!(list.to_vec().unwrap(), [n, 9]);
    }
    drop(lists);
    are_gone(&manager);
}

#[test]
fn who_waits_for_an_item_holds_up_nobody() {
    let _watchdog = watch("waiting");
    let (manager, numbers) = start();
    let event = manager.event().unwrap();
    let mut items = numbers.waiting(event.clone()).unwrap().in_batches_of(1);
    assert_eq!(items.next().unwrap().unwrap(), 1);
    let waiting = std::thread::spawn(move || items.map(Result::unwrap).collect::<Vec<_>>());
    wait_until(&manager, "it waits", |stats| stats.waiting == 1);
    // The object is there for all meanwhile, and for other iterators of it.
    assert_eq!(numbers.from(3).unwrap().next().unwrap().unwrap(), 3);
    assert_eq!(numbers.n_moves().unwrap(), 1);
    event.set().unwrap();
    assert_eq!(waiting.join().unwrap(), [2]);
    drop(event);
    are_gone(&manager);
}

fn take((numbers, first): (NumbersProxy, u64)) -> bool {
    let Ok(from) = numbers.from(first) else { return false };
    from.take(500).map(Result::ok).eq((first..first + 500).map(Some))
}

#[test]
fn every_caller_has_an_iterator_of_its_own() {
    let _watchdog = watch("callers");
    let (manager, numbers) = start();
    let (mut one, mut other) = (numbers.from(0).unwrap(), numbers.from(100).unwrap());
    for n in 0..50 {
        assert_eq!(one.next().unwrap().unwrap(), n);
        assert_eq!(other.next().unwrap().unwrap(), n + 100);
    }
    let starts = [Start::Spawn, Start::ForkServer, Start::Spawn, Start::ForkServer];
    let children: Vec<_> = (0..)
        .zip(starts)
        .map(|(n, start)| {
            let argument = (numbers.clone(), 1_000 * n);
            Process::builder().start(start).spawn(take, argument).unwrap()
        })
        .collect();
    assert!(children.into_iter().all(|child| child.join().unwrap()));
    drop((one, other));
    are_gone(&manager);
}

#[test]
fn a_call_and_an_iteration_are_not_taken_for_each_other() {
    let _watchdog = watch("not the same");
    let (manager, _numbers) = start();
    let remote = manager.create::<Numbers>(()).unwrap();
    let called = remote.call::<_, u64>("from", &1_u64);
    assert!(matches!(called, Err(Error::NoSuchMethod(_))), "{called:?}");
    let iterated = |method| remote.iterate::<_, u8>(method, &()).map(drop);
    assert!(matches!(iterated("n_moves"), Err(Error::NoSuchMethod(_))));
    assert!(matches!(iterated("nothing"), Err(Error::NoSuchMethod(_))));
    assert!(matches!(iterated("from"), Err(Error::BadArgument(_))));
    // Items that are of another type are an error, and the end.
    let mut items: RemoteIter<String> = remote.iterate("from", &0xffff_u64).unwrap();
    assert!(items.next().unwrap().is_err());
    assert!(items.next().is_none());
    drop((items, remote));
    are_gone(&manager);
}

#[test]
fn when_the_manager_is_gone_that_is_the_last_item() {
    let _watchdog = watch("gone");
    let (manager, numbers) = start();
    let mut from = numbers.from(0).unwrap();
    assert!(from.by_ref().take(100).map(Result::unwrap).eq(0..100));
    manager.shutdown().unwrap();
    // What is here already comes first.
    let mut rest: Vec<_> = from.by_ref().collect();
    assert!(matches!(rest.pop(), Some(Err(Error::Disconnected | Error::Lost))));
    assert!(rest.into_iter().map(Result::unwrap).zip(100..).all(|(item, n)| item == n));
    assert!(from.next().is_none());
}
