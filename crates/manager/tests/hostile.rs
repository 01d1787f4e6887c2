//! Clients that do what none of ours does: they are refused or bounded, and nobody else is harmed.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use common::raw::{
    ATTACH, CREATE, DESK, LET_GO, MAGIC, MAKE, REDEEM, Raw, SEND, block, call, number_in, numbers,
};
use common::{Account, SOON, wait_until, watch};
use ipc_pipe::{Connection, Listener};
use manager::{Address, ConnectError, Dict, Error, Event, Manager, Queue};
use proptest::prelude::*;

mod common;

/// The manager does what it should for everybody else.
fn works(manager: &Manager) {
    let dict: Dict<u8, u8> = manager.dict().unwrap();
    dict.set(&1, &2).unwrap();
    assert_eq!(dict.get(&1).unwrap(), Some(2));
}

#[test]
fn who_does_not_say_hello_is_shown_out() {
    let _watchdog = watch("no hello");
    let manager = common::builder().hello_timeout(SOON).start().unwrap();
    let silent = Raw::connect(manager.address());
    for garbage in [&b"GET / HTTP/1.1"[..], b"", MAGIC, &[0xff; 100]] {
        let raw = Raw::connect(manager.address());
        raw.say(garbage);
        assert_eq!(raw.hear(), None, "{garbage:?}");
    }
    assert_eq!(silent.hear(), None);
    wait_until(&manager, "they are counted", |stats| stats.refused == 5 && stats.clients == 1);
    works(&manager);
}

#[test]
fn another_version_is_told_which_this_is() {
    let _watchdog = watch("version");
    let manager = common::builder().start().unwrap();
    let raw = Raw::connect(manager.address());
    raw.say(&[MAGIC, &[99, 0, 0]].concat());
    let said = raw.hear().unwrap();
    assert_eq!((&said[..8], said[8]), (MAGIC, 1));
    assert_eq!(raw.hear(), None);

    // And who connects to another version, or to something else, is told so.
    let folder = tempfile::tempdir().unwrap();
    let address = Address::unix(folder.path().join("other"));
    let listener = Listener::bind(&address).unwrap();
    let answers = [[MAGIC, &[2, 1, 1, 0]].concat(), b"something else".to_vec(), Vec::new()];
    let server = std::thread::spawn(move || {
        for answer in answers {
            let line: Connection<(), ()> = listener.accept().unwrap();
            line.recv_bytes(1000).unwrap();
            if answer.is_empty() {
                // Says nothing until the client has given up.
                assert!(line.recv_bytes(1000).is_err());
            } else {
                line.send_bytes(&answer).unwrap();
            }
        }
    });
    let other = Manager::connect(&address, None).unwrap_err();
    assert!(matches!(other, ConnectError::OtherVersion { ours: 1, theirs: 2 }), "{other}");
    let none = Manager::connect(&address, None).unwrap_err();
    assert!(matches!(none, ConnectError::NotAManager), "{none}");
    let silent = Manager::connect_timeout(&address, None, SOON).unwrap_err();
    let timed_out = ConnectError::Pipe(ipc_pipe::ConnectError::TimedOut);
    assert_eq!(silent.to_string(), timed_out.to_string());
    server.join().unwrap();
}

#[test]
fn nobody_reaches_an_object_without_a_reference() {
    let _watchdog = watch("no reference");
    let manager = common::builder().start().unwrap();
    let dict: Dict<u8, u8> = manager.dict().unwrap();
    dict.set(&1, &2).unwrap();
    let raw = Raw::greeted(manager.address());
    // The dict is number 1. Guessing it is not enough for a call, a link, or to send it.
    assert!(!raw.call(1, 1, &[1]).0);
    assert!(!raw.call(DESK, SEND, &numbers(&[1])).0);
    raw.say(&call(7, DESK, CREATE, &[1], &[block(b"value"), block(b"x")].concat()));
    assert_eq!(raw.hear().unwrap()[1], 0);
    // What is given back and was never had changes nothing.
    raw.say(&call(0, DESK, LET_GO, &[], &numbers(&[1])));
    raw.say(&call(0, DESK, LET_GO, &[], &numbers(&[u64::MAX])));
    assert!(!raw.call(DESK, REDEEM, &numbers(&[5, 77])).0);
    assert!(!raw.call(DESK, ATTACH, &numbers(&[77])).0);
    assert_eq!(dict.get(&1).unwrap(), Some(2));
}

