//! What each sort of object does, and each way in which it refuses.

use std::thread;
use std::time::Duration;

use common::{Account, SOON, wait_until, watch};
use manager::{Address, Batch, Dict, Error, List, LockError, Manager, Queue, Set};

mod common;

#[test]
fn a_dict_is_a_dict() {
    let _watchdog = watch("dict");
    let manager = common::builder().start().unwrap();
    let dict: Dict<String, Vec<u32>> = manager.dict().unwrap();
    assert_eq!(dict.insert("a", &vec![1]).unwrap(), None);
    assert_eq!(dict.insert("a", &vec![2]).unwrap(), Some(vec![1]));
    dict.set("b", &vec![]).unwrap();
    assert_eq!(dict.get("a").unwrap(), Some(vec![2]));
    assert_eq!(dict.get("c").unwrap(), None);
    assert_eq!((dict.len().unwrap(), dict.is_empty().unwrap()), (2, false));
    assert!(dict.contains_key("b").unwrap() && !dict.contains_key("c").unwrap());
    assert_eq!(dict.get_or_insert("b", &vec![9]).unwrap(), vec![]);
    assert_eq!(dict.get_or_insert("c", &vec![9]).unwrap(), vec![9]);
    assert_eq!(dict.keys().unwrap(), ["a", "b", "c"]);
    assert_eq!(dict.remove("b").unwrap(), Some(vec![]));
    assert_eq!(dict.remove("b").unwrap(), None);
    let more: Vec<(&str, Vec<u32>)> = vec![("d", vec![4]), ("a", vec![5])];
    dict.extend(more.iter().map(|(key, value)| (*key, value))).unwrap();
    let all: Vec<_> = dict.iter().map(Result::unwrap).collect();
    let expected = [("a".into(), vec![5]), ("c".into(), vec![9]), ("d".into(), vec![4])];
    assert_eq!(all, expected);
    assert_eq!(dict.pop().unwrap(), Some(("d".into(), vec![4])));
    dict.clear().unwrap();
    assert_eq!((dict.pop().unwrap(), dict.len().unwrap()), (None, 0));
    assert_eq!(dict.to_vec().unwrap(), []);
}

#[test]
fn a_dict_is_compared_and_set_in_one_step() {
    let _watchdog = watch("compare and set");
    let manager = common::builder().start().unwrap();
    let dict: Dict<u8, u64> = manager.dict().unwrap();
    assert!(!dict.compare_and_set(&1, Some(&0), Some(&1)).unwrap());
    assert!(dict.compare_and_set(&1, None, Some(&5)).unwrap());
    assert!(!dict.compare_and_set(&1, None, Some(&6)).unwrap());
    assert!(dict.compare_and_set(&1, Some(&5), Some(&6)).unwrap());
    assert_eq!(dict.get(&1).unwrap(), Some(6));
    assert!(dict.compare_and_set(&1, Some(&6), None).unwrap());
    assert!(dict.is_empty().unwrap());
}

#[test]
fn what_is_changed_by_functions_is_not_lost() {
    let _watchdog = watch("update");
    let manager = common::builder().start().unwrap();
    let dict: Dict<String, u64> = manager.dict().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    dict.update("k", |(old, by)| Some(old.unwrap_or(0) + by), &1_u64).unwrap();
                }
            });
        }
    });
    assert_eq!(dict.get("k").unwrap(), Some(1000));
    assert_eq!(dict.update("k", |(_, ())| None, &()).unwrap(), None);
    assert!(dict.is_empty().unwrap());
    let list: List<u64> = manager.list().unwrap();
    list.push(&20).unwrap();
    assert_eq!(list.update(0, |(old, by)| old * by, &3_u64).unwrap(), 60);
    assert!(matches!(list.update(1, |(old, ())| old, &()), Err(Error::OutOfRange { len: 1 })));
    let value = manager.value(&"a".to_owned()).unwrap();
    assert_eq!(value.update(|(old, n)| old.repeat(n), &3_usize).unwrap(), "aaa");
}

#[test]
fn a_function_that_panics_changes_nothing() {
    let _watchdog = watch("update panics");
    let manager = common::builder().start().unwrap();
    let dict: Dict<u8, u64> = manager.dict().unwrap();
    dict.set(&1, &1).unwrap();
    let panicked = dict.update(&1, |(_, why): (_, String)| panic!("{why}"), &"because".to_owned());
    match panicked {
        Err(Error::Panicked(panic)) => assert_eq!(panic.message(), "because"),
        other => panic!("{other:?}"),
    }
    assert_eq!(dict.get(&1).unwrap(), Some(1));
}

