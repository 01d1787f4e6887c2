//! Arguments and results with handles in them, and large ones, with each way of starting.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::Duration;

use common::start;
use ipc_core::wire::{self, Handle, Limits, MessageSocket};
use ipc_core::{Deadline, Kind, Segment};
use proc_core::Start;

common::with_each_start! {
    pipe_in_the_argument_leads_to_the_parent
    socket_in_the_argument_works_both_ways
    segment_in_the_argument_is_the_same_memory
    handle_in_the_result_is_the_childs
    more_handles_than_a_packet_holds_arrive
    large_argument_and_result_arrive
    child_with_a_large_result_ends_before_it_is_joined
}

fn pipe_in_the_argument_leads_to_the_parent(way: Start) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let writer = Handle::from(OwnedFd::from(writer));
    let child = start(
        way,
        |(writer, text): (Handle, String)| {
            std::fs::File::from(writer).write_all(text.as_bytes()).unwrap();
        },
        (writer, "from the child".to_owned()),
    );
    let mut text = String::new();
    // It ends only if no copy of the other end is left in this process.
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "from the child");
    child.join().unwrap();
}

fn socket_in_the_argument_works_both_ways(way: Start) {
    fn answer(socket: MessageSocket) {
        while let Some(message) = socket.recv(&Limits::NONE, Deadline::NEVER).unwrap() {
            let Some(number) = wire::decode::<Option<u64>>(message).unwrap() else { return };
            socket.send(&wire::encode(&(number + 1)).unwrap(), Deadline::NEVER).unwrap();
        }
    }
    let (ours, of_child) = MessageSocket::pair().unwrap();
    let child = start(way, answer, of_child);
    for number in 0..10_u64 {
        ours.send(&wire::encode(&Some(number)).unwrap(), Deadline::NEVER).unwrap();
        let message = ours.recv(&Limits::NONE, Deadline::NEVER).unwrap().unwrap();
        assert_eq!(wire::decode::<u64>(message).unwrap(), number + 1);
    }
    // A copy of this process has our end too, so it would not see it closed.
    ours.send(&wire::encode(&None::<u64>).unwrap(), Deadline::NEVER).unwrap();
    child.join().unwrap();
}

fn segment_in_the_argument_is_the_same_memory(way: Start) {
    let segment = Segment::create(Kind::new(*b"testing\0", 1), 7, 4096).unwrap();
    let child = start(way, |segment: Segment| segment.id().to_string(), segment.clone());
    assert_eq!(child.join().unwrap(), segment.id().to_string());
}

fn handle_in_the_result_is_the_childs(way: Start) {
    fn open(text: String) -> (Handle, u32) {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        (Handle::from(OwnedFd::from(reader)), proc_core::current().pid())
    }
    let child = start(way, open, "left behind".to_owned());
    let (reader, pid) = child.join().unwrap();
    let mut text = String::new();
    std::fs::File::from(reader).read_to_string(&mut text).unwrap();
    assert_eq!(text, "left behind");
    assert_eq!(pid, child.pid());
}

fn more_handles_than_a_packet_holds_arrive(way: Start) {
    let null = || Handle::from(std::fs::File::open("/dev/null").unwrap());
    let handles: Vec<Handle> = (0..300).map(|_| null()).collect();
    let returned = start(way, |handles: Vec<Handle>| handles, handles).join().unwrap();
    assert_eq!(returned.len(), 300);
}

fn large_argument_and_result_arrive(way: Start) {
    let numbers: Vec<u64> = (0..1_000_000).map(|i| i * i).collect();
    let reversed = start(
        way,
        |mut numbers: Vec<u64>| {
            numbers.reverse();
            numbers
        },
        numbers.clone(),
    );
    assert!(reversed.join().unwrap().iter().eq(numbers.iter().rev()));
}

fn child_with_a_large_result_ends_before_it_is_joined(way: Start) {
    let child = start(way, |len: usize| "x".repeat(len), 8 << 20);
    assert!(child.wait_timeout(Duration::from_secs(60)).unwrap().unwrap().success());
    assert_eq!(child.join().unwrap().len(), 8 << 20);
}