#[test]
fn who_gives_up_an_object_that_it_waits_at_is_answered() {
    let _watchdog = watch("gives up");
    let manager = common::builder().start().unwrap();
    let raw = Raw::greeted(manager.address());
    let queue = raw.make("queue", &[0, 0]);
    // It waits for an item, without end.
    raw.say(&call(8, queue, 2, &[], &[1]));
    wait_until(&manager, "it waits", |stats| stats.waiting == 1);
    raw.say(&call(0, DESK, LET_GO, &[], &numbers(&[queue])));
    assert_eq!(raw.hear().unwrap()[..2], [8, 0]);
    wait_until(&manager, "nothing is left", |stats| stats.waiting == 0 && stats.objects == 0);
}

#[test]
fn an_iterator_is_its_clients_alone_and_takes_no_harm_from_what_is_asked_of_it() {
    let _watchdog = watch("iterators");
    let manager = common::builder().register::<Account>().start().unwrap();
    let (raw, other) = (Raw::greeted(manager.address()), Raw::greeted(manager.address()));
    let init = [block(b"account"), block(b"x"), vec![0]].concat();
    let (is_made, bytes) = raw.call(DESK, MAKE, &init);
    assert!(is_made);
    let account = number_in(&bytes);
    let call_by_name = |method, name: &[u8], rest: &[u8]| {
        raw.call(account, method, &[block(name), rest.to_vec()].concat())
    };
    // Pays in three times: a negative number is odd.
    for amount in [2, 4, 6] {
        assert!(call_by_name(1, b"pay_in", &[amount]).0);
    }
    // What comes back leads to one object, whose number it is.
    let (is_made, iterator) = call_by_name(2, b"log_from", &[0]);
    let number = iterator[1];
    assert_eq!((is_made, &iterator[..]), (true, &[1, number, 1, number][..]));
    let iterator = u64::from(number);
    assert!(!other.call(iterator, 1, &[1]).0, "another has no reference to it");
    for (method, argument) in [(0, &[1][..]), (2, &[1]), (1, &[]), (1, &[0xff])] {
        assert!(!raw.call(iterator, method, argument).0, "{method} {argument:?}");
    }
    // None at all is one.
    let page = |items: &[u8]| (true, [&[0], &block(items)[..]].concat());
    assert_eq!(raw.call(iterator, 1, &[0]), page(&[0, 1, 2, b'+', b'1']));
    // More than there are, which is all; and then there is nothing.
    let most = numbers(&[u64::MAX]);
    assert_eq!(raw.call(iterator, 1, &most), page(&[1, 2, 2, b'+', b'2', 2, b'+', b'3']));
    assert_eq!(raw.call(iterator, 1, &most), page(&[1, 0]));
    // One that nobody wants to hear of is gone at once, and one that is not given back goes with its client.
    raw.say(&call(0, account, 2, &[], &[block(b"log_from"), vec![0]].concat()));
    wait_until(&manager, "two are left", |stats| stats.objects == 2);
    assert!(call_by_name(2, b"log_from", &[0]).0);
    drop(raw);
    wait_until(&manager, "nothing is left", |stats| stats.objects == 0);
    works(&manager);
}

#[test]
fn a_message_that_is_cut_short_ends_its_client_alone() {
    let _watchdog = watch("cut short");
    let manager = common::builder().start().unwrap();
    let whole = call(7, DESK, CREATE, &[], &[block(b"dict"), block(b"x")].concat());
    for len in 1..whole.len() {
        let raw = Raw::greeted(manager.address());
        raw.say(&whole[..len]);
        assert_eq!(raw.hear(), None, "{len}");
    }
    // More links than there are bytes, and a block that is longer than all memory.
    for message in [numbers(&[1, 0, 2, u64::MAX]), numbers(&[1, 0, 2, 0, u64::MAX])] {
        let raw = Raw::greeted(manager.address());
        raw.say(&message);
        assert_eq!(raw.hear(), None);
    }
    works(&manager);
    wait_until(&manager, "all are gone", |stats| stats.clients == 1 && stats.objects == 0);
}