#[test]
fn a_list_is_a_list() {
    let _watchdog = watch("list");
    let manager = common::builder().start().unwrap();
    let list: List<String> = manager.list().unwrap();
    list.extend(&["b".into(), "c".into()]).unwrap();
    list.insert(0, &"a".into()).unwrap();
    list.push(&"d".into()).unwrap();
    assert_eq!(list.get(3).unwrap().as_deref(), Some("d"));
    assert_eq!(list.get(4).unwrap(), None);
    assert_eq!(list.set(1, &"B".into()).unwrap(), "b");
    assert!(matches!(list.set(4, &String::new()), Err(Error::OutOfRange { len: 4 })));
    assert!(matches!(list.insert(5, &String::new()), Err(Error::OutOfRange { len: 4 })));
    assert!(matches!(list.remove(4), Err(Error::OutOfRange { len: 4 })));
    assert_eq!(list.remove(1).unwrap(), "B");
    assert_eq!(list.position(&"d".into()).unwrap(), Some(2));
    assert_eq!(list.position(&"x".into()).unwrap(), None);
    list.reverse().unwrap();
    assert_eq!(list.to_vec().unwrap(), ["d", "c", "a"]);
    assert_eq!(list.slice(1, 1).unwrap(), ["c"]);
    assert!(list.compare_and_set(0, &"d".into(), &"e".into()).unwrap());
    assert!(!list.compare_and_set(0, &"d".into(), &"f".into()).unwrap());
    assert_eq!(list.pop_front().unwrap().as_deref(), Some("e"));
    assert_eq!(list.pop().unwrap().as_deref(), Some("a"));
    list.truncate(0).unwrap();
    assert_eq!((list.pop().unwrap(), list.pop_front().unwrap()), (None, None));
    list.push(&"x".into()).unwrap();
    list.clear().unwrap();
    assert!(list.is_empty().unwrap());
}

#[test]
fn long_containers_come_in_pages_and_whole() {
    let _watchdog = watch("pages");
    let manager = common::builder().start().unwrap();
    let list: List<String> = manager.list().unwrap();
    let dict: Dict<usize, String> = manager.dict().unwrap();
    let items: Vec<String> = (0..3_000).map(|n| format!("{n:0100}")).collect();
    list.extend(&items).unwrap();
    let keys: Vec<usize> = (0..3_000).collect();
    dict.extend(keys.iter().zip(&items)).unwrap();
    assert_eq!(list.to_vec().unwrap(), items);
    let found: Vec<(usize, String)> = dict.iter().map(Result::unwrap).collect();
    assert_eq!(found, keys.iter().copied().zip(items.clone()).collect::<Vec<_>>());
    assert_eq!(dict.keys().unwrap(), keys);
    // What is taken out and put in while a page is read does not confuse it.
    let mut iter = dict.iter();
    let first = iter.next().unwrap().unwrap();
    assert_eq!(first.0, 0);
    dict.remove(&2_999).unwrap();
    dict.set(&5_000, &String::new()).unwrap();
    let rest: Vec<usize> = iter.map(|entry| entry.unwrap().0).collect();
    assert_eq!(rest, (1..2_999).chain([5_000]).collect::<Vec<_>>());
    // To a list it is confusing, by as many items as were taken out or put in before the page; appending is not.
    let mut iter = (&list).into_iter();
    assert_eq!(iter.next().unwrap().unwrap(), items[0]);
    list.push(&"last".into()).unwrap();
    let rest: Vec<String> = iter.map(Result::unwrap).collect();
    assert!(rest.iter().eq(items[1..].iter().chain([&"last".to_owned()])));
    let mut iter = list.iter();
    assert_eq!(iter.next().unwrap().unwrap(), items[0]);
    list.pop_front().unwrap();
    assert_eq!(iter.count(), 2_999, "one is missing, where the next page begins");
}

