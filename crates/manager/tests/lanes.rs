//! Calls that go through memory: which do, in what order, what happens when it is full, and what clients
//! can do to it that are none of ours.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::os::fd::AsRawFd as _;
use std::time::Duration;

use common::{wait_until, watch};
use ipc_core::Deadline;
use ipc_pipe::Connection;
use ipc_pipe::lane::LONGEST;
use lane_script::words::{HEADS, RINGS};
use lane_script::{Server, Stranger, call, make_dict, play};
use manager::{Address, Batch, Dict, List, Manager, Value};
use proc_core::Process;
use proptest::prelude::*;
use rustix::process::{Resource, getrlimit, setrlimit};

mod common;
mod lane_script;

fn a_manager() -> Manager {
    Manager::start().unwrap()
}

/// The manager does what it should for everybody else.
fn works(manager: &Manager) {
    let dict: Dict<u8, u8> = manager.dict().unwrap();
    dict.set(&1, &2).unwrap();
    assert_eq!(dict.get(&1).unwrap(), Some(2));
}

/// A child that says how many lanes there are, with its own, if it has one.
fn count_lanes(address: String) -> u64 {
    let manager = Manager::connect(&Address::abstract_name(address), None).unwrap();
    manager.stats().unwrap().lanes
}

#[test]
fn those_who_come_first_have_lanes_and_give_them_back() {
    let _watchdog = watch("who has a lane");
    for (most, in_children) in [(0, [0, 0]), (1, [1, 1]), (2, [2, 2])] {
        let name = format!("lanes-{most}-{:?}", std::thread::current().id());
        let address = Address::abstract_name(name.clone());
        let manager = Manager::builder().address(&address).max_lanes(most).start().unwrap();
        assert_eq!(manager.stats().unwrap().lanes, most.min(1) as u64);
        for expected in in_children {
            assert_eq!(
                Process::spawn(count_lanes, name.clone()).unwrap().join().unwrap(),
                expected
            );
            wait_until(&manager, "it is gone", |stats| stats.clients == 1);
            assert_eq!(manager.stats().unwrap().lanes, most.min(1) as u64);
        }
    }
}