#[test]
fn a_call_that_is_too_long_is_refused_at_both_ends() {
    let _watchdog = watch("too long");
    let manager = common::builder().max_call_bytes(10_000).start().unwrap();
    let dict: Dict<u8, Vec<u8>> = manager.dict().unwrap();
    match dict.set(&1, &vec![0; 20_000]) {
        Err(Error::TooLong { limit: 10_000, .. }) => {}
        other => panic!("{other:?}"),
    }
    dict.set(&1, &vec![0; 5_000]).unwrap();
    let raw = Raw::greeted(manager.address());
    raw.say(&vec![1; 20_000]);
    assert_eq!(raw.hear(), None);
    works(&manager);
}

#[test]
fn who_does_not_read_is_not_heard_until_it_does() {
    const N_CALLS: u64 = 2_000;
    const LEN: usize = 20_000;

    let _watchdog = watch("slow reader");
    let manager = common::builder().max_backlog_bytes(100_000).start().unwrap();
    let raw = Raw::greeted(manager.address());
    let value = raw.make("value", &[7; LEN]);
    let before = manager.stats().unwrap().calls;
    let sending = std::thread::spawn({
        let line = raw.line.clone();
        move || {
            for id in 0..N_CALLS {
                line.send_bytes(&call(100 + id, value, 1, &[], &[])).unwrap();
            }
        }
    });
    wait_until(&manager, "it is heard", |stats| stats.calls >= before + 5);
    // Each of these gives it a turn, in which it is not heard any more.
    (0..200).for_each(|_| drop(manager.stats().unwrap()));
    works(&manager);
    let n_done = manager.stats().unwrap().calls - before;
    assert!(n_done < N_CALLS / 2, "{n_done}");
    // All are answered as soon as they are read.
    let mut n_bytes = 0;
    while n_bytes < LEN * usize::try_from(N_CALLS).unwrap() {
        n_bytes += raw.hear().unwrap().len();
    }
    sending.join().unwrap();
    works(&manager);
}

#[test]
fn who_lets_too_much_wait_for_it_is_shown_out() {
    let _watchdog = watch("hoarder");
    let manager = common::builder().max_backlog_bytes(100_000).start().unwrap();
    let queue: Queue<Vec<u8>> = manager.queue(0).unwrap();
    manager.publish("queue", &queue).unwrap();
    let raw = Raw::greeted(manager.address());
    let name = block(b"queue");
    let (is_found, bytes) =
        raw.call(DESK, 8, &[name, b"queue<alloc::vec::Vec<u8>>".to_vec()].concat());
    assert!(is_found);
    let object = number_in(&bytes);
    for id in 0..100 {
        raw.say(&call(100 + id, object, 2, &[], &[1]));
    }
    wait_until(&manager, "they wait", |stats| stats.waiting == 100);
    for _ in 0..100 {
        queue.put(&vec![0; 20_000]).unwrap();
    }
    wait_until(&manager, "it is shown out", |stats| stats.clients == 1 && stats.refused == 1);
    // What was not handed to it is there for others.
    assert!(!queue.is_empty().unwrap());
    works(&manager);
}

#[test]
fn a_client_has_so_many_calls_waiting_and_no_more() {
    let _watchdog = watch("waiting calls");
    let manager = common::builder().max_waiting_calls(2).start().unwrap();
    let queue: Queue<u8> = manager.queue(0).unwrap();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..2).map(|_| scope.spawn(|| queue.get())).collect();
        wait_until(&manager, "two wait", |stats| stats.waiting == 2);
        assert!(matches!(queue.get(), Err(Error::Refused(_))));
        // What does not wait is done.
        queue.close().unwrap();
        for thread in waiting {
            assert!(matches!(thread.join().unwrap(), Err(Error::Closed)));
        }
    });
}