#[test]
fn containers_are_looped_over() {
    let _watchdog = watch("loops");
    let manager = common::builder().start().unwrap();
    let dict: Dict<String, u8> = manager.dict().unwrap();
    let (list, set): (List<u8>, Set<u32>) = (manager.list().unwrap(), manager.set().unwrap());
    for n in 0..3_u8 {
        dict.set(&n.to_string(), &n).unwrap();
        list.push(&n).unwrap();
    }
    let many: Vec<u32> = (0..40_000).rev().collect();
    set.extend(&many).unwrap();
    for (entry, (item, n)) in dict.into_iter().zip(list.into_iter().zip(0..)) {
        assert_eq!((entry.unwrap(), item.unwrap()), ((n.to_string(), n), n));
    }
    let mut found = set.iter();
    assert!(found.by_ref().take(5).map(Result::unwrap).eq(many[..5].iter().copied()));
    // In a later page; and what is put in meanwhile comes at the end.
    assert!(set.remove(&many[39_000]).unwrap() && set.insert(&1_000_000).unwrap());
    let rest: Vec<u32> = found.map(Result::unwrap).collect();
    let expected = many[5..39_000].iter().chain(&many[39_001..]).chain(&[1_000_000]);
    assert!(rest.iter().eq(expected));
    manager.shutdown().unwrap();
    assert!(matches!((&set).into_iter().next(), Some(Err(Error::Disconnected | Error::Lost))));
}

#[test]
fn large_values_go_there_and_back() {
    let _watchdog = watch("large");
    let manager = common::builder().start().unwrap();
    let value = manager.value(&vec![7_u8; 400 << 10]).unwrap();
    assert_eq!(value.get().unwrap(), vec![7; 400 << 10]);
    assert_eq!(value.replace(&vec![1]).unwrap().len(), 400 << 10);
}

#[test]
fn sets_arrays_values_and_namespaces_are_what_they_are() {
    let _watchdog = watch("small ones");
    let manager = common::builder().start().unwrap();
    let set: Set<u32> = manager.set().unwrap();
    set.extend(&[3, 1, 3]).unwrap();
    assert!(set.contains(&3).unwrap() && !set.insert(&1).unwrap() && set.insert(&2).unwrap());
    assert!(set.remove(&3).unwrap() && !set.remove(&3).unwrap());
    assert_eq!((set.len().unwrap(), set.to_vec().unwrap()), (2, vec![1, 2]));
    assert_eq!(set.pop().unwrap(), Some(2));
    set.clear().unwrap();
    assert!(set.is_empty().unwrap());

    let array = manager.array(&[1.5, 2.5]).unwrap();
    assert_eq!(array.set(1, &3.5).unwrap(), 2.5);
    assert!(matches!(array.set(2, &0.0), Err(Error::OutOfRange { len: 2 })));
    assert!(array.compare_and_set(0, &1.5, &0.5).unwrap());
    assert_eq!(array.update(0, |(old, by)| old + by, &1.0).unwrap(), 1.5);
    assert_eq!((array.len().unwrap(), array.get(2).unwrap()), (2, None));
    assert_eq!((array.to_vec().unwrap(), array.slice(1, 9).unwrap()), (vec![1.5, 3.5], vec![3.5]));

    let value = manager.value(&5_u32).unwrap();
    assert!(!value.compare_and_set(&4, &6).unwrap() && value.compare_and_set(&5, &6).unwrap());
    value.set(&7).unwrap();
    assert_eq!((value.replace(&8).unwrap(), value.get().unwrap()), (7, 8));

    let names = manager.namespace().unwrap();
    names.set("x", &1_u32).unwrap();
    names.set("y", "text").unwrap();
    assert_eq!(names.get::<u32>("x").unwrap(), Some(1));
    assert_eq!(names.update("x", |(x, ())| x.map(|x: u32| x + 1), &()).unwrap(), Some(2));
    assert!(matches!(names.get::<u32>("y"), Err(Error::Decode(_))));
    assert!(names.remove("y").unwrap() && !names.remove("y").unwrap());
    assert_eq!(names.names().unwrap(), ["x"]);
}

