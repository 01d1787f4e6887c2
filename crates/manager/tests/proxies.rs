//! Proxies on their way: whatever they go through, their objects are there, and then are gone.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::time::Duration;

use common::{wait_until, watch};
use ipc_core::wire;
use manager::{Dict, Error, List, Manager, Value};
use proc_core::{Process, Start};

mod common;

/// Nothing is left in the manager.
fn is_empty(manager: &Manager) {
    wait_until(manager, "nothing is left", |stats| {
        (stats.objects, stats.references, stats.on_their_way, stats.waiting) == (0, 0, 0, 0)
    });
}

/// Nobody but this process is connected.
fn is_alone(manager: &Manager) {
    wait_until(manager, "nobody else is left", |stats| stats.clients == 1);
}

#[test]
fn a_list_in_a_dict_is_the_list_itself() {
    let _watchdog = watch("nested");
    let manager = common::builder().start().unwrap();
    let dict: Dict<String, List<u32>> = manager.dict().unwrap();
    dict.set("a", &manager.list().unwrap()).unwrap();
    dict.get("a").unwrap().unwrap().push(&1).unwrap();
    let (one, other) = (dict.get("a").unwrap().unwrap(), dict.get("a").unwrap().unwrap());
    one.push(&2).unwrap();
    assert_eq!(other.to_vec().unwrap(), [1, 2]);
    assert_eq!(one, other);
    assert_eq!(manager.stats().unwrap().objects, 2);
    // It outlives what leads to it, and not longer than that is needed.
    drop((one, dict.remove("a").unwrap()));
    other.push(&3).unwrap();
    assert_eq!(other.len().unwrap(), 3);
    drop(other);
    wait_until(&manager, "the list is gone", |stats| stats.objects == 1);
    for n in 0..10_u8 {
        let list = manager.list().unwrap();
        dict.set(&n.to_string(), &list).unwrap();
    }
    assert_eq!(
        dict.iter().filter(|entry| entry.as_ref().unwrap().1.is_empty().unwrap()).count(),
        10
    );
    drop(dict);
    is_empty(&manager);
}

#[test]
fn values_with_proxies_go_through_every_sort_of_object() {
    let _watchdog = watch("through objects");
    let manager = common::builder().start().unwrap();
    let number = || manager.value(&7_u32).unwrap();
    let check = |value: Value<u32>| assert_eq!(value.get().unwrap(), 7);

    let list: List<Value<u32>> = manager.list().unwrap();
    list.push(&number()).unwrap();
    list.insert(0, &number()).unwrap();
    check(list.set(1, &number()).unwrap());
    list.to_vec().unwrap().into_iter().for_each(check);
    check(list.pop_front().unwrap().unwrap());
    check(list.remove(0).unwrap());
    assert!(matches!(list.extend(&[number()]), Err(Error::Refused(_))));

    let queue = manager.queue::<Value<u32>>(1).unwrap();
    queue.put(&number()).unwrap();
    std::thread::scope(|scope| {
        let putting = scope.spawn(|| queue.put(&number()).unwrap());
        wait_until(&manager, "it waits", |stats| stats.waiting == 1);
        check(queue.get().unwrap());
        putting.join().unwrap();
        check(queue.get().unwrap());
        let getting = scope.spawn(|| check(queue.get().unwrap()));
        wait_until(&manager, "it waits", |stats| stats.waiting == 1);
        queue.put(&number()).unwrap();
        getting.join().unwrap();
    });
    let jobs = manager.joinable_queue::<Value<u32>>(0).unwrap();
    jobs.put(&number()).unwrap();
    jobs.get().unwrap().give_back().unwrap();
    check(jobs.get().unwrap().clone());

    let value = manager.value(&(number(), number())).unwrap();
    let (a, b) = value.replace(&(number(), number())).unwrap();
    check(a);
    check(b);
    assert!(matches!(value.update(|(old, ())| old, &()), Err(Error::Refused(_))));
    let dict: Dict<u8, Vec<Value<u32>>> = manager.dict().unwrap();
    dict.set(&1, &vec![number(), number()]).unwrap();
    dict.get_or_insert(&1, &vec![number()]).unwrap().into_iter().for_each(check);
    dict.insert(&1, &vec![number()]).unwrap().unwrap().into_iter().for_each(check);
    check(dict.pop().unwrap().unwrap().1.remove(0));
    assert!(matches!(dict.get(&1), Ok(None)));
    drop((list, queue, jobs, value, dict));
    is_empty(&manager);
}

fn count_up((value, times): (Value<u64>, u64)) -> Value<u64> {
    for _ in 0..times {
        value.update(|(old, ())| old + 1, &()).unwrap();
    }
    value
}

#[test]
fn proxies_are_arguments_and_results_of_processes_of_every_start_method() {
    let _watchdog = watch("processes");
    let manager = common::builder().start().unwrap();
    for start in [Start::Spawn, Start::ForkServer] {
        let value = manager.value(&0_u64).unwrap();
        let children: Vec<_> = (0..4)
            .map(|_| {
                let argument = (value.clone(), 50);
                Process::builder().start(start).spawn(count_up, argument).unwrap()
            })
            .collect();
        drop(value);
        let mut values = Vec::new();
        for child in children {
            // Its connection is gone by now, but not what it sent.
            values.push(child.join().unwrap());
        }
        assert!(values.iter().all(|value| value.get().unwrap() == 200));
        drop(values);
        is_alone(&manager);
        is_empty(&manager);
    }
}