#[test]
fn so_much_is_kept_and_no_more() {
    let _watchdog = watch("kept");
    let manager = common::builder().max_kept_bytes(20_000).start().unwrap();
    let (dict, list) =
        (manager.dict::<u16, Vec<u8>>().unwrap(), manager.list::<Vec<u8>>().unwrap());
    let (queue, value) = (manager.queue(0).unwrap(), manager.value(&Vec::<u8>::new()).unwrap());
    let one = vec![7_u8; 1_000];
    let mut n_kept = 0;
    loop {
        match dict.set(&n_kept, &one) {
            Ok(()) => n_kept += 1,
            Err(Error::Full { kept, limit: 20_000 }) => break assert!(kept <= 20_000, "{kept}"),
            Err(error) => panic!("{error}"),
        }
    }
    // Each takes something beside.
    assert!((16..20).contains(&n_kept), "{n_kept}");
    let is_full = |result: Result<(), Error>| matches!(result, Err(Error::Full { .. }));
    assert!(is_full(dict.get_or_insert(&n_kept, &one).map(drop)));
    assert!(is_full(dict.update(&0, |(old, _): (Option<Vec<u8>>, Vec<u8>)| old, &one).map(drop)));
    assert!(is_full(list.push(&one)) && is_full(list.extend(std::slice::from_ref(&one))));
    assert!(is_full(queue.put(&one)) && is_full(value.set(&one)));
    assert!(is_full(manager.value(&one).map(drop)));
    // Nothing was changed, and what is there can be looked at and taken out.
    assert_eq!((dict.len().unwrap(), list.len().unwrap()), (usize::from(n_kept), 0));
    assert_eq!(dict.remove(&0).unwrap(), Some(one.clone()));
    list.push(&one).unwrap();
    assert!(manager.stats().unwrap().kept_bytes <= 20_000);
    drop((dict, list, queue, value));
    wait_until(&manager, "nothing is kept", |stats| stats.kept_bytes == 0);
}

/// What a client fills; that it is full, and that there is room again.
type Filled = (Dict<u16, Vec<u8>>, Queue<Vec<u8>>, [Event; 2]);

/// Puts in as much as it may, and waits until somebody has taken some of it out.
fn fill((dict, queue, [is_full, has_room]): Filled) -> bool {
    let one = vec![7_u8; 1_000];
    let full = loop {
        let n_kept = u16::try_from(dict.len().unwrap()).unwrap();
        if let Err(error) = dict.set(&n_kept, &one) {
            break error;
        }
    };
    let is_it = |error: &Error| matches!(error, Error::ShareFull { kept, limit: 10_000 } if *kept <= 10_000);
    let is_refused = queue.put(&one).is_err_and(|error| is_it(&error));
    is_full.set().unwrap();
    has_room.wait().unwrap();
    is_it(&full) && is_refused && dict.set(&0, &one).is_ok()
}

#[test]
fn so_much_is_kept_of_a_client_and_others_have_theirs() {
    let _watchdog = watch("shares");
    let builder = common::builder().max_kept_bytes(30_000).max_kept_bytes_per_client(10_000);
    let manager = builder.start().unwrap();
    let (dict, queue): (Dict<u16, Vec<u8>>, Queue<Vec<u8>>) =
        (manager.dict().unwrap(), manager.queue(0).unwrap());
    let (is_full, has_room) = (manager.event().unwrap(), manager.event().unwrap());
    let argument = (dict.clone(), queue.clone(), [is_full.clone(), has_room.clone()]);
    let child = proc_core::Process::spawn(fill, argument).unwrap();
    is_full.wait().unwrap();
    // What it may not put in, this process may. What that takes out was the other's.
    queue.put(&vec![7; 100]).unwrap();
    dict.set(&1_000, &vec![7; 5_000]).unwrap();
    assert!(dict.remove(&0).unwrap().is_some() && dict.remove(&1).unwrap().is_some());
    has_room.set().unwrap();
    assert!(child.join().unwrap());
    // What it left behind is on nobody's account but the manager's.
    dict.set(&1_001, &vec![7; 3_000]).unwrap();
    assert!(matches!(dict.set(&1_002, &vec![7; 4_000]), Err(Error::ShareFull { .. })));
    drop((dict, queue, is_full, has_room));
    wait_until(&manager, "nothing is kept", |stats| stats.kept_bytes == 0);
}