#[test]
fn a_queue_has_who_comes_wait() {
    let _watchdog = watch("queue");
    let manager = common::builder().start().unwrap();
    let queue: Queue<u32> = manager.queue(2).unwrap();
    assert!(matches!(queue.try_get(), Err(Error::WouldBlock)));
    assert!(matches!(queue.get_timeout(SOON), Err(Error::TimedOut)));
    let getting = thread::spawn({
        let queue = queue.clone();
        move || (queue.get().unwrap(), queue.get().unwrap(), queue.get().unwrap())
    });
    wait_until(&manager, "it waits", |stats| stats.waiting == 1);
    (1..=3).for_each(|n| queue.put(&n).unwrap());
    assert_eq!(getting.join().unwrap(), (1, 2, 3));

    queue.put(&4).unwrap();
    queue.put(&5).unwrap();
    assert!(matches!(queue.try_put(&6), Err(Error::WouldBlock)));
    assert!(matches!(queue.put_timeout(&6, SOON), Err(Error::TimedOut)));
    let putting = thread::spawn({
        let queue = queue.clone();
        move || queue.put(&6)
    });
    wait_until(&manager, "it waits for room", |stats| stats.waiting == 1);
    assert_eq!((queue.get().unwrap(), queue.len().unwrap()), (4, 2));
    putting.join().unwrap().unwrap();
    queue.close().unwrap();
    assert!(matches!(queue.put(&7), Err(Error::Closed)));
    assert_eq!((queue.get().unwrap(), queue.get().unwrap()), (5, 6));
    assert!(matches!(queue.get(), Err(Error::Closed)));
    assert!(queue.is_empty().unwrap());
}

#[test]
fn who_waits_at_a_queue_is_told_when_it_closes() {
    let _watchdog = watch("closing");
    let manager = common::builder().start().unwrap();
    let (empty, full): (Queue<u32>, Queue<u32>) =
        (manager.queue(0).unwrap(), manager.queue(1).unwrap());
    full.put(&1).unwrap();
    thread::scope(|scope| {
        let getting = scope.spawn(|| empty.get());
        let putting = scope.spawn(|| full.put(&2));
        wait_until(&manager, "both wait", |stats| stats.waiting == 2);
        empty.close().unwrap();
        full.close().unwrap();
        assert!(matches!(getting.join().unwrap(), Err(Error::Closed)));
        assert!(matches!(putting.join().unwrap(), Err(Error::Closed)));
    });
}

#[test]
fn a_joinable_queue_is_joined_when_all_is_finished() {
    let _watchdog = watch("joinable");
    let manager = common::builder().start().unwrap();
    let queue = manager.joinable_queue::<u32>(0).unwrap();
    queue.join().unwrap();
    (1..=2).for_each(|n| queue.put(&n).unwrap());
    let first = queue.get().unwrap();
    assert_eq!((*first, first.n_returned(), queue.n_unfinished().unwrap()), (1, 0, 2));
    first.give_back().unwrap();
    let again = queue.try_get().unwrap();
    assert_eq!((*again, again.n_returned()), (1, 1));
    assert!(matches!(queue.join_timeout(SOON), Err(Error::TimedOut)));
    let joining = thread::spawn({
        let queue = queue.clone();
        move || queue.join()
    });
    wait_until(&manager, "it joins", |stats| stats.waiting == 1);
    again.done().unwrap();
    drop(queue.get_timeout(Duration::from_secs(5)).unwrap());
    joining.join().unwrap().unwrap();
    assert_eq!(queue.n_unfinished().unwrap(), 0);
    // A lease that a panic drops is not finished.
    queue.put(&3).unwrap();
    let thread = thread::spawn({
        let queue = queue.clone();
        move || {
            let _lease = queue.get().unwrap();
            std::panic::resume_unwind(Box::new("in the middle"));
        }
    });
    assert!(thread.join().is_err());
    assert_eq!(queue.get().unwrap().n_returned(), 1);
    queue.close().unwrap();
    assert!(matches!(queue.get(), Err(Error::Closed)));
}

#[test]
fn a_lock_is_held_by_one() {
    let _watchdog = watch("lock");
    let manager = common::builder().start().unwrap();
    let lock = manager.lock().unwrap();
    let guard = lock.lock().unwrap();
    assert!(matches!(lock.lock(), Err(LockError::Call(Error::WouldDeadlock))));
    assert!(lock.try_lock().unwrap_err().is_timed_out());
    thread::scope(|scope| {
        scope.spawn(|| assert!(lock.lock_timeout(SOON).unwrap_err().is_timed_out()));
    });
    let counter = std::sync::Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let _guard = lock.lock().unwrap();
                    *counter.try_lock().unwrap() += 1;
                }
            });
        }
        wait_until(&manager, "they wait", |stats| stats.waiting == 3);
        drop(guard);
    });
    assert_eq!(counter.into_inner().unwrap(), 60);
    assert!(!lock.is_locked().unwrap());
}