/// Lets this process have so many descriptors more than it has.
fn leave_descriptors(more: u64) {
    let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(u64::try_from(next).unwrap() + more);
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// A child that has a descriptor for a socket, and none for a lane.
fn use_without_room(address: String) {
    leave_descriptors(1);
    let manager = Manager::connect(&Address::abstract_name(address), None).unwrap();
    works(&manager);
}

#[test]
fn a_client_without_a_descriptor_for_a_lane_has_its_socket() {
    let _watchdog = watch("no descriptor there");
    let name = format!("no-room-{:?}", std::thread::current().id());
    let address = Address::abstract_name(name.clone());
    let manager = Manager::builder().address(&address).start().unwrap();
    Process::spawn(use_without_room, name).unwrap().join().unwrap();
    // It had been given one first.
    wait_until(&manager, "it is gone", |stats| (stats.clients, stats.lanes) == (1, 1));
    works(&manager);
}

/// A child that serves, and has so many descriptors for a client.
fn serve_without_room((address, more, is_ready): (String, u64, Connection<(), ()>)) {
    let address = Address::abstract_name(address);
    let server = Manager::builder().address(&address).serve().unwrap();
    leave_descriptors(more);
    is_ready.send(&()).unwrap();
    // Until nobody wants it any more.
    is_ready.recv().ok();
    server.shutdown().unwrap();
}

#[test]
fn a_server_without_a_descriptor_for_a_lane_has_its_clients_sockets() {
    let _watchdog = watch("no descriptor here");
    // With the first of these nobody gets in, with the last there is room for a lane.
    let lanes = (1..=6).map(|more| {
        let name = format!("{more}-descriptors-{:?}", std::thread::current().id());
        let (is_ready, theirs) = ipc_pipe::pipe().unwrap();
        let child = Process::spawn(serve_without_room, (name.clone(), more, theirs)).unwrap();
        is_ready.recv().unwrap();
        let manager = Manager::connect(&Address::abstract_name(name), None);
        let lanes = manager.map(|manager| {
            works(&manager);
            manager.stats().unwrap().lanes
        });
        drop(is_ready);
        child.join().unwrap();
        lanes.ok()
    });
    let lanes: Vec<Option<u64>> = lanes.collect();
    assert!(lanes.contains(&Some(0)) && lanes.ends_with(&[Some(1)]), "{lanes:?}");
}

/// Has the system refuse the fences that lanes need to this process.
fn refuse_fences() {
    testkit::refuse(libc::SYS_membarrier);
}

/// A child that is refused fences before it connects, or has fences and then none; the lanes that there
/// were, and whether its calls did what they should.
fn call_without_fences((address, from_the_beginning): (String, bool)) -> (u64, bool) {
    if from_the_beginning {
        refuse_fences();
    }
    let manager = Manager::connect(&Address::abstract_name(address), None).unwrap();
    let n_lanes = manager.stats().unwrap().lanes;
    refuse_fences();
    call_awake_and_asleep(&manager);
    (n_lanes, true)
}

/// Calls one after the other, calls that fill the lane, and calls of a server that sleeps.
fn call_awake_and_asleep(manager: &Manager) {
    let list: List<Vec<u8>> = manager.list().unwrap();
    for round in 0..8 {
        let mut batch = Batch::new();
        for _ in 0..100 {
            drop(list.push_in(&mut batch, &vec![1; 1000]).unwrap());
        }
        assert!(batch.call().unwrap().is_ok());
        for _ in 0..20 {
            assert_eq!(list.get(0).unwrap(), Some(vec![1; 1000]));
        }
        // Nobody calls for a while: whatever the server does meanwhile, it hears the next call.
        testkit::clock::pause(Duration::from_millis(round % 4));
    }
    assert_eq!(list.len().unwrap(), 800);
}

#[test]
fn who_is_refused_fences_has_no_lane_and_who_has_one_already_is_served() {
    let _watchdog = watch("refused fences");
    let name = format!("lanes-{:?}", std::thread::current().id());
    let address = Address::abstract_name(name.clone());
    let manager = Manager::builder().address(&address).start().unwrap();
    for (from_the_beginning, n_lanes) in [(true, 1), (false, 2)] {
        let child = Process::spawn(call_without_fences, (name.clone(), from_the_beginning));
        assert_eq!(child.unwrap().join().unwrap(), (n_lanes, true));
        wait_until(&manager, "it is gone", |stats| stats.clients == 1);
    }
    // And now the server.
    let value: Value<u64> = manager.value(&0).unwrap();
    let refuse = |(old, ())| {
        refuse_fences();
        old + 1
    };
    value.update(refuse, &()).unwrap();
    call_awake_and_asleep(&manager);
    let child = Process::spawn(count_lanes, name);
    assert_eq!(child.unwrap().join().unwrap(), 1, "nobody gets one from then on");
}

#[test]
fn messages_of_all_lengths_keep_their_order() {
    let _watchdog = watch("messages of all lengths");
    let manager = a_manager();
    let list: List<Vec<u8>> = manager.list().unwrap();
    let lens = [1, LONGEST - 100, LONGEST, LONGEST + 1, 0, 1 << 20, 3, 200_000, 200_000, 7];
    let mut batch = Batch::new();
    for len in lens {
        drop(list.push_in(&mut batch, &vec![7; len]).unwrap());
    }
    assert!(batch.call().unwrap().is_ok());
    assert_eq!(list.iter().map(|item| item.unwrap().len()).collect::<Vec<_>>(), lens);
    for len in lens {
        list.set(0, &vec![1; len]).unwrap();
        assert_eq!(list.get(0).unwrap(), Some(vec![1; len]));
    }
}

#[test]
fn threads_that_fill_the_lane_both_ways_all_go_on() {
    let _watchdog = watch("full lanes");
    let manager = a_manager();
    let list: List<Vec<u8>> = manager.list().unwrap();
    list.push(&vec![1; 1000]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let mut batch = Batch::new();
                    let gets: Vec<_> = (0..600)
                        .map(|_| {
                            drop(list.push_in(&mut batch, &vec![1; 1000]).unwrap());
                            list.get_in(&mut batch, 0).unwrap()
                        })
                        .collect();
                    let mut done = batch.call().unwrap();
                    gets.into_iter()
                        .for_each(|get| assert_eq!(done.take(get).unwrap().unwrap().len(), 1000));
                }
            });
        }
    });
    let calls = manager.stats().unwrap().calls;
    assert!(calls >= 4 * 3 * 1200, "{calls}");
}

/// How long a process has run, in ticks of its threads.
fn run_time(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap()
}

#[test]
fn a_server_that_nobody_calls_sleeps() {
    let _watchdog = watch("an idle server");
    let manager = a_manager();
    works(&manager);
    let pid = manager.pid().unwrap();
    let mut before = run_time(pid);
    loop {
        testkit::clock::pause(Duration::from_millis(30));
        let now = run_time(pid);
        if now == before {
            break;
        }
        before = now;
    }
    works(&manager);
}