fn make_in_child(manager: Dict<String, u32>) -> Result<Dict<String, u32>, String> {
    manager.set("child", &1).map_err(|error| error.to_string())?;
    Ok(manager)
}

#[test]
fn what_a_child_returns_outlives_the_child() {
    let _watchdog = watch("returned");
    let manager = common::builder().start().unwrap();
    let child = Process::spawn(make_in_child, manager.dict().unwrap()).unwrap();
    // Nobody has a proxy of it but the message.
    child.wait().unwrap();
    is_alone(&manager);
    assert_eq!(manager.stats().unwrap().on_their_way, 1);
    let dict = child.join().unwrap().unwrap();
    assert_eq!(dict.get("child").unwrap(), Some(1));
    assert_eq!(manager.stats().unwrap().on_their_way, 0);
    drop(dict);
    is_empty(&manager);
}

#[test]
fn what_was_sent_is_kept_until_it_is_received() {
    let _watchdog = watch("on its way");
    let manager = common::builder().start().unwrap();
    let list: List<u32> = manager.list().unwrap();
    list.push(&7).unwrap();
    let message = wire::encode(&list).unwrap();
    drop(list);
    let stats = manager.stats().unwrap();
    assert_eq!((stats.objects, stats.references, stats.on_their_way), (1, 1, 1));
    let bytes = message.bytes.clone();
    let first: List<u32> = wire::decode(message).unwrap();
    assert_eq!(first.to_vec().unwrap(), [7]);
    assert_eq!(manager.stats().unwrap().on_their_way, 0);
    // The same message again is good as long as somebody has the object.
    let second: List<u32> = wire::decode_plain(&bytes).unwrap();
    assert_eq!(second, first);
    drop((first, second));
    is_empty(&manager);
    assert!(wire::decode_plain::<List<u32>>(&bytes).is_err(), "it is gone");
}

fn send_and_die((list, socket): (List<u32>, ipc_pipe::Sender<List<u32>>)) {
    socket.send(&list).unwrap();
    // Not even destructors are run.
    std::process::abort();
}

#[test]
fn what_a_sender_that_died_had_sent_is_kept_for_a_while() {
    let _watchdog = watch("sender died");
    let manager = common::builder().passage_timeout(Duration::from_secs(3600)).start().unwrap();
    let (sender, receiver) = ipc_pipe::channel::<List<u32>>().unwrap();
    let list = manager.list().unwrap();
    let argument = (list, sender);
    let child = Process::spawn(send_and_die, argument).unwrap();
    child.wait().unwrap();
    is_alone(&manager);
    assert_eq!(manager.stats().unwrap().objects, 1);
    let list = receiver.recv().unwrap();
    list.push(&1).unwrap();
    drop(list);
    is_empty(&manager);

    let impatient = common::builder().passage_timeout(Duration::from_millis(1)).start().unwrap();
    let (sender, receiver) = ipc_pipe::channel::<List<u32>>().unwrap();
    let child = Process::spawn(send_and_die, (impatient.list().unwrap(), sender)).unwrap();
    child.wait().unwrap();
    is_empty(&impatient);
    assert!(receiver.recv().is_err());
}

#[test]
fn a_proxy_of_one_manager_lives_in_an_object_of_another() {
    let _watchdog = watch("two managers");
    let (one, other) = (common::builder().start().unwrap(), Manager::start().unwrap());
    let list: List<u32> = one.list().unwrap();
    let dict: Dict<u8, List<u32>> = other.dict().unwrap();
    dict.set(&1, &list).unwrap();
    dict.get(&1).unwrap().unwrap().push(&5).unwrap();
    assert_eq!(list.to_vec().unwrap(), [5]);
    // As a key it would have to be the same bytes each time.
    let dict: Dict<List<u32>, u8> = one.dict().unwrap();
    assert!(matches!(dict.set(&list, &1), Err(Error::Encode(_))));
    assert_eq!(one.stats().unwrap().on_their_way + other.stats().unwrap().on_their_way, 0);
}

#[test]
fn a_message_of_a_manager_that_is_gone_is_an_error() {
    let _watchdog = watch("gone manager");
    let manager = common::builder().start().unwrap();
    let list: List<u32> = manager.list().unwrap();
    let message = wire::encode(&list).unwrap();
    manager.shutdown().unwrap();
    assert!(wire::decode::<List<u32>>(message).is_err());
    assert!(wire::encode(&list).is_err());
    let garbage = wire::decode_plain::<List<u32>>(&[0, 9]);
    assert!(garbage.is_err(), "nobody gave it");
}

#[test]
fn threads_of_a_process_use_one_connection() {
    let _watchdog = watch("threads");
    let manager = common::builder().start().unwrap();
    let dict: Dict<u64, u64> = manager.dict().unwrap();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let dict = &dict;
            scope.spawn(move || {
                for m in 0..200 {
                    dict.set(&(n * 1000 + m), &m).unwrap();
                    assert_eq!(dict.get(&(n * 1000 + m)).unwrap(), Some(m));
                }
            });
        }
    });
    assert_eq!((dict.len().unwrap(), manager.stats().unwrap().clients), (1600, 1));
}