#[test]
fn a_reentrant_lock_is_its_threads() {
    let _watchdog = watch("rlock");
    let manager = common::builder().start().unwrap();
    let lock = manager.rlock().unwrap();
    let (outer, inner) = (lock.lock().unwrap(), lock.try_lock().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| assert!(lock.try_lock().is_err()));
    });
    drop(outer);
    thread::scope(|scope| {
        scope.spawn(|| assert!(lock.try_lock().is_err()));
    });
    drop(inner);
    thread::scope(|scope| {
        scope.spawn(|| drop(lock.lock().unwrap()));
    });
}

#[test]
fn semaphores_count_permits() {
    let _watchdog = watch("semaphore");
    let manager = common::builder().start().unwrap();
    let semaphore = manager.semaphore(1).unwrap();
    let permit = semaphore.acquire().unwrap();
    assert!(matches!(semaphore.try_acquire(), Err(Error::WouldBlock)));
    assert!(matches!(semaphore.acquire_timeout(SOON), Err(Error::TimedOut)));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| semaphore.take());
        wait_until(&manager, "it waits", |stats| stats.waiting == 1);
        drop(permit);
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(semaphore.value().unwrap(), 0);
    semaphore.release_n(3).unwrap();
    assert_eq!(semaphore.value().unwrap(), 3);

    let bounded = manager.bounded_semaphore(2).unwrap();
    assert!(matches!(bounded.release(), Err(Error::TooMany)));
    bounded.take().unwrap();
    let permit = bounded.acquire().unwrap();
    bounded.release().unwrap();
    assert!(matches!(bounded.release(), Err(Error::TooMany)), "the other permit is out");
    drop(permit);
    assert_eq!(bounded.value().unwrap(), 2);
}

#[test]
fn events_and_barriers_let_all_go_on() {
    let _watchdog = watch("event, barrier");
    let manager = common::builder().start().unwrap();
    let event = manager.event().unwrap();
    assert!(!event.is_set().unwrap() && !event.wait_timeout(SOON).unwrap());
    thread::scope(|scope| {
        (0..3).for_each(|_| drop(scope.spawn(|| event.wait().unwrap())));
        wait_until(&manager, "they wait", |stats| stats.waiting == 3);
        event.set().unwrap();
    });
    assert!(event.is_set().unwrap() && event.wait_timeout(Duration::ZERO).unwrap());
    event.clear().unwrap();
    assert!(!event.is_set().unwrap());

    assert!(matches!(manager.barrier(0), Err(Error::Refused(_))));
    let barrier = manager.barrier(3).unwrap();
    for _ in 0..3 {
        let mut places = thread::scope(|scope| {
            let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| barrier.wait().unwrap())).collect();
            waiting.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        places.sort_unstable();
        assert_eq!(places, [0, 1, 2]);
    }
    thread::scope(|scope| {
        let waiting = scope.spawn(|| barrier.wait());
        wait_until(&manager, "it waits", |stats| stats.waiting == 1);
        assert_eq!((barrier.n_waiting().unwrap(), barrier.parties().unwrap()), (1, 3));
        assert!(matches!(barrier.wait_timeout(SOON), Err(Error::TimedOut)));
        assert!(matches!(waiting.join().unwrap(), Err(Error::Broken)));
    });
    assert!(barrier.is_broken().unwrap() && matches!(barrier.wait(), Err(Error::Broken)));
    barrier.reset().unwrap();
    assert!(!barrier.is_broken().unwrap());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| barrier.wait());
        wait_until(&manager, "it waits again", |stats| stats.waiting == 1);
        barrier.abort().unwrap();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Broken)));
    });
}