#[test]
fn a_stranger_that_does_all_as_it_should_is_served() {
    let _watchdog = watch("a stranger");
    let manager = a_manager();
    let mut stranger = Stranger::connect(manager.address()).unwrap();
    assert!(stranger.say(&make_dict(1)));
    let made = stranger.hear().unwrap();
    assert_eq!(made[..2], [1, 1], "the first call has returned");
    let dict = *made.last().unwrap();
    assert!(stranger.say(&call(2, dict, 2, b"\x01kvalue")));
    assert!(stranger.say(&call(3, dict, 1, b"k")));
    // Replies may come in one message, or in two.
    let mut replies = Vec::new();
    while replies.len() < 14 {
        replies.extend(stranger.hear().unwrap());
    }
    assert_eq!(replies, b"\x02\x01\0\0\x03\x01\0\x06\x01value");
    // What is too long goes through the socket, and its mark through the lane.
    let long = call(4, dict, 6, b"");
    stranger.socket.send_bytes(&long).unwrap();
    assert!(stranger.say(&call(5, dict, 6, b"")));
    assert!(stranger.lane.writer.try_mark(&Server(&stranger.socket)).unwrap());
    let (first, second) = (stranger.hear().unwrap(), stranger.hear());
    assert_eq!(first[0], 5);
    assert!(second.is_some_and(|reply| reply[0] == 4));
}

#[test]
fn a_lane_that_lies_is_the_end_of_its_client_only() {
    let _watchdog = watch("a lane that lies");
    let manager = a_manager();
    let lies: [fn(&mut Stranger); 6] = [
        // A header that is none, a length that is too long, a mark of nothing.
        |stranger| stranger.write(RINGS[1], u64::MAX),
        |stranger| stranger.write(RINGS[1], 1 | 1 << 40),
        |stranger| assert!(stranger.lane.writer.try_mark(&Server(&stranger.socket)).unwrap()),
        // A reader that has read what was never sent: the server sees it when there seems to be no room.
        |stranger| {
            stranger.write(HEADS[0], u64::MAX / 2);
            while !stranger.socket.closed().unwrap() {
                stranger.say(&call(1, 0, 9, b""));
            }
        },
        // Two messages beside the lane, and no mark.
        |stranger| {
            stranger.socket.send_bytes(b"one").unwrap();
            stranger.socket.send_bytes(b"two").unwrap();
        },
        // Garbage, as it should be sent.
        |stranger| assert!(stranger.say(&[0xff; 100])),
    ];
    for lie in lies {
        let mut stranger = Stranger::connect(manager.address()).unwrap();
        lie(&mut stranger);
        // However it lies, the server can be called.
        stranger.socket.send_bytes_deadline(&[], Deadline::now()).ok();
        wait_until(&manager, "it is shown out", |stats| (stats.clients, stats.lanes) == (1, 1));
        works(&manager);
    }
}

#[test]
fn who_does_not_read_its_lane_is_not_heard_and_does_no_harm() {
    let _watchdog = watch("who reads nothing");
    let manager = Manager::builder().max_backlog_bytes(10_000).start().unwrap();
    let mut stranger = Stranger::connect(manager.address()).unwrap();
    // Until the lane is full: the server has stopped to take calls out, since replies have no room.
    let asking = call(1, 0, 9, b"");
    let mut n_refused = 0;
    while n_refused < 200 {
        if !stranger.say(&asking) {
            n_refused += 1;
            works(&manager);
        }
    }
    let stats = manager.stats().unwrap();
    assert_eq!((stats.clients, stats.refused), (2, 0));
    // As soon as it reads, it is heard again.
    while stranger.hear().is_some_and(|reply| !reply.is_empty()) {
        if stranger.say(&asking) {
            break;
        }
    }
    works(&manager);
}

#[test]
fn who_hangs_up_in_the_middle_is_gone() {
    let _watchdog = watch("who hangs up");
    let manager = Manager::builder().max_backlog_bytes(10_000).start().unwrap();
    let asking = call(1, 0, 9, b"");
    let middles: [&dyn Fn(&mut Stranger); 3] = [
        // Calls in the lane, and messages beside it without marks.
        &|stranger| {
            assert!(stranger.say(&asking));
            stranger.socket.send_bytes(b"one").unwrap();
            stranger.socket.send_bytes(b"two").unwrap();
        },
        // More replies than there is room for.
        &|stranger| {
            let n_refused = (0..100_000).filter(|_| !stranger.say(&asking)).count();
            assert!(n_refused > 0);
        },
        // A message that is not there yet.
        &|stranger| stranger.socket.send_bytes(b"one").unwrap(),
    ];
    for middle in middles {
        let mut stranger = Stranger::connect(manager.address()).unwrap();
        middle(&mut stranger);
        drop(stranger);
        wait_until(&manager, "it is gone", |stats| (stats.clients, stats.lanes) == (1, 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_is_written_into_a_lane_others_are_served(
        script in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        thread_local! {
            static MANAGER: Manager = a_manager();
        }
        let _watchdog = watch("any script");
        MANAGER.with(|manager| {
            play(manager.address(), &script);
            works(manager);
            wait_until(manager, "it is gone", |stats| (stats.clients, stats.lanes) == (1, 1));
        });
    }
}