#[test]
fn who_makes_objects_or_names_without_end_is_told_and_the_server_has_room() {
    let _watchdog = watch("objects");
    let builder = common::builder().max_kept_bytes_per_client(100_000);
    let manager = builder.start().unwrap();
    let is_full = |error: &Error| matches!(error, Error::ShareFull { limit: 100_000, .. });
    let mut sets = Vec::new();
    let error = loop {
        match manager.set::<u32>() {
            Ok(set) => sets.push(set),
            Err(error) => break error,
        }
    };
    assert!(is_full(&error), "{error}");
    assert!((100..1_000).contains(&sets.len()), "{}", sets.len());
    sets.truncate(10);
    wait_until(&manager, "they are gone", |stats| stats.objects == 10);
    let publish = |number: u32| manager.publish(&format!("set {number}"), &sets[0]);
    let (n_names, error) =
        (0..).find_map(|number| publish(number).err().map(|error| (number, error))).unwrap();
    assert!(is_full(&error) && n_names > 500, "{n_names}: {error}");
    for number in 0..n_names {
        manager.unpublish(&format!("set {number}")).unwrap();
    }
    drop(sets);
    wait_until(&manager, "nothing is kept", |stats| stats.kept_bytes == 0);
}

#[test]
fn there_are_so_many_clients_and_no_more() {
    let _watchdog = watch("clients");
    let manager = common::builder().max_clients(3).start().unwrap();
    let (_one, other) = (Raw::greeted(manager.address()), Raw::greeted(manager.address()));
    let refused = Manager::connect(&Address::clone(manager.address()), None);
    // This process has its connection; a third of others is one too many.
    assert!(refused.is_ok());
    let third = Raw::connect(manager.address());
    third.say(&[MAGIC, &[1, 0, 0]].concat());
    assert_eq!(third.hear(), None);
    drop(other);
    wait_until(&manager, "there is room", |stats| stats.clients == 2);
    works(&manager);
    let _fourth = Raw::greeted(manager.address());
}

fn calls() -> impl Strategy<Value = Vec<(u64, u64, Vec<u64>, Vec<u8>)>> {
    // Names that are published stay, so none are.
    let method = (0_u64..18).prop_filter("no names", |method| *method != 6);
    let one = (0_u64..12, method, prop::collection::vec(0_u64..12, 0..3));
    let argument = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        prop::collection::vec(0_u8..12, 0..8),
        prop::sample::select(vec![
            "dict",
            "list",
            "value",
            "queue",
            "lock",
            "semaphore",
            "barrier"
        ])
        .prop_map(|sort| [block(sort.as_bytes()), block(b"x"), vec![1, 1, 1, 1]].concat()),
    ];
    prop::collection::vec(
        (one, argument).prop_map(|((object, method, links), bytes)| (object, method, links, bytes)),
        1..60,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_called_with_whatever_the_manager_goes_on(calls in calls()) {
        thread_local! {
            static MANAGER: Manager = common::builder()
                .workers(1)
                .passage_timeout(SOON)
                .start().unwrap();
        }
        let _watchdog = watch("any calls");
        MANAGER.with(|manager| {
            let raw = Raw::greeted(manager.address());
            let sorts = ["dict", "list", "value", "queue", "lock", "semaphore", "event", "barrier"];
            let objects: Vec<u64> = sorts.iter().map(|sort| raw.make(sort, &[2, 0, 0])).collect();
            let of = |number: u64| match number.checked_sub(1) {
                None => DESK,
                Some(at) => *objects.get(usize::try_from(at).unwrap()).unwrap_or(&number),
            };
            for (object, method, links, argument) in &calls {
                // Nobody reads the replies to those that want one.
                // No object comes to lead to itself, which would keep it.
                let links = links.iter().filter(|link| *object == DESK || *link < object);
                let links: Vec<u64> = links.map(|link| of(*link)).collect();
                raw.say(&call(method % 2, of(*object), *method, &links, argument));
            }
            drop(raw);
            works(manager);
            wait_until(manager, "nothing is left of it", |stats| {
                (stats.clients, stats.objects, stats.references, stats.waiting) == (1, 0, 0, 0)
            });
        });
    }
}

#[test]
fn a_call_may_wait_for_ever_and_be_ended_by_its_clients_end() {
    let _watchdog = watch("for ever");
    let manager = common::builder().start().unwrap();
    let raw = Raw::greeted(manager.address());
    let lock = raw.make("lock", &[]);
    raw.say(&call(0, lock, 1, &[], &[1, 0, 1]));
    raw.say(&call(0, lock, 1, &[], &[1, 0, 2]));
    wait_until(&manager, "it waits", |stats| stats.waiting == 1);
    drop(raw);
    wait_until(&manager, "it is gone", |stats| stats.waiting == 0 && stats.objects == 0);
}