#[test]
fn a_condition_is_waited_for_without_its_lock() {
    let _watchdog = watch("condition");
    let manager = common::builder().start().unwrap();
    let (condition, items) = (manager.condition().unwrap(), manager.list::<u32>().unwrap());
    assert_eq!(condition.notify_one().unwrap(), 0);
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut guard = condition.lock().unwrap();
                    guard.wait_while(|| items.is_empty()).unwrap();
                    items.pop().unwrap().unwrap()
                })
            })
            .collect();
        wait_until(&manager, "both wait", |_| condition.n_waiting().unwrap() == 2);
        for n in 1..=2 {
            let _guard = condition.lock().unwrap();
            items.push(&n).unwrap();
            assert_eq!(condition.notify_all().unwrap(), 3 - u64::from(n));
            if n == 1 {
                items.clear().unwrap();
                items.push(&7).unwrap();
            }
            drop(_guard);
            if n == 1 {
                // One takes it, and the other waits again.
                wait_until(&manager, "one is left", |_| condition.n_waiting().unwrap() == 1);
            }
        }
        let mut got: Vec<u32> = waiting.into_iter().map(|thread| thread.join().unwrap()).collect();
        got.sort_unstable();
        assert_eq!(got, [2, 7]);
    });
    // Whose time is up has the lock again.
    let mut guard = condition.lock().unwrap();
    assert!(!guard.wait_timeout(SOON).unwrap());
    assert!(!guard.wait_timeout(Duration::ZERO).unwrap());
    thread::scope(|scope| {
        scope.spawn(|| assert!(condition.lock_timeout(SOON).is_err()));
    });
    drop((guard, condition, items));
    wait_until(&manager, "nothing is left", |stats| stats.objects == 0);
}

#[test]
fn who_is_notified_waits_for_the_lock_past_its_time() {
    let _watchdog = watch("late notification");
    let manager = common::builder().start().unwrap();
    let condition = manager.condition().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut guard = condition.lock().unwrap();
            guard.wait_timeout(Duration::from_millis(200)).unwrap()
        });
        wait_until(&manager, "it waits", |_| condition.n_waiting().unwrap() == 1);
        let guard = condition.lock().unwrap();
        assert_eq!(condition.notify_one().unwrap(), 1);
        testkit::clock::pause(Duration::from_millis(300));
        drop(guard);
        assert!(waiting.join().unwrap(), "it was notified in time");
    });
}

#[test]
fn objects_of_the_programs_own_types_are_called_by_name() {
    let _watchdog = watch("own types");
    let manager = common::builder().register::<Account>().start().unwrap();
    let account = manager.create::<Account>(10).unwrap();
    assert_eq!(account.call::<_, i64>("pay_in", &5_i64).unwrap(), 15);
    let refused: Result<i64, String> = account.call("pay_out", &50_i64).unwrap();
    assert_eq!(refused, Err("only 15 left".into()));
    assert_eq!(account.call::<_, Vec<String>>("log", &()).unwrap(), ["+5"]);
    assert!(matches!(account.call::<_, ()>("rob", &()), Err(Error::NoSuchMethod(_))));
    assert!(matches!(account.call::<_, ()>("explode", &()), Err(Error::BadArgument(_))));
    match account.call::<_, ()>("explode", "bang") {
        Err(Error::Panicked(panic)) => assert_eq!(panic.message(), "bang"),
        other => panic!("{other:?}"),
    }
    assert_eq!(account.call::<_, i64>("pay_in", &0_i64).unwrap(), -1, "it goes on");
    assert!(matches!(manager.create::<Account>(-1), Err(Error::Panicked(_))));
    // Proxies go in and come out.
    let value = manager.value(&0_i64).unwrap();
    assert!(account.call::<_, bool>("copy_to", &value).unwrap());
    assert_eq!(value.get().unwrap(), -1);
    let made: manager::Value<i64> = account.call("make_value", &()).unwrap();
    made.set(&3).unwrap();
    assert_eq!(made.get().unwrap(), 3);
    drop((account, value, made));
    wait_until(&manager, "all is gone", |stats| stats.objects == 0 && stats.references == 0);
}

#[test]
fn a_type_that_the_manager_was_not_told_of_is_refused() {
    let _watchdog = watch("no such type");
    let manager = common::builder().start().unwrap();
    assert!(
        matches!(manager.create::<Account>(1), Err(Error::NoSuchType(name)) if name == "account")
    );
}

#[test]
fn foreign_code_holds_up_only_who_uses_the_same_object() {
    let _watchdog = watch("foreign code");
    let manager = common::builder().register::<Account>().workers(2).start().unwrap();
    let (account, other) =
        (manager.create::<Account>(1).unwrap(), manager.create::<Account>(2).unwrap());
    let event = manager.event().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| account.call::<_, bool>("wait_for", &event).unwrap());
        let behind = scope.spawn(|| {
            wait_until(&manager, "it is at work", |stats| stats.waiting >= 1);
            account.call::<_, i64>("pay_in", &1_i64).unwrap()
        });
        wait_until(&manager, "both wait", |stats| stats.waiting == 2);
        assert_eq!(other.call::<_, i64>("pay_in", &1_i64).unwrap(), 3);
        event.set().unwrap();
        assert!(waiting.join().unwrap());
        assert_eq!(behind.join().unwrap(), 2);
    });
}

#[test]
fn a_batch_is_done_in_order() {
    let _watchdog = watch("batch");
    let manager = common::builder().start().unwrap();
    let (list, queue): (List<u32>, Queue<u32>) =
        (manager.list().unwrap(), manager.queue(0).unwrap());
    let mut batch = Batch::new();
    assert!(batch.is_empty());
    for n in 0..20_000 {
        drop(list.push_in(&mut batch, &n).unwrap());
    }
    let first = list.get_in(&mut batch, 0).unwrap();
    let missing = list.get_in(&mut batch, 30_000).unwrap();
    drop(queue.put_in(&mut batch, &7).unwrap());
    drop(queue);
    assert_eq!(batch.len(), 20_003);
    let mut done = batch.call().unwrap();
    assert!(done.is_ok());
    assert_eq!((done.take(first).unwrap(), done.take(missing).unwrap()), (Some(0), None));
    assert_eq!(list.len().unwrap(), 20_000);
    assert!(Batch::new().call().unwrap().is_ok());
    let other = common::builder().start().unwrap();
    let mut batch = Batch::new();
    drop(list.push_in(&mut batch, &1).unwrap());
    let elsewhere: List<u32> = other.list().unwrap();
    assert!(matches!(elsewhere.push_in(&mut batch, &1), Err(Error::Refused(_))));
}

#[test]
fn names_are_published_once_and_with_their_types() {
    let _watchdog = watch("names");
    let manager = common::builder().start().unwrap();
    let list: List<u32> = manager.list().unwrap();
    manager.publish("numbers", &list).unwrap();
    assert!(matches!(manager.publish("numbers", &list), Err(Error::NameTaken)));
    drop(list);
    let there = Manager::connect(manager.address(), None).unwrap();
    let found: List<u32> = there.look_up("numbers").unwrap();
    found.push(&1).unwrap();
    match there.look_up::<List<String>>("numbers") {
        Err(Error::OtherType { found }) => assert_eq!(found, "list<u32>"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(there.look_up::<List<u32>>("other"), Err(Error::NoSuchName)));
    assert!(matches!(manager.unpublish("other"), Err(Error::NoSuchName)));
    manager.unpublish("numbers").unwrap();
    assert_eq!(found.len().unwrap(), 1);
    drop(found);
    wait_until(&manager, "it is gone", |stats| stats.objects == 0 && stats.published == 0);
}

#[test]
fn a_manager_that_has_ended_is_told_of() {
    let _watchdog = watch("shutdown");
    let manager = common::builder().start().unwrap();
    let (list, queue): (List<u32>, Queue<u32>) =
        (manager.list().unwrap(), manager.queue(0).unwrap());
    let waiting = thread::spawn(move || queue.get());
    wait_until(&manager, "it waits", |stats| stats.waiting == 1);
    let address = manager.address().clone();
    manager.shutdown().unwrap();
    assert!(matches!(waiting.join().unwrap(), Err(Error::Lost)));
    assert!(list.push(&1).unwrap_err().is_disconnected());
    assert!(Manager::connect(&address, None).is_err());
}

#[test]
fn a_server_in_this_process_is_one_like_all() {
    let _watchdog = watch("serve");
    let folder = tempfile::tempdir().unwrap();
    let address = Address::unix(folder.path().join("socket"));
    let server =
        common::builder().address(&address).key("secret").register::<Account>().serve().unwrap();
    assert!(Manager::connect(&address, None).is_err(), "it has a key");
    assert!(Manager::connect(&address, Some(&manager::Key::new("other"))).is_err());
    let manager = server.manager().unwrap();
    let account = manager.create::<Account>(1).unwrap();
    let made: manager::Value<i64> = account.call("make_value", &()).unwrap();
    assert_eq!(made.get().unwrap(), 1);
    assert!(Manager::current().unwrap().is_none(), "this thread runs no method");
    let dict: Dict<u8, u8> = manager.dict().unwrap();
    assert_eq!(dict.update(&1, |(_, new)| Some(new), &7_u8).unwrap(), Some(7));
    assert!(common::builder().address(&address).serve().is_err(), "it is taken");
    server.shutdown().unwrap();
    assert!(dict.get(&1).unwrap_err().is_disconnected());
    assert!(!folder.path().join("socket").exists());
}
